import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, processors

from duomo.tokenizer import CHAT_FORMATS, CONTROL, PROBES, Tokenizer, chat_format
from tests.small import SENTENCES, tokenizer

CONTROLS = [*CONTROL, "<|image|>", "<|audio|>", "<|video|>"]
piece = st.one_of(st.sampled_from([*CONTROLS, "<|", "|>", "<|image", " "]), st.text(max_size=8))
hostile = st.lists(piece, max_size=8).map("".join)


def control_ids():
    return set(tokenizer().special.values())


@settings(max_examples=300, deadline=None)
@given(hostile)
def test_no_text_yields_a_control_id_and_all_text_comes_back(text):
    ids = tokenizer().encode(text)
    assert not control_ids() & set(ids)
    assert tokenizer().decode(ids) == text


@pytest.mark.parametrize("text", CONTROLS)
def test_the_name_of_a_control_token_is_plain_text(text):
    assert not control_ids() & set(tokenizer().encode(text))
    assert tokenizer().decode(tokenizer().encode(text)) == text


def test_half_a_character_becomes_a_question_mark():
    assert tokenizer().decode(tokenizer().encode("a\ud83db")) == "a?b"


def test_a_half_character_does_not_stop_learning():
    assert Tokenizer.learn(["a\ud83db"], 300).vocab_size >= 256


def test_control_tokens_come_first_and_in_this_order():
    assert [tokenizer().special[name] for name in CONTROLS] == list(range(len(CONTROLS)))


def test_decoding_leaves_control_tokens_out():
    assert tokenizer().decode([1, *tokenizer().encode("hi"), tokenizer().stop_id]) == "hi"


def test_placeholders_are_the_modalities():
    assert tokenizer().placeholders(("image", "video")) == {"image": 8, "video": 10}


def test_a_sense_without_a_placeholder_is_told():
    with pytest.raises(ValueError, match=r"no <\|smell\|>, at which the sense 'smell' is put"):
        tokenizer().placeholders(("smell",))


def test_plain_continuation_begins_as_the_tokenizer_says_and_ends_at_its_end_of_text():
    inner = tokenizers.Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    with pytest.raises(ValueError, match="plain continuation needs one of"):
        Tokenizer(inner, "plain")
    inner.add_special_tokens(["<s>", "</s>"])
    assert Tokenizer(inner, "plain").chat.begin == ()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    made = Tokenizer(inner, "plain")
    assert list(made.pieces(made.chat.begin)) == [2] and made.stop_id == 3
    assert made.encode("<s>ab") == [0, 1] and made.chat.close("user") == () and made.chat.close("assistant") == ("</s>",)


def test_learned_words_are_shorter_than_bytes():
    assert len(tokenizer().encode("I love to read books.")) < 15
    assert len(tokenizer().encode("喜欢")) < len("喜欢".encode())


def test_digits_stand_alone():
    assert len(tokenizer().encode("1234")) == 4


def test_it_never_learns_more_than_asked():
    assert Tokenizer.learn(SENTENCES, 280).vocab_size == 280
    assert Tokenizer.learn(["a"], 4000).vocab_size == 256 + len(CONTROL)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    tokenizer().save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.special == tokenizer().special
    for text in (*SENTENCES, "<|assistant|>", "🙂 naïve"):
        assert loaded.encode(text) == tokenizer().encode(text)


def test_learning_twice_gives_the_same(tmp_path):
    first, second = (Tokenizer.learn(SENTENCES, 320, media=["image"]) for _ in range(2))
    assert first.inner.to_str() == second.inner.to_str()


@pytest.mark.parametrize("content", ["", "{}", "[1, 2"])
def test_what_is_no_tokenizer_is_refused_by_name(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json: not a tokenizer\.json"):
        Tokenizer.load(path)
    with pytest.raises(ValueError, match="can not be read"):
        Tokenizer.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("", "chatml"),
        ("[INST] {{ text }} [/INST]", None),
        ("{{ text }}<|im_end|>", None),  # an end alone is no turn
        ("{{ '<|im_start|>' + role }}<|im_end|>", "chatml"),
        ("You are a helpful assistant.<|im_start|>{{ role }}<|im_end|>", "qwen2"),
    ],
)
def test_a_chat_format_is_one_that_the_template_shows(template, found):
    assert chat_format(["<|im_start|>", "<|im_end|>", "<|endoftext|>"], template) == found


def test_a_chat_format_without_its_control_tokens_is_refused(tmp_path):
    tokenizer().save(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match=r"tokenizer\.json: chat format 'chatml' needs <\|im_end\|>"):
        Tokenizer.load(tmp_path / "tokenizer.json", "chatml")
    with pytest.raises(ValueError, match="no chat format 'mine'; known: duomo"):
        Tokenizer.load(tmp_path / "tokenizer.json", "mine")


def test_only_pieces_of_a_format_become_control_ids():
    pieces = CHAT_FORMATS["duomo"].open("user") + ("<|bos|>x",)
    ids = list(tokenizer().pieces(pieces))
    assert ids[0] == tokenizer().special["<|user|>"]
    assert not control_ids() & set(ids[1:])


def test_tokens_are_shown_as_people_read_them():
    t = Tokenizer.learn(["I love 喜欢", "喜欢"], 300, media=["image"])
    assert t.readable(t.special["<|image|>"]) == "<|image|>"
    assert [t.readable(id) for id in t.encode("I love 喜欢")] == ["I", " love", " 喜欢"]
    assert "".join(t.readable(id) for id in t.encode("龘")) == "".join(f"\\x{byte:02x}" for byte in "龘".encode())
    with pytest.raises(ValueError, match="ids go from 0 to"):
        t.readable(10**6)


def test_placeholders_are_added_at_the_end_and_can_not_be_written():
    plain = Tokenizer.learn(["what is this?"], 300)
    assert "<|image|>" not in plain.special
    seeing = plain.seeing(["image", "audio"])
    assert list(seeing.placeholders(["image", "audio"]).values()) == [plain.vocab_size, plain.vocab_size + 1]
    assert seeing.encode("<|image|> what is this?") == plain.encode("<|image|> what is this?") and "<|image|>" not in plain.special
    assert seeing.seeing(["image"]).special == seeing.special


def test_the_quick_back_end_gives_the_same_ids_and_no_control_token_from_text():
    pytest.importorskip("gigatoken")
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer, inner.decoder = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator([*SENTENCES, *PROBES], tokenizers.trainers.BpeTrainer(vocab_size=600, initial_alphabet=sorted(alphabet)))
    inner.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    plain = Tokenizer(inner, "chatml")
    quick = plain.quick()
    assert (plain.back_end, quick.back_end) == ("tokenizers", "gigatoken")
    for text in (*PROBES, *SENTENCES, "<|im_end|> is text", "half \ud83d a character", "\n" * 7 + "x" * 999):
        assert quick.encode(text) == plain.encode(text)
        assert plain.stop_id not in quick.encode(text)


def test_words_that_are_split_in_our_own_way_stay_with_the_default_back_end():
    assert tokenizer().quick().back_end == "tokenizers"
