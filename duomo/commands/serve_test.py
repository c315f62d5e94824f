"""Laws of the verb: models go by their folders' names, and are weighed before they are opened."""

from pathlib import Path

import pytest

from duomo.commands.describe_test import lay
from duomo.commands.serve import Settings, named, offer, weight

pytest.importorskip("fastapi")


def test_a_model_goes_by_its_folders_name_and_two_alike_by_their_paths():
    given = [Path("runs/a"), Path("cache/models/b"), Path("other/b")]
    assert [name for _, name in named(given)] == ["a", "cache/models/b", "other/b"]


def test_a_model_is_weighed_on_disk_and_opened_when_asked(tmp_path):
    folder = lay(tmp_path, "eyes")
    made = offer(folder, "eyes", Settings(rows=2, waiting=2))
    weights = sum(path.stat().st_size for path in folder.rglob("model.safetensors"))
    assert made.bytes == weight(folder) == weights > 0
    served = made.open()
    assert served.queue is not None and served.embedder is None and served.hear is None
    assert served.sayable(40) and not served.sayable(0) and not served.sayable(-1) and not served.sayable(10_000)
