"""A recipe that gives its steps a time: a slower machine does fewer of them, and the run is a function of what it settled on."""

from duomo import recipe as recipes
from tests import own


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
