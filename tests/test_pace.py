"""A recipe that gives its steps a time: a slower machine does fewer of them, and the run is a function of what it settled on."""

import pytest
import torch

from duomo import recipe as recipes
from duomo.commands.pace import precise
from tests import own, small


def test_fewer_steps_where_they_would_take_too_long_and_the_run_is_that_of_so_many(tmp_path):
    paced, plain = own.lay(tmp_path / "paced"), own.lay(tmp_path / "plain")
    assert own.duomo(paced, "train", "own.yaml", "train.steps=5000", "train.minutes=0.003") == 0
    kept = recipes.load(paced / "runs/own/recipe.json")
    assert 10 <= kept.train.steps < 5000 and kept.train.minutes is None and own.steps_logged(paced) == kept.train.steps
    assert own.duomo(plain, "train", "own.yaml", f"train.steps={kept.train.steps}") == 0
    assert own.weights(paced) == own.weights(plain)
    assert own.duomo(paced, "train", "own.yaml", "train.steps=5000", "train.minutes=0.003", "--resume") == 0  # nothing is left to do


def test_a_machine_that_is_quick_enough_does_all_steps(tmp_path):
    folder = own.lay(tmp_path)
    assert own.duomo(folder, "train", "own.yaml", "train.steps=12", "train.minutes=60") == 0
    assert recipes.load(folder / "runs/own/recipe.json").train.steps == own.steps_logged(folder) == 12


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU needs no probe")
def test_a_fast_precision_is_settled_when_a_run_begins_and_stays(tmp_path):
    probed, plain = own.lay(tmp_path / "probed"), own.lay(tmp_path / "plain")
    assert own.duomo(probed, "train", "own.yaml", "train.steps=4", "train.precision=fast") == 0
    kept = recipes.load(probed / "runs/own/recipe.json")
    assert kept.train.precision in ("bf16", "fp32")
    assert own.duomo(plain, "train", "own.yaml", "train.steps=4", f"train.precision={kept.train.precision}") == 0
    assert own.weights(probed) == own.weights(plain)
    assert own.duomo(probed, "train", "own.yaml", "train.steps=4", "train.precision=fast", "--resume") == 0


@pytest.mark.parametrize(("times", "chosen"), [(2.2, "bf16"), (1.4, "fp32"), (0.02, "fp32")])
def test_half_precision_is_taken_where_its_products_are_well_ahead(times, chosen, capsys):
    recipe = recipes.Recipe(name="own", model=small.model_recipe("decoder", senses=()), train=recipes.TrainRecipe(precision="fast"))
    assert precise(recipe, lambda: times).train.precision == chosen and f"trained in {chosen}" in capsys.readouterr().err
    assert precise(precise(recipe, lambda: times), lambda: 1 / 0).train.precision == chosen  # what is settled is not probed
