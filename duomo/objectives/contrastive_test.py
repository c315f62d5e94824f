"""Laws of contrast, on pictures and words of a tiny model."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from duomo.data.collate import collate, unmasked
from duomo.data.pairs import halves
from duomo.objectives import build
from duomo.objectives.contrastive import contrastive, means, numbered
from duomo.objectives.kind import nothing
from duomo.sample import Part, ask
from tests.small import SENTENCES, media, model, model_recipe, redrawn, rendered

TEMPERATURE = 0.2
WORDS = ("red", "book", "cat", "猫", "月亮", "a mat", "read", "窗", "sit", "love")


def documents(words=WORDS[:5], kind="image"):
    """Items 2i and 2i + 1: a picture (or a sentence), and its word."""
    shown = [f"{SENTENCES[n % 6]} {n}" if kind == "text" else Part(kind, media(kind, n)) for n in range(len(words))]
    found = [half for one, word in zip(shown, words, strict=True) for half in halves(ask(one, "what?", answer=word), 0)]
    items = [rendered(half) for half in found]
    return [replace(item, learn=[False] * (len(item.ids) - 1) + [True], weight=0.5) for item in items]


def batch_of(items, at_a_time=1):
    return collate([items[n : n + at_a_time] for n in range(0, len(items), at_a_time)], "encoder", unmasked)


def made(temperature=TEMPERATURE):
    return contrastive(nothing, temperature)


@torch.no_grad()
def naive(m, items, temperature=TEMPERATURE):
    """Each pair's loss from the definition: every document alone, in loops; what reads the same word for word is left out."""
    vectors = [m.encode(batch_of([item]).source)[0].mean(0).double().numpy() for item in items]
    first, second = ([v / np.linalg.norm(v) for v in vectors[side::2]] for side in (0, 1))
    words = [item.ids for item in items[1::2]]
    asked = [None if item.media else item.ids for item in items[::2]]
    losses = []
    for i in range(len(first)):
        others = [j for j in range(len(first)) if j != i and words[j] != words[i] and (asked[i] is None or asked[j] != asked[i])]
        there = [math.exp(float(first[i] @ second[j]) / temperature) for j in (i, *others)]
        back = [math.exp(float(first[j] @ second[i]) / temperature) for j in (i, *others)]
        losses.append(-(math.log(there[0] / sum(there)) + math.log(back[0] / sum(back))) / 2)
    return losses


@pytest.mark.parametrize("kind", ["image", "text", "audio"])
@pytest.mark.parametrize("words", [WORDS[:5], ("cat", "dog", "cat", "猫", "cat", "猫")], ids=["distinct", "some equal"])
def test_it_is_the_definition_written_out(kind, words):
    m, items = redrawn(model(model_recipe("encoder"))), documents(words, kind)
    loss = made()(m, batch_of(items))
    assert torch.allclose(loss.total_B, torch.tensor(naive(m, items)), rtol=1e-4, atol=1e-5)
    assert torch.equal(loss.count_B, torch.ones(len(words)))


@pytest.mark.parametrize("at_a_time", [2, 4, 10])
def test_packed_documents_lose_what_they_lose_in_rows_of_their_own(at_a_time):
    m, items = redrawn(model(model_recipe("encoder"))), documents()
    alone, packed = made()(m, batch_of(items)), made()(m, batch_of(items, at_a_time))
    assert torch.allclose(alone.total_B, packed.total_B, rtol=1e-4) and torch.equal(alone.count_B, packed.count_B)


def test_equal_questions_of_words_are_no_negatives_and_pictures_are_not_compared():
    m = redrawn(model(model_recipe("encoder")))
    twice = documents(("cat", "猫"), "text")
    twice[2] = twice[0]
    assert float(made()(m, batch_of(twice)).total_B.detach().abs().max()) < 1e-6, "nothing is left to be told apart"
    assert made()(m, batch_of(documents(("cat", "cat")))).mean == pytest.approx(0, abs=1e-6)
    assert made()(m, batch_of(documents(("cat", "猫")))).mean > 1e-3


def test_a_vector_is_the_mean_of_the_documents_own_tokens():
    m, items = redrawn(model(model_recipe("encoder"))), documents()
    source = batch_of(items, 4).source
    number_K, count = numbered(source)
    found = means(m.encode(source), source, number_K, count)
    assert count == len(items)
    for vector, item in zip(found, items, strict=True):
        alone = batch_of([item]).source
        assert torch.allclose(vector, m.pool(m.encode(alone), alone)[0], atol=1e-4)


def test_a_micro_batch_has_its_own_negatives():
    m, items = redrawn(model(model_recipe("encoder"))), documents(WORDS)
    parts = [made()(m, batch_of(part)) for part in (items[:10], items[10:])]
    whole = made()(m, batch_of(items))
    assert torch.allclose(torch.cat([part.total_B for part in parts]), torch.tensor(naive(m, items[:10]) + naive(m, items[10:])), rtol=1e-4)
    assert sum(float(part.count_B.sum()) for part in parts) == float(whole.count_B.sum()), "the divisor is the same"
    assert sum(float(part.total_B.sum()) for part in parts) < float(whole.total_B.sum()), "fewer negatives are easier"


def test_a_pair_counts_what_its_labels_weigh():
    m, items = redrawn(model(model_recipe("encoder"))), documents()
    plain, heavy = (made()(m, batch_of([replace(item, weight=weight) for item in items])) for weight in (0.5, 1.5))
    assert torch.allclose(heavy.total_B, 3 * plain.total_B) and torch.equal(heavy.count_B, torch.full((5,), 3.0))


def test_a_model_that_overfits_finds_every_picture_and_swapped_words_lose_more():
    torch.manual_seed(0)
    m, items = model(model_recipe("encoder", senses=("image",))), documents(WORDS)
    batch, objective, optimizer = batch_of(items), made(), torch.optim.AdamW(m.parameters(), 3e-3)
    before = objective(m, batch).mean
    for _ in range(120):
        optimizer.zero_grad()
        objective(m, batch).total_B.mean().backward()
        optimizer.step()
    swapped = [item for n in range(len(WORDS)) for item in (items[2 * n], items[2 * ((n + 1) % len(WORDS)) + 1])]
    assert before == pytest.approx(math.log(len(WORDS)), abs=0.7)
    assert objective(m, batch).mean < 0.2 and objective(m, batch_of(swapped)).mean > 2 * before
    assert recall(m, items) == 1 and recall(m, swapped) == 0


@torch.no_grad()
def recall(m, items):
    """How often the word of a picture is the nearest."""
    source = batch_of(items).source
    vectors = torch.nn.functional.normalize(means(m.encode(source), source, *numbered(source)), dim=-1)
    return float((vectors[::2] @ vectors[1::2].T).argmax(1).eq(torch.arange(len(items) // 2)).float().mean())


def test_a_decoder_is_refused_and_options_are_known_by_name():
    with pytest.raises(ValueError, match="set model.shape=encoder"):
        made()(model(model_recipe()), collate([[item] for item in documents()], "decoder"))
    with pytest.raises(ValueError, match="no option 'temprature'; did you mean 'temperature'"):
        build("contrastive", temprature=1)
    with pytest.raises(ValueError, match="temperature is above 0, not 0"):
        build("contrastive", temperature=0)
