"""Laws of finding pictures: a run that learned a user's own folder by contrast finds its pictures by words, and words by a picture."""

import json
import shutil

import numpy as np
import pytest

from duomo.cli import main
from duomo.commands.describe_test import lay
from duomo.modalities.image import to_png
from tests import own, small

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "白色": (250, 250, 250)}
RECIPE = """
name: own
model:
  shape: encoder
  encoder_depth: 1
  vocab_size: 320
  max_positions: 64
  block: {dim: 32, heads: 2}
  senses:
    image:
      cut: {size: [8, 8], hop: [1, 1], merge: [4, 4], features: 3}
      channels: [8, 16]
      strides: [[2, 2], [2, 2]]
      block: {dim: 16, heads: 2, position: none}
data:
  max_tokens: 32
  files: [{path: pictures, valid_share: 0.2}]
train: {objective: contrastive, steps: 60, rows: 12, lr: 0.01, warmup: 5, validate_every: 30, save_every: 60, threads: 1}
"""


def picture(colour, number):
    """One colour with some grain."""
    grain = np.random.default_rng([*colour, number]).integers(-20, 20, (8, 8, 3))
    return to_png(np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained run, the folder that it learned, and pictures that it has not seen."""
    made = tmp_path_factory.mktemp("own")
    (made / "own.yaml").write_text(RECIPE, encoding="utf-8")
    (made / "new").mkdir()
    for name, colour in COLOURS.items():
        (made / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            (made / "pictures" / name / f"{number}.png").write_bytes(picture(colour, number))
        (made / "new" / f"{name}.png").write_bytes(picture(colour, 99))
    (made / "words.txt").write_text("\n".join([*COLOURS, "", "red"]), encoding="utf-8")
    assert own.duomo(made, "train", "own.yaml") == 0
    return made


def found(folder, capsys, *words):
    capsys.readouterr()
    assert own.duomo(folder, "find", *words, "--model", "runs/own", "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_new_pictures_are_found_by_words_and_words_by_a_picture(folder, capsys):
    for name in COLOURS:
        best = found(folder, capsys, name, "--in", "new")
        assert best[0]["found"] == f"new/{name}.png" and len(best) == len(COLOURS)
        assert found(folder, capsys, f"new/{name}.png", "--in", "words.txt", "-k", "1")[0]["found"] == name
        alike = found(folder, capsys, f"new/{name}.png", "--in", "pictures", "-k", "3")
        assert all(one["found"].startswith(f"pictures/{name}/") for one in alike)
    scores = [one["score"] for one in found(folder, capsys, "red", "--in", "pictures", "-k", "48")]
    assert len(scores) == 48 and scores == sorted(scores, reverse=True) and -1 <= scores[-1] < scores[0] <= 1.0001


def test_broken_pictures_are_named_and_the_rest_is_found(folder, capsys):
    shutil.copytree(folder / "new", folder / "mixed")
    (folder / "mixed" / "broken.png").write_bytes(b"\x89PNG")
    assert own.duomo(folder, "find", "red", "--in", "mixed", "--model", "runs/own") == 0
    told = capsys.readouterr()
    assert "left out" in told.err and "broken.png" in told.err and "mixed/red.png" in told.out.splitlines()[0]


def test_what_can_not_be_found_is_told_in_one_line(folder, capsys):
    (folder / "bad").mkdir()
    for name in ("a.png", "b.png"):
        (folder / "bad" / name).write_bytes(b"")
    (folder / "empty").mkdir()
    for words, fault in (
        (("red", "--in", "empty"), "holds no picture"),
        (("red", "--in", "bad"), "so none of 2 pictures in bad"),
        (("red", "--in", "new/red.png"), "red.png"),
        (("red", "--in", "nowhere"), "no such file or folder"),
        (("gone.png", "--in", "new"), "gone.png: no such picture"),
        (("bad/a.png", "--in", "new"), "a.png"),
        ((" ", "--in", "new"), "find what?"),
    ):
        assert own.duomo(folder, "find", *words, "--model", "runs/own") == 2
        told = capsys.readouterr().err.splitlines()
        where = [number for number, line in enumerate(told) if "error:" in line]
        assert where == [len(told) - 1] and fault in told[-1], "one line"
    assert own.duomo(folder, "evaluate", "runs/own") == 2
    assert "answers nothing" in capsys.readouterr().err


def test_a_decoder_can_not_be_trained_so(folder, capsys):
    changed = ("model.shape=decoder", "model.encoder_depth=0", "model.decoder_depth=1", "name=other")
    assert own.duomo(folder, "train", "own.yaml", *changed) == 2
    assert "only model.shape=encoder" in capsys.readouterr().err and not (folder / "runs" / "other").exists()


def test_one_pair_alone_is_refused_for_it_can_not_be_told_from_any_other(folder, capsys):
    assert own.duomo(folder, "train", "own.yaml", "train.rows=3", "train.micro_batches=2", "name=other") == 2
    assert "train.rows: contrastive tells pairs apart" in capsys.readouterr().err


def test_a_run_that_sees_but_did_not_learn_so_looks_for_films(tmp_path, capsys):
    lay(tmp_path, "eyes")
    (tmp_path / "a.png").write_bytes(small.media("image", 1))
    assert main(["find", "a", "--in", str(tmp_path), "--model", str(tmp_path / "eyes")]) == 2
    assert "Traceback" not in capsys.readouterr().err
