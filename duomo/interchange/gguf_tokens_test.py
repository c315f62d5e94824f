import json

import pytest
import tokenizers
from tokenizers import decoders, models

from duomo.interchange.gguf_tokens import BYTE, CONTROL, KNOWN, NORMAL, UNKNOWN, WHOLE, fields, read, words
from duomo.tokenizer import PLAIN, Tokenizer
from tests.small import SENTENCES, tokenizer

MIXED = ("I'm 1234 years\n\n old,  don't", "  two\tspaces ", "你好，world 2024年", *SENTENCES)
PIECES = ("▁", "a", "b", "c", "ab", "bc", "abc", "▁a", "▁abc")  # the later, the likelier to be merged, but for "bc"
SCORES = (-9, -9, -9, -9, -5, -1, -3, -4, -2)


def sentencepiece(prefix=True, **more):
    known = [("<unk>", 0, UNKNOWN), ("<s>", 0, CONTROL), ("</s>", 0, CONTROL)]
    known += [(f"<0x{byte:02X}>", 0, BYTE) for byte in range(256)]
    known += [(piece, score, NORMAL) for piece, score in zip(PIECES, SCORES, strict=True)]
    tokens, scores, kinds = map(list, zip(*known, strict=True))
    said = {"model": "llama", "tokens": tokens, "scores": scores, "token_type": kinds, "bos_token_id": 1, "add_space_prefix": prefix}
    return {f"tokenizer.ggml.{key}": value for key, value in (said | more).items()}


def pieces(inner, text):
    return inner.encode(text, add_special_tokens=False).tokens


def byte_level(pre):
    """A tokenizer that cuts words as `pre` does, with every merge of the small one."""
    inner = tokenizers.Tokenizer(models.BPE(**_model(tokenizer().inner)))
    inner.pre_tokenizer, inner.decoder = words(pre), decoders.ByteLevel()
    inner.add_special_tokens(["<|end|>"])
    return Tokenizer(inner, PLAIN)


@pytest.mark.parametrize("pre", KNOWN)
def test_words_are_cut_as_the_file_says(pre):
    there = byte_level(pre)
    held = fields(there, there.vocab_size)
    assert held["tokenizer.ggml.pre"] == pre
    for kept in (held, {key: value for key, value in held.items() if key != WHOLE}):
        back = read(kept, "x.gguf")
        assert [pieces(back, text) for text in MIXED] == [pieces(there.inner, text) for text in MIXED]
        assert back.decode(back.encode(MIXED[0]).ids) == MIXED[0]


def test_words_that_were_learned_here_are_cut_nearly_so():
    held = fields(tokenizer(), 400)
    assert held["tokenizer.ggml.pre"] == "smollm"
    back = read({key: value for key, value in held.items() if key != WHOLE}, "x.gguf")
    assert [back.encode(text).ids for text in MIXED] == [tokenizer().encode(text) for text in MIXED]


def test_another_cut_is_not_written():
    inner = tokenizers.Tokenizer.from_str(json.dumps(json.loads(tokenizer().inner.to_str()) | {"pre_tokenizer": {"type": "Whitespace"}}))
    with pytest.raises(ValueError, match="GGUF holds no tokenizer of this kind"):
        fields(Tokenizer(inner), 400)


def test_a_tokenizer_of_another_vocabulary_is_not_taken():
    held = fields(tokenizer(), 400)
    tokens = [token.replace("t", "T") for token in held["tokenizer.ggml.tokens"]]
    with pytest.raises(ValueError, match="a token stands twice|is not of two tokens"):
        read(held | {"tokenizer.ggml.tokens": tokens}, "x.gguf")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("abc", ["▁abc"]),  # bc first (-1), then abc of its two halves, then with the space
        ("abab", ["▁a", "b", "ab"]),  # "▁a" is likelier than "ab"
        ("a é", ["▁a", "▁", "<0xC3>", "<0xA9>"]),  # what is no piece falls into bytes
    ],
)
def test_the_likeliest_pieces_are_merged_first(text, found):
    inner = read(sentencepiece(), "x.gguf")
    assert pieces(inner, text) == found
    assert inner.decode(inner.encode(text).ids) == text


def test_the_first_token_and_the_space_before_are_as_the_file_says():
    assert read(sentencepiece(), "x.gguf").encode("a").tokens == ["<s>", "▁a"]
    assert read(sentencepiece(prefix=False, add_bos_token=False), "x.gguf").encode("a").tokens == ["a"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scores": [0.0]}, "lacks scores"),
        ({"scores": ["x"] * 268}, "lacks scores"),
        ({"token_type": ["x"] * 268}, "of their types"),
        ({"tokens": ["a", "a"]}, "stands twice"),
        ({"tokens": []}, "holds no tokenizer"),
        ({"token_type": [1]}, "1 of their types"),
        ({"model": "t5"}, "of the kind 't5'"),
        ({"model": "gpt2", "pre": "gpt-2"}, "has no list tokenizer.ggml.merges"),
        ({"model": "gpt2", "pre": "gpt-2", "merges": ["a q"]}, "is not of two tokens into a third"),
        ({"model": "gpt2", "pre": "other"}, "cut as 'other'"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        read(sentencepiece(**change), "x.gguf")


@pytest.mark.parametrize("first", ("<s>:2", "a b", "<s>", "é"))
def test_whatever_the_first_token_is_no_error_lacks_the_file(first):
    held = sentencepiece()
    held["tokenizer.ggml.tokens"][1] = first
    try:
        assert read(held, "x.gguf").encode("a").ids[0] == 1
    except ValueError as error:
        assert str(error).startswith(f"x.gguf: the token before any text, {first!r}, is none that can stand there") and first != "<s>"


def test_no_first_token_is_written_as_minus_one():
    assert read(sentencepiece(bos_token_id=-1), "x.gguf").encode("a").tokens == ["▁a"]


def test_a_token_that_is_too_long_to_be_cut_everywhere_is_refused():
    held = sentencepiece()
    held["tokenizer.ggml.tokens"][-1] = "a" * 400_000
    with pytest.raises(ValueError, match=r"^x\.gguf: a token of 400,000 characters, 'a{20}'…, more than the 256"):
        read(held, "x.gguf")


def _model(inner):
    model = json.loads(inner.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}
