"""Laws of describing: files and folders in, one answer each; what is broken is named and stops nobody."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from duomo import checkpoint, load
from duomo import recipe as recipes
from duomo.cli import main
from duomo.commands import describe as command
from duomo.commands.models import open_model
from duomo.modalities.image import to_png
from duomo.recipe import Recipe
from tests import small

DATA = {"tasks": {"photos": 1}, "options": {"photos": {"languages": ["en"]}}}


def lay(folder, name="eyes", senses=("image",), data=None):
    """A run of random weights."""
    recipe = Recipe(name=name, model=small.model_recipe(senses=senses), **({"data": data} if data else {}))
    checkpoint.save(folder / name / "checkpoints" / "step-1", small.redrawn(small.model(recipe.model)), None, {})
    recipes.save(recipe, folder / name / "recipe.json")
    small.tokenizer().save(folder / name / "tokenizer.json")
    return folder / name


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, and pictures good and bad."""
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("shelf")
    lay(made, data=DATA)
    lay(made, "ears", ("audio",))
    (made / "pictures" / "more").mkdir(parents=True)
    (made / "pictures" / "a.png").write_bytes(small.media("image", 1))
    (made / "pictures" / "more" / "b.PNG").write_bytes(small.media("image", 2))
    (made / "pictures" / "notes.txt").write_text("no picture")
    return made


def test_each_picture_has_the_answer_that_asking_gives(shelf, capsys):
    report = command.run(shelf / "eyes", [shelf / "pictures"], "en", None, lines=True)
    rows = [json.loads(line) for line in report.lines]
    assert [Path(row["file"]).name for row in rows] == ["a.png", "b.PNG"]
    eyes = load(shelf / "eyes")
    assert [row["answer"] for row in rows] == [eyes.ask("what is this?", image=row["file"]).strip() for row in rows]
    assert capsys.readouterr().err.count("was taught clothes (t-shirt") == 1


def test_what_is_broken_is_named_and_the_rest_goes_on(shelf, capsys):
    broken = shelf / "broken.png"
    broken.write_bytes(small.media("image", 1)[:60])
    report = command.run(shelf / "eyes", [broken, shelf / "pictures" / "a.png", shelf / "pictures" / "notes.txt"], "en", None, lines=False)
    assert len(report.lines) == 1 and "a.png: " in report.lines[0]
    told = capsys.readouterr().err
    assert "broken.png: damaged" in told and "notes.txt: damaged" in told
    with pytest.raises(ValueError, match="broken.png: damaged"):
        command.run(shelf / "eyes", [broken], "en", None, lines=False)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_the_smallest_and_the_thinnest_pictures_are_answered(shelf, shape):
    (seen,) = command.eyes(open_model(shelf / "eyes"), "en").see([to_png(np.zeros(shape, np.uint8))])
    assert not seen.fault


def test_what_can_not_be_asked_is_refused_in_one_line(shelf, tmp_path, capsys):
    faults = {
        "ears: sees nothing": [str(shelf / "ears"), str(shelf / "pictures")],
        "taught no answer in 'zh'": [str(shelf / "eyes"), str(shelf / "pictures"), "--lang", "zh"],
        "holds no picture": [str(shelf / "eyes"), str(tmp_path)],
        "no such file or folder": [str(shelf / "eyes"), str(tmp_path / "none.png")],
    }
    for fault, words in faults.items():
        assert main(["describe", *words]) == 2
        told = capsys.readouterr().err.strip()
        assert fault in told and "\n" not in told


def test_one_may_ask_something_else(shelf):
    report = command.run(shelf / "eyes", [shelf / "pictures" / "a.png"], "zh", "which letter is it?", lines=True)
    assert json.loads(report.lines[0])["question"] == "which letter is it?"
