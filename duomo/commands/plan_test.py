"""duomo plan: every recipe that ships is planned without a weight; what it tells is what a user can act on."""

import json

import pytest
import torch

from duomo import recipe as recipes
from duomo.commands.plan import Wanted, made, run
from duomo.commands.resolve import recipe_folder
from duomo.model import Model
from duomo.plan.load import placeholders
from duomo.plan.parts import parts_of
from tests import own

SHIPPED = sorted(recipe_folder().glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_parameters_of_a_recipe_are_those_of_its_model(path):
    recipe = recipes.load(path)
    with torch.device("meta"):
        true = sum(p.numel() for p in Model(recipe.model, placeholders(recipe)).parameters())
    planned = parts_of(made(recipe.model_copy(update={"adapt": None})))
    adapted = sum(part.parameters for part in parts_of(made(recipe)))
    assert sum(part.parameters for part in planned) == true
    assert (adapted > true) == bool(recipe.adapt and recipe.adapt.rank)


def test_a_plan_tells_time_memory_cost_and_what_does_not_fit(tmp_path, capsys):
    folder = own.lay(tmp_path)
    words = ("plan", "own.yaml", "--machine", "this,h100x8", "--price", "h100x8=2", "train.rows=4")
    assert own.duomo(folder, *words, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    here, many = facts["machines"]
    assert sum(part["parameters"] for part in facts["parts"]) == facts["parameters"]
    assert facts["tokens"] == own.STEPS * facts["tokens_a_step"] == own.STEPS * 4 * 128
    assert here["cost"] is None and many["cost"] == pytest.approx(many["hours"] * 16)
    assert here["fits"] and many["devices_with_rows"] == 4 and any("raise train.rows" in note for note in facts["notes"])
    assert here["bytes"]["activations, blocks computed again"] < here["bytes"]["activations"]
    assert own.duomo(folder, *words) == 0
    told = capsys.readouterr().out
    assert "compute-optimal tokens" in told and "optimizer state (muon)" in told and "source, h100x8" in told
    assert not (folder / "runs").exists()


def test_a_model_that_is_too_large_is_told_with_the_mend():
    tree = {"model": {"vocab_size": 2**16, "decoder_depth": 1, "block": {"dim": 64, "heads": 2}}, "data": {"row_tokens": 256}}
    recipe = recipes.parse({"name": "large"} | tree | {"train": {"rows": 2048}}, "large")  # its logits alone are 128 GiB
    facts = run(recipe, Wanted(("h100",))).facts
    (machine,) = facts["machines"]
    assert not machine["fits"] and machine["mend"]
    mended = recipe.model_copy(update={"train": recipe.train.model_copy(update=dict(map(_pair, machine["mend"])))})
    assert run(mended, Wanted(("h100",))).facts["machines"][0]["fits"]


def _pair(change):
    key, _, value = change.removeprefix("train.").partition("=")
    return key, json.loads(value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--machine", "h1000"), "did you mean 'h100"),
        (("--machine", ","), "--machine: name one"),
        (("--price", "cheap"), "'cheap' is no number; write --price 2.5"),
        (("--items", "image=-1"), "below 0"),
        (("--items", "smell=1"), "no such sense"),
        (("--utilisation", "2"), "utilisation"),
    ],
)
def test_what_can_not_be_planned_is_told_in_one_line(words, told, tmp_path, capsys):
    assert own.duomo(own.lay(tmp_path), "plan", "own.yaml", *words) == 2
    assert told in capsys.readouterr().err
