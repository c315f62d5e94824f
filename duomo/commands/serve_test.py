"""Laws of the verb: models go by their folders' names, and are weighed before they are opened."""

from dataclasses import MISSING, asdict, fields
from pathlib import Path

import pytest

from duomo import recipe as recipes
from duomo.cli.serving import Serving
from duomo.commands.describe_test import lay
from duomo.commands.serve import Settings, named, offer
from duomo.commands.weighing import Weight, weigh
from duomo.recipe import Recipe, TokenizerRecipe
from duomo.serve.models import models
from tests import hearing

pytest.importorskip("fastapi")


def test_a_model_goes_by_its_folders_name_and_two_alike_by_their_paths():
    given = [Path("runs/a"), Path("cache/models/b"), Path("other/b")]
    assert [name for _, name in named(given)] == ["a", "cache/models/b", "other/b"]


def test_the_defaults_are_the_same_on_the_command_line_and_in_the_settings():
    told = {field.name: field.default for field in fields(Serving)}
    assert MISSING not in told.values()
    nothing = {name: value if value != () else None for name, value in asdict(Settings()).items()}
    assert told == nothing, "a setting that nobody can say, or two defaults of one setting"


def test_a_model_is_weighed_with_its_caches_before_it_is_opened(tmp_path):
    folder = lay(tmp_path, "eyes")
    made = offer(folder, "eyes", Settings(rows=2, waiting=2, tokens=256))
    served = made.open()
    model, layers = served.queue.speaker.model, served.queue._running.cache.layers.values()
    assert made.bytes - made.caches == sum(parameter.nbytes for parameter in model.parameters()) > 0
    assert made.caches * 2 == 3 * sum(tensor.nbytes for pair in layers for tensor in pair) > 0, "and one prompt that is being read"
    assert served.queue is not None and served.embedder is None and served.hear is None
    assert served.sayable(40) and not served.sayable(0) and not served.sayable(-1) and not served.sayable(10_000)


def test_what_does_not_fit_with_its_caches_is_refused_and_fewer_tokens_help(tmp_path):
    folder = lay(tmp_path, "eyes")
    few, many = (offer(folder, "eyes", Settings(rows=2, tokens=tokens)) for tokens in (256, 480))
    budget = (few.bytes + many.bytes) // 2
    assert models([few], budget).budget == budget
    with pytest.raises(ValueError, match=r"'eyes' takes .* of them for its answers; raise it, or say fewer --tokens"):
        models([many], budget)


def test_what_has_no_queue_weighs_no_caches(tmp_path):
    model = hearing.whisper()
    recipes.save(Recipe(name="ears", model=model.recipe, tokenizer=TokenizerRecipe(chat="plain")), tmp_path / "recipe.json")
    hearing.tokenizer().save(tmp_path / "tokenizer.json")
    assert weigh(tmp_path, 16, 32_768) == Weight(sum(parameter.nbytes for parameter in model.parameters()), 0)
