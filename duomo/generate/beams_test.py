"""Laws of beam search: it finds what an exhaustive search finds."""

from itertools import product

import pytest
import torch

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate import Sampling, beam_search, generate
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe
from tests.small import dialogue, model, model_recipe, question, redrawn, rendered

SHAPES = ("decoder", "encoder_decoder")
VOCAB, STOP = 5, 4


def small(shape, seed):
    depths = {"decoder_depth": 2, "encoder_depth": 2 if shape == "encoder_decoder" else 0}
    recipe = ModelRecipe(shape=shape, vocab_size=VOCAB, block=BlockRecipe(dim=32, heads=4), **depths)
    return redrawn(Model(recipe, {}).eval(), seed)


def opened(*rows):
    return [Rendered(list(ids), [False] * len(ids), turn=len(ids)) for ids in rows]


@torch.inference_mode()
def exhaustive(m, item, penalty, length=3):
    """The best of all answers that end within `length` tokens or have so many, each read as a whole."""
    every = [ids for size in range(1, length + 1) for ids in product(range(VOCAB), repeat=size)]
    answers = [ids for ids in every if STOP not in ids[:-1] and (ids[-1] == STOP or len(ids) == length)]
    whole = [Rendered(item.ids + list(ids), [False] * (len(item.ids) + len(ids)), turn=item.turn) for ids in answers]
    log_p = m(prompt(whole, m.recipe.shape)).log_softmax(-1)
    costs = [float(row[-len(ids) - 1 : -1][range(len(ids)), list(ids)].sum()) for row, ids in zip(log_p, answers, strict=True)]
    best = max(zip(costs, answers, strict=True), key=lambda pair: pair[0] / len(pair[1]) ** penalty)[1]
    return [id for id in best if id != STOP]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_enough_beams_find_the_best_of_all_answers(shape, penalty):
    sampling, lengths = Sampling(max_tokens=3, beams=VOCAB**2, length_penalty=penalty), set()
    for seed in range(6):
        m, items = small(shape, seed), opened([1], [0, 3, 2, 1], [2, 2, 0, 1, 3, 3, 1])
        best = [exhaustive(m, item, penalty) for item in items]
        assert beam_search(m, prompt(items, shape), sampling, STOP) == best
        lengths |= set(map(len, best))
    assert len(lengths) > 1  # not all are empty or cut


@pytest.fixture(scope="module", params=SHAPES)
def m(request):
    torch.set_num_threads(1)
    return redrawn(model(model_recipe(request.param)), seed=1)


def prompts():
    kinds = ("image", "audio", "video", "text")
    return [rendered(s, answer=False) for s in (*(question(kind, n) for n, kind in enumerate(kinds)), dialogue())]


def searched(m, items, cached=True, stop=2, **how):
    return beam_search(m, prompt(items, m.recipe.shape), Sampling(**{"max_tokens": 8, "beams": 4} | how), stop, cached)


def test_cached_equals_uncached_with_media(m):
    found = searched(m, prompts())
    assert found == searched(m, prompts(), cached=False) and len({tuple(row) for row in found}) > 3


def test_a_batch_equals_each_alone(m):
    assert searched(m, prompts()) == [searched(m, [item])[0] for item in prompts()]


def test_one_beam_without_an_end_is_greedy(m):
    greedy = generate(m, prompt(prompts(), m.recipe.shape), Sampling(max_tokens=8), -1)
    muted = max(m.placeholder.values())  # an end that no one says
    assert searched(m, prompts(), stop=muted, beams=1) == torch.stack(list(greedy), 1).tolist()
