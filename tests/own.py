"""A user's folder: a small table, a recipe, and the model that the command line trained from them."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from duomo import cli

ROOT = Path(__file__).parents[1]
NAME = "own"
STEPS = 40
RECIPE = """
name: own
model:
  decoder_depth: 1
  vocab_size: 320
  max_positions: 256
  block: {dim: 32, heads: 2, dropout: 0.1}
  senses:
    image: {channels: [8, 16], strides: [[4, 4], [4, 4]], block: {dim: 16, heads: 2, position: none}}
    audio: {channels: [8, 16], strides: [[2], [4]], block: {dim: 16, heads: 2, position: none}}
    video: {channels: [8, 16], strides: [[1, 2, 2], [2, 4, 4]], block: {dim: 16, heads: 2, position: none}}
data:
  max_tokens: 64
  row_tokens: 128
  files: [{path: own.csv, licence: MIT}]
train: {steps: 40, rows: 2, warmup: 5, validate_every: 20, save_every: 10, threads: 1, optimizer: muon}
evaluate: {samples: 8, resamples: 50}
"""


def lay(folder: Path, rows: int = 150) -> Path:
    """Writes own.csv and own.yaml into a folder; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    table = "".join(f"what comes after {n}?,{n + 1} 是下一个\n" for n in range(rows))
    (folder / "own.csv").write_text(f"question,answer\n{table}", encoding="utf-8")
    (folder / "own.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@contextmanager
def inside(folder: Path) -> Iterator[Path]:
    """Works in this folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def duomo(folder: Path, *words: str) -> int:
    """One command line, in this process; gives its exit code."""
    with inside(folder):
        return cli.main(list(words))


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """One command line, in a process group of its own, which hears Ctrl-C as on a terminal even where these tests do not."""
    known = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True, "preexec_fn": _hear}
    return subprocess.Popen([sys.executable, "-m", "duomo", *words], cwd=folder, env=known, text=True, **pipes)


def _hear() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Until it is so; fails where the process ends before."""
    end = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "too slow"
        time.sleep(0.002)


def steps_logged(folder: Path) -> int:
    """How many steps the run's log tells of."""
    log = folder / "runs" / NAME / "log.jsonl"
    return log.read_text().count('"loss"') if log.exists() else 0


def log(folder: Path) -> list[dict[str, float]]:
    """The logged steps."""
    lines = map(json.loads, (folder / "runs" / NAME / "log.jsonl").read_text().splitlines())
    return [line for line in lines if "loss" in line]


def newest(folder: Path) -> Path:
    """The newest checkpoint of the run."""
    return max((folder / "runs" / NAME / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]))


def weights(folder: Path) -> dict[str, str]:
    """SHA-256 of what the newest checkpoint holds of the model and its optimizer, and the step."""
    files = {name: newest(folder) / name for name in ("model.safetensors", "optimizer.safetensors")}
    return {"step": newest(folder).name} | {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def tree(folder: Path) -> dict[str, str]:
    """Every file with its hash, and every folder, below this one."""
    found = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "" for p in found}


@contextmanager
def short_files(size: int) -> Iterator[None]:
    """No file may grow past `size` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes mounted at a new folder. Raises PermissionError where this user may not mount one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        raise PermissionError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # lazily: what failed may still hold a file open
        folder.rmdir()
