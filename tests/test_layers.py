"""Imports go one way: to lower layers, or to files of the same package (design section 3)."""

from pathlib import Path

import pytest

from tests.house import FACE, ROOT, imports, modules, plant

LAYERS: tuple[frozenset[str], ...] = (  # lowest first; the rooms of one layer do not import each other
    frozenset({"sample", "batch", "recipe", "report", "disk"}),
    frozenset({"tokenizer", "blocks", "modalities", "sources"}),
    frozenset({"model", "data", "graph", "retrieve"}),
    frozenset({"checkpoint", "classify", "interchange", "generate", "vectors", "objectives", "tasks"}),
    frozenset({"train", "evaluate", "explain", "protect", "compress", "plan", "scale", "serve", "page"}),
    frozenset({"commands"}),
    frozenset({"cli", FACE}),
    frozenset({"__main__"}),
)
RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}


def faults(root: Path = ROOT) -> list[str]:
    """Every import that goes up or sideways, and every room without a rank."""
    known = modules(root)
    strangers = sorted({module.room for module in known.values()} - set(RANK))
    found = [f"{room} has no rank: name its layer in tests/test_layers.py" for room in strangers]
    for module in known.values():
        for target in sorted(imports(module, known)):
            if known[target].room != module.room and not _lower(known[target].room, module.room):
                found.append(f"{module.name} imports {target}: move the shared part below both, or pass it as an argument")
    return found


def _lower(target: str, own: str) -> bool:
    return target in RANK and own in RANK and RANK[target] < RANK[own]


def test_imports_go_one_way() -> None:
    assert not faults(), "\n".join(faults())


HOUSE = {
    "sample.py": "",
    "recipe.py": "",
    "blocks.py": "",
    "tokenizer.py": "",
    "model.py": "",
    "tasks/__init__.py": "",
    "tasks/task.py": "",
    "train/__init__.py": "",
    "train/loop.py": "",
    "evaluate/__init__.py": "",
    "commands/__init__.py": "",
    "cli.py": "",
}

PLANTED = {
    "a plain import": {"blocks.py": "import duomo.train.loop"},
    "a plain import under another name": {"blocks.py": "import math, duomo.model as m"},
    "a from-import of a package": {"model.py": "from duomo import train"},
    "a from-import of a name": {"recipe.py": "from duomo.model import Model"},
    "a relative import": {"tasks/task.py": "from ..train import loop"},
    "a relative import without a module": {"model.py": "from . import cli"},
    "an import inside a function": {"model.py": "def f():\n    def g():\n        from duomo.train.loop import run"},
    "an import by a string": {"model.py": "import importlib\nx = importlib.import_module('duomo.train')"},
    "the same layer": {"tokenizer.py": "from duomo.blocks import Block"},
    "the same layer, between packages": {"train/loop.py": "import duomo.evaluate"},
    "layer 0 among itself": {"sample.py": "from duomo.recipe import Recipe"},
    "the face, from below": {"commands/x.py": "import duomo"},
    "an upward import in a package's __init__": {"train/__init__.py": "from duomo.commands import x"},
    "a room without a rank": {"utils.py": ""},
    "an import of a room without a rank": {"cli.py": "import duomo.helpers", "helpers/__init__.py": ""},
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_found(planted: dict[str, str], tmp_path: Path) -> None:
    assert not faults(plant(tmp_path, HOUSE))
    assert faults(plant(tmp_path, HOUSE | planted))


def test_what_is_allowed_is_not_a_fault(tmp_path: Path) -> None:
    allowed = {
        "model.py": "import torch\nfrom duomo import blocks\nfrom duomo.recipe import Recipe",
        "tasks/translation.py": "from duomo.tasks.task import Task\nfrom . import task",
        "train/loop_test.py": "import duomo.cli",
        "__init__.py": "def load(path):\n    from duomo.commands import ask",
    }
    assert not faults(plant(tmp_path, HOUSE | allowed))
