"""Laws of answers: texts, choices and likelihoods, whatever the batches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from duomo.data.collate import collate, prompt
from duomo.data.render import Rendered
from duomo.generate import Sampling, Speaker
from duomo.generate.answers import HALF, Telling, certain, ended, until
from duomo.sample import Message, Origin, Sample, ask, text
from tests.small import SENTENCES, dialogue, media, model, model_recipe, question, redrawn, rendered, tokenizer

SHAPES = ("encoder", "decoder", "encoder_decoder")
CHOICES = ("a cat", "书", "", "I love to read")
KINDS = ("text", "image", "audio", "video")


@pytest.fixture(scope="module", params=SHAPES)
def any_speaker(request):
    return speaker(request.param)


@pytest.fixture(scope="module", params=SHAPES[1:])
def writer(request):
    return speaker(request.param)


def speaker(shape, **how):
    torch.set_num_threads(1)
    return Speaker(redrawn(model(model_recipe(shape))), tokenizer(), sampling=Sampling(**{"max_tokens": 10} | how))


def samples(count=9):
    return [*(question(KINDS[n % 4], n, answer=SENTENCES[n % 6][: 1 + n]) for n in range(count)), dialogue()]


def texts(said):
    return [one.text for one in said]


def test_answers_keep_their_order_whatever_the_batches(writer):
    wanted = texts(writer.answer(samples()))
    assert len(set(wanted)) > 3
    for size in (1, 3):
        assert texts(replace(writer, batch=size).answer(samples())) == wanted
    assert writer.answer([]) == []


def test_what_a_sample_holds_of_an_answer_is_not_shown(writer):
    asked = samples()
    assert texts(writer.answer([replace(s, messages=s.messages[:-1]) for s in asked])) == texts(writer.answer(asked))


def test_an_answer_is_no_longer_than_wanted(writer):
    short, long = (texts(writer.answer(samples(), max_tokens=n)) for n in (2, 6))
    assert all(a.startswith(b) for a, b in zip(long, short, strict=True)) and short != long


def test_beams_answer_alike_in_any_batch(writer):
    searching = replace(writer, sampling=Sampling(max_tokens=5, beams=3))
    assert texts(searching.answer(samples())) == texts(replace(searching, batch=1).answer(samples()))
    assert list(searching.stream(samples()[0])) == texts(searching.answer(samples()[:1]))


@torch.inference_mode()
def slow_nats(speaker, sample):
    """The last turn's tokens, one by one, from logits over the whole of it."""
    shape, item = speaker.model.recipe.shape, rendered(sample)
    answer = item.ids[item.turn :]
    if shape == "encoder":
        masked = Rendered(item.ids[: item.turn] + [tokenizer().special["<|mask|>"]] * len(answer), item.learn, item.media)
        log_p = speaker.model(prompt([masked], shape))[0, item.turn :]
    else:
        log_p = speaker.model(prompt([item], shape))[0, -len(answer) - 1 : -1]
    return -float(log_p.log_softmax(-1)[range(len(answer)), answer].sum())


def test_likelihood_is_that_of_the_last_turn_and_its_end(any_speaker):
    found = any_speaker.likelihood(samples())
    assert texts(found) == [s.answer for s in samples()]
    assert [one.nats for one in found] == pytest.approx([slow_nats(any_speaker, s) for s in samples()], rel=1e-4)
    assert [one.nats for one in replace(any_speaker, batch=2).likelihood(samples())] == pytest.approx([one.nats for one in found], rel=1e-4)


def test_a_text_without_a_question_has_a_likelihood():
    alone = Sample((Message("assistant", (text("the cat sat on the mat"),)),))
    mine = speaker("decoder")
    assert mine.likelihood([alone])[0].nats == pytest.approx(slow_nats(mine, alone), rel=1e-4)


def answered(sample, answer):
    return Sample((*sample.messages[:-1], Message("assistant", (text(answer),))))


@pytest.mark.parametrize("size", [1, 4, 32])
def test_the_likeliest_choice_is_picked_with_its_nats(writer, size):
    asked = [replace(s, choices=CHOICES[n % 2 :]) for n, s in enumerate(samples())]
    found = replace(writer, batch=size).rank(asked)
    for sample, one in zip(asked, found, strict=True):
        nats = {choice: writer.likelihood([answered(sample, choice)])[0].nats for choice in sample.choices}
        assert one.text == min(nats, key=nats.get) and one.nats == pytest.approx(nats[one.text], rel=1e-4)


def test_one_token_choices_without_a_tail_are_ranked():
    mine = speaker("decoder")
    assert {one.text for one in mine.rank([replace(s, choices=("",)) for s in samples()])} == {""}


