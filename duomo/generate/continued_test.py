"""Laws of continuing: the ids of the oracle, the nats of a slow loop, no conversation around the text."""

from dataclasses import replace

import pytest
import tokenizers
import torch

from duomo.data.collate import prompt
from duomo.data.render import Rendered, render
from duomo.generate import Sampling, Speaker, generate
from duomo.generate.continued import ROWS, Continuer, continuing
from duomo.sample import document
from duomo.tokenizer import CHATML, Tokenizer
from tests.small import model, model_recipe, redrawn, tokenizer

TEXT = "the cat sat on"


@pytest.fixture(scope="module", params=["decoder", "encoder_decoder"])
def writer(request: pytest.FixtureRequest) -> Continuer:
    torch.set_num_threads(1)
    return continuer(request.param)


def continuer(shape: str, **how: float) -> Continuer:
    made = redrawn(model(model_recipe(shape)))
    return Continuer(made, continuing(tokenizer()), Sampling(**{"max_tokens": 12} | how))


def other_tokenizer(*special: str) -> Tokenizer:
    """One of another program: its control tokens are not ours, and nothing stands before a text."""
    inner = tokenizers.Tokenizer.from_str(tokenizer().inner.to_str())
    inner.add_special_tokens(list(special))
    return Tokenizer(inner, "chatml" if "<|im_end|>" in special else "plain")


def test_a_text_stands_as_it_was_learned() -> None:
    own = continuing(tokenizer())
    learned = render(document(TEXT), tokenizer(), {}, None)
    assert render(document(TEXT), own, {}, None).ids == learned.ids and own.stop_id == learned.ids[-1]
    assert render(document(TEXT), own, {}, None).turn == learned.turn
    assert own.chat.system is None and continuing(tokenizer().introduced("be brief")).chat.begin == own.chat.begin


def test_a_model_of_another_program_reads_what_base_models_read() -> None:
    talking = other_tokenizer("<|im_start|>", "<|im_end|>", "<|endoftext|>")
    assert talking.chat is CHATML
    made = continuing(talking)
    end = made.special["<|endoftext|>"]
    assert made.stop_id == end and render(document(TEXT), made, {}, None).ids == [end, *made.encode(TEXT), end]
    assert talking.chat is CHATML


@torch.inference_mode()
def test_it_is_what_the_model_finds_likeliest_and_what_that_costs(writer: Continuer) -> None:
    greedy = replace(writer, sampling=Sampling(max_tokens=12))
    (found,) = greedy.write(TEXT)
    marks = list(greedy.tokenizer.pieces(greedy.tokenizer.chat.begin))
    ids = marks + greedy.tokenizer.encode(TEXT)
    batch = prompt([Rendered(ids, [False] * len(ids), turn=len(marks))], greedy.model.recipe.shape)
    said = torch.stack(list(generate(greedy.model, batch, greedy.sampling, greedy.tokenizer.stop_id, cached=False)), 1)[0].tolist()
    assert found.text == greedy.tokenizer.decode(said).rstrip("\ufffd") and found.tokens == len(said) and not found.ended
    whole = prompt([Rendered(ids + said, [False] * len(ids + said), turn=len(marks))], greedy.model.recipe.shape)
    log_p = greedy.model(whole)[0, -len(said) - 1 : -1].log_softmax(-1)
    assert found.nats == pytest.approx(-float(log_p[range(len(said)), said].mean()), rel=1e-4)


def test_the_stream_is_the_first_continuation(writer: Continuer) -> None:
    for seed in range(4):
        drawn = replace(writer, sampling=Sampling(max_tokens=24, temperature=1.3, seed=seed))
        pieces = list(drawn.stream(TEXT))
        assert "".join(pieces) == drawn.write(TEXT)[0].text and "" not in pieces


def test_many_continuations_differ_and_follow_the_seed(writer: Continuer) -> None:
    drawn = replace(writer, sampling=Sampling(max_tokens=12, temperature=2.0, seed=3))
    many = drawn.write(TEXT, ROWS + 3)
    assert len(many) == ROWS + 3 and len({one.text for one in many}) > ROWS
    assert drawn.write(TEXT, ROWS + 3) == many != replace(drawn, sampling=replace(drawn.sampling, seed=4)).write(TEXT, ROWS + 3)


def test_an_end_is_told_and_not_said() -> None:
    writer = continuer("decoder", max_tokens=40)
    (free,) = writer.write(TEXT)
    said = writer.tokenizer.encode(free.text)
    writer.tokenizer.chat = replace(writer.tokenizer.chat, stop="<|user|>")  # the model says it somewhere, made so
    with torch.no_grad():
        last = writer.model.tokens.weight
        last[writer.tokenizer.stop_id] = last[said[5]] * 1.5
    (ended,) = writer.write(TEXT)
    assert ended.ended and ended.tokens < 40 and free.text.startswith(ended.text[:3]) and "".join(writer.stream(TEXT)) == ended.text


def test_of_a_long_beginning_the_end_is_read(writer: Continuer) -> None:
    assert writer.room == 256 - 12 - 2
    long = "我喜欢看书。" * 300_000 + TEXT
    assert writer.unread(long) and not writer.unread(TEXT)
    assert writer.write(long) == writer.write(long[-5_000:])
    if writer.model.recipe.shape == "decoder":
        assert writer.write("which letter? " + long[-5_000:]) == writer.write(long)


def test_what_can_not_go_on_is_refused() -> None:
    with pytest.raises(ValueError, match="an encoder writes no text"):
        continuer("encoder")
    with pytest.raises(ValueError, match="300 tokens are more than the model reads and writes together, 256"):
        continuer("decoder", max_tokens=300)
    with pytest.raises(ValueError, match="plain continuation needs one of"):
        lacking = other_tokenizer("<|im_start|>", "<|im_end|>")
        lacking.inner = tokenizers.Tokenizer(tokenizers.models.BPE())
        continuing(lacking)


def test_a_text_costs_what_it_cost_in_training() -> None:
    made = redrawn(model(model_recipe()))
    as_trained = Speaker(made, tokenizer()).likelihood([document(TEXT)])
    assert Speaker(made, continuing(tokenizer())).likelihood([document(TEXT)])[0].nats == as_trained[0].nats
