"""Laws of room: what the recipe tells is what the running batch takes."""

import pytest

from duomo.generate.room import cache_bytes
from duomo.generate.running import Running
from tests.small import model, model_recipe, tokenizer


@pytest.mark.parametrize("kv_heads", [None, 1])
def test_the_bytes_of_the_recipe_are_those_of_the_cache(kv_heads):
    recipe = model_recipe()
    recipe = recipe.model_copy(update={"block": recipe.block.model_copy(update={"kv_heads": kv_heads})})
    running = Running(model(recipe), tokenizer(), rows=3, capacity=50)
    held = sum(tensor.nbytes for pair in running.cache.layers.values() for tensor in pair)
    assert cache_bytes(recipe, 3, 50) * 3 == held * 4, "and a prompt that is being read takes another row"


def test_a_memory_counts_and_an_encoder_has_no_cache():
    recipe = model_recipe("encoder_decoder")
    running = Running(model(recipe), tokenizer(), rows=2, capacity=40)
    kept = (*running.cache.layers.values(), *running.cache.memory.values())
    assert cache_bytes(recipe, 2, 40) * 2 == sum(tensor.nbytes for pair in kept for tensor in pair) * 3
    assert cache_bytes(model_recipe("encoder"), 2, 40) == 0


def test_no_more_is_kept_than_the_model_reads():
    recipe = model_recipe()
    assert cache_bytes(recipe, 1, 10**9) == cache_bytes(recipe, 1, recipe.max_positions)
