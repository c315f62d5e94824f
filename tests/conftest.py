"""What several files of tests begin with."""

import shutil
from pathlib import Path

import pytest
import torch

from tests import own


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a run that nothing disturbed; made once, not to be changed."""
    threads = torch.get_num_threads()
    folder = own.lay(tmp_path_factory.mktemp("trained"))
    assert own.duomo(folder, "train", "own.yaml") == 0
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "own"))
