"""A new modality, source and task are one file and one row each: planted into a copy of the house, they are prepared and learned."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house import ROOT
from tests.test_layers import faults

MODALITY = '''
"""Table: rows of numbers."""

from pathlib import Path

import numpy as np

from duomo.batch import Patches
from duomo.modalities.modality import Modality, tile
from duomo.recipe import CutRecipe


def read(value: Path | bytes, recipe: CutRecipe) -> np.ndarray:
    """The numbers as (rows, columns) float32."""
    data = value if isinstance(value, bytes) else value.read_bytes()
    return np.array([line.split(",") for line in data.decode().split()], dtype=np.float32)[: recipe.size[0]]


def cut(rows: np.ndarray, recipe: CutRecipe) -> Patches:
    """A row, a patch."""
    return tile(rows, recipe, 0.0)


def write(rows: np.ndarray) -> bytes:
    """Comma-separated values."""
    return "\\n".join(",".join(map(str, row)) for row in rows).encode()


TABLE = Modality("table", 1, read, cut, write, ".csv", CutRecipe(size=(16,), hop=(1,), merge=(2,), features=3))
'''
SOURCE = '''
"""Ledgers: tables that rise or fall."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.source import File, Source

FILE = File("pypi", "ledgers", "1.0", "ledgers.txt", "SHA256", SIZE)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """One table a line."""
    for number, line in enumerate(paths[FILE.name].read_text().splitlines()):
        answer, table = line.split(":")
        yield ask(Part("table", table.replace(";", "\\n").encode()), answer=answer, origin=Origin("ledgers", str(number), "CC0-1.0"))


LEDGERS = Source("ledgers", "Tables", "samples", (FILE,), "CC0-1.0", "", samples, synthetic=True)
'''
TASK = '''
"""Trend: does a table rise or fall?"""

from collections.abc import Iterator
from dataclasses import replace

from duomo.sample import Message, Sample, text
from duomo.tasks.baselines import majority, swapped
from duomo.tasks.task import Metric, Split, Store, Task


def trend() -> Task:
    """Up or down?"""
    return Task(
        name="trend",
        samples=samples,
        score=lambda sample, answer: {"right": answer.text == sample.answer},
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=0.5),),
        baselines=lambda train, test, store: {"majority": majority([s.answer for s in train], len(test))},
        control=swapped,
        sources=("ledgers",),
        synthetic=True,
    )


def samples(split: Split, store: Store) -> Iterator[Sample]:
    """Eight of ten to learn from."""
    for number, sample in enumerate(store.open("ledgers")):
        if {8: "valid", 9: "test"}.get(number % 10, "train") == split:
            table = sample.messages[0].parts[0]
            question = Message("user", (replace(table, value=store.keep(table.value, ".csv")), text("up or down?")))
            yield replace(sample, messages=(question, sample.messages[1]))
'''
# file -> (the row before which the new one goes, the new row, the new import)
ROWS = {
    "modalities/__init__.py": ("        IMAGE,\n", "        TABLE,\n", "from duomo.modalities.table import TABLE\n"),
    "sources/__init__.py": ('    "hsk": HSK,\n', '    "ledgers": LEDGERS,\n', "from duomo.sources.ledgers import LEDGERS\n"),
    "tasks/__init__.py": ('    "digits": digits,\n', '    "trend": trend,\n', "from duomo.tasks.trend import trend\n"),
}
PROGRAM = """
import sys
import duomo
from duomo import recipe
from duomo.checkpoint import open_run
from duomo.commands import train
from duomo.evaluate import run as evaluation
from duomo.train.log import read

assert duomo.__file__.startswith(sys.argv[1]), duomo.__file__
sense = {"channels": [8, 16], "strides": [[2], [1]], "block": {"dim": 16, "heads": 2, "position": "none"}}
made = recipe.parse({
    "name": "extended",
    "model": {"vocab_size": 300, "decoder_depth": 1, "block": {"dim": 32, "heads": 2}, "senses": {"table": sense}},
    "data": {"tasks": {"trend": 1}, "row_tokens": 200, "max_tokens": 100, "workers": 0},
    "train": {"steps": 150, "rows": 2, "lr": 1e-2, "warmup": 5, "save_every": 150, "validate_every": 150, "threads": 1},
}, "here")
train.run(made)
run = open_run(train.RUNS / "extended")
assert list(run.model.senses) == ["table"] and "<|table|>" in run.tokenizer.special
losses = [line["loss"] for line in read(run.folder) if "loss" in line]
valid = [line["valid"] for line in read(run.folder) if "valid" in line]
print(losses[0], losses[-1], valid)
assert losses[0] > 4 and losses[-1] < 0.1 and valid[-1]["trend"] < 0.1
"""


def ledgers():
    lines = []
    for number in range(120):
        start, step = number % 7 / 10, 0.1 if number % 2 else -0.1
        rows = [f"{start + step * row:.2f},{number / 120:.3f},1" for row in range(4 + number % 5)]
        lines.append(f"{'up' if number % 2 else 'down'}:{';'.join(rows)}")
    return "\n".join(lines).encode()


def extended(folder: Path, data: bytes) -> Path:
    """A copy of the house with one file and one row more in each of three tables."""
    house = folder / "duomo"
    shutil.copytree(ROOT, house, ignore=shutil.ignore_patterns("__pycache__", "*_test.py"))
    source = SOURCE.replace("SHA256", hashlib.sha256(data).hexdigest()).replace("SIZE", str(len(data)))
    files = {"modalities/table.py": MODALITY, "sources/ledgers.py": source, "tasks/trend.py": TASK}
    for name, content in files.items():
        (house / name).write_text(content.lstrip())
    for name, (before, row, line) in ROWS.items():
        table = (house / name).read_text()
        assert table.count(before) == 1
        first = table.index("\nfrom duomo.") + 1
        table = table[:first] + line + table[first:]
        (house / name).write_text(table.replace(before, row + before))
    return house


def test_one_file_and_one_row_each_are_enough(tmp_path):
    data = ledgers()
    house = extended(tmp_path, data)
    assert faults(house) == faults(), "the new files keep the layers"
    packages = tmp_path / "cache" / "packages"
    packages.mkdir(parents=True)
    (packages / "ledgers.txt").write_bytes(data)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
