"""Laws of the tour's weighing: what was read before weighs as what is read anew."""

from pathlib import Path

import pytest
import torch

from duomo.checkpoint import Run
from duomo.commands.ask import Assistant
from duomo.commands.tour_weigh import ROOM, gained, scale
from duomo.recipe import Recipe
from tests.small import model, model_recipe, redrawn, tokenizer

TEXTS = ("a dog", "the cat sat on the mat", "you are alone", "no")


@pytest.fixture(scope="module")
def writer():
    torch.set_num_threads(1)
    recipe = replace_positions(model_recipe())
    whole = Recipe(name="small", model=recipe)
    return Assistant(Run(Path("small"), whole, tokenizer(), redrawn(model(recipe)), 0))


def replace_positions(recipe):
    return recipe.model_copy(update={"max_positions": 512})


@pytest.mark.parametrize("words", ["the caller is alone", "it rains"])
def test_what_was_read_before_weighs_as_what_is_read_anew(writer, words):
    made = scale(writer, "caller" in words, TEXTS)
    for some in (TEXTS, TEXTS[2:], TEXTS[:1], TEXTS[::-1]):
        anew = gained(writer, words, some)
        assert made.gained(words, some) == pytest.approx(anew, abs=1e-3)
        assert len(set(anew)) == len(some), "each text weighs something of its own"
    assert made.gained(words, TEXTS) == made.gained(words, TEXTS), "a question leaves nothing behind"


def test_what_it_has_not_read_and_what_is_too_long_does_not_suit(writer):
    made = scale(writer, True, TEXTS[:2])
    assert made.suits("the caller is alone", TEXTS[1:2])
    assert not made.suits("the caller is alone", TEXTS[2:]) and not made.suits("alone " * ROOM, TEXTS[:1])