def test_an_encoder_ranks_by_a_cloze():
    mine = speaker("encoder")
    asked = [replace(s, choices=tuple("abcdefgh")) for s in samples()]
    for sample, one in zip(asked, mine.rank(asked), strict=True):
        nats = {choice: slow_nats(mine, answered(sample, choice)) for choice in sample.choices}
        assert one.text == min(nats, key=nats.get) and one.nats == pytest.approx(nats[one.text], rel=1e-4)
    with pytest.raises(ValueError, match="equally many tokens, not 'a' 1, 'which letter is it' "):
        mine.rank([replace(samples()[0], choices=("a", "which letter is it"))])
    with pytest.raises(ValueError, match="an encoder can not generate"):
        mine.answer(samples())


def test_a_cloze_is_what_was_learned():
    item = rendered(question("text", 1))
    assert collate([[item]], "encoder").labels_BT[0, item.turn :].tolist() == item.ids[item.turn :]


@pytest.mark.parametrize("stop", [(), ("e",), (" ", "ea", "tt")], ids=str)
def test_a_stream_is_the_answer_in_pieces(writer, stop):
    mine = replace(writer, sampling=Sampling(max_tokens=24, temperature=1.2, stop=stop, seed=5))
    for sample in samples():
        pieces = list(mine.stream(sample))
        assert "".join(pieces) == mine.answer([sample])[0].text and "" not in pieces


@given(st.text("ab读书龘é😀", max_size=12), st.lists(st.text("ab读😀", min_size=1, max_size=3), max_size=3))
def test_certain_text_is_never_taken_back(body, stops):
    ids, sent, shown = tokenizer().encode(body), "", ""
    for n in range(len(ids) + 1):
        shown = tokenizer().decode(ids[:n])
        sure = certain(shown, stops)
        assert sure.startswith(sent) and HALF not in sure
        sent = sure
        if ended(shown, stops):
            break
    assert until(shown, stops).startswith(sent) and until(shown, stops) == until(body, stops)
    assert not any(stop in until(body, stops) for stop in stops)


def told_naively(ids, stops):
    """The oracle: everything is decoded anew at every token."""
    pieces, sent, body = [], 0, ""
    for n in range(1, len(ids) + 1):
        body = tokenizer().decode(ids[:n])
        sure = certain(body, stops)
        pieces.append(sure[sent:])
        sent = max(sent, len(sure))
        if ended(body, stops):
            break
    return [*pieces, until(body, stops)[sent:]]


@given(st.lists(st.integers(0, 399), max_size=20), st.lists(st.text("ab读😀 ", min_size=1, max_size=3), max_size=3))
def test_pieces_are_those_of_the_whole_answer_decoded_at_every_token(ids, stops):
    telling, pieces = Telling(tokenizer(), stops), []
    for id in ids:
        pieces.append(telling.add(id))
        if telling.over:
            break
    assert [*pieces, telling.rest()] == told_naively(ids, stops)
    assert telling.ids == ids[: len(pieces)]


class Counting:
    """A tokenizer that counts the ids it has decoded."""

    def __init__(self):
        self.decoded = 0

    def decode(self, ids):
        self.decoded += len(ids)
        return tokenizer().decode(ids)


def test_telling_twice_as_much_decodes_twice_as_much():
    ids, counted = tokenizer().encode("the cat sat on the mat. 我喜欢看书。"), []
    for times in (20, 40):
        counting = Counting()
        telling = Telling(counting, ("###",))
        for id in ids * times:
            telling.add(id)
        counted.append(counting.decoded)
    assert counted[1] < 2.1 * counted[0] and counted[1] < 8 * 40 * len(ids)


def test_nothing_is_held_back_longer_than_needed():
    assert (certain("the ca", ["cat"]), certain("the cow", ["cat"]), certain("the cat", ["cat"])) == ("the ", "the cow", "the ")
    assert until("a" + HALF, []) == "a"


def test_what_does_not_fit_is_told():
    mine = speaker("decoder", max_tokens=40)
    long = ask("书" * 300, origin=Origin("mine", "7"))
    with pytest.raises(ValueError, match=r"^mine 7: [\d,]+ tokens, but the model reads 256 at most; shorten it, or ask for"):
        mine.answer([*samples(), long])
    with pytest.raises(ValueError, match="mine 7: .* at most; shorten it$"):
        mine.likelihood([ask("书" * 300, answer="x", origin=long.origin)])
    with pytest.raises(ValueError, match="mine 7: has no choices"):
        mine.rank([long])
    with pytest.raises(ValueError, match="mine 7: has no assistant message"):
        mine.likelihood([long])


def test_files_are_found_inside_the_root(tmp_path):
    mine = replace(speaker("decoder"), root=tmp_path)
    (tmp_path / "x.png").write_bytes(media("image", 3))
    by_name = ask(replace(question("image", 3).messages[0].parts[0], value="x.png"), "which letter?")
    assert texts(mine.answer([by_name])) == texts(mine.answer([question("image", 3)]))
    with pytest.raises(ValueError, match=f"{Path('y.png')}: no such image file"):
        mine.answer([ask(replace(by_name.messages[0].parts[0], value="y.png"))])


def test_length_is_what_is_read_before_the_answer():
    mine = speaker("decoder")
    assert mine.length(dialogue()) == len(rendered(dialogue(), answer=False).ids)
    assert mine.room == 246
