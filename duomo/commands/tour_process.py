"""Training and measuring in a process of their own: begun, killed, resumed, and followed by what they write."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duomo.checkpoint import latest, step_of
from duomo.train import log

PATIENCE = 60.0  # seconds that a process may take to save and to end
SHOWN = 300  # characters of its last words
ACT, WORK = 3, 5  # how much rank an act of the page, and a process at work for it, leave to those who answer people
LOWEST = 19  # rank, of a system that has ranks


@dataclass(eq=False)
class Worker:
    """`duomo VERB …` in a process group of its own, whose errors go to a file; it hears no Ctrl-C of this one's terminal.

    `behind`: by how much it leaves the processors to others.
    """

    words: tuple[str, ...]
    errors: Path
    behind: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    began: float = 0.0  # as files count time

    def start(self, *more: str) -> None:
        """Begins, with further words."""
        self.errors.parent.mkdir(parents=True, exist_ok=True)
        self.began = time.time()
        with self.errors.open("wb") as errors:
            command = [sys.executable, "-m", "duomo", *self.words, *more]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
        step_back(self.behind, self.process.pid)

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self.process is not None and self.process.poll() is None

    @property
    def code(self) -> int:
        """How it ended; 0: well."""
        return self.process.returncode if self.process is not None and self.process.returncode is not None else 0

    def kill(self) -> None:
        """Ends it at once, with all that it has begun, as by a power cut (SIGKILL)."""
        if self.process is not None and self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end(self) -> None:
        """Asks it to save and to end; kills it where it does not."""
        if self.process is None or not self.running:
            return
        os.killpg(self.process.pid, signal.SIGTERM)  # its own helpers, too
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def last_words(self) -> str:
        """The last line that it wrote of an error."""
        lines = self.errors.read_text(encoding="utf-8", errors="replace").split("\n") if self.errors.is_file() else []
        told = [line.rpartition("\r")[2].strip() for line in lines]
        faults = [line for line in told if line.startswith("error: ")] or [line for line in told if line]
        return faults[-1].removeprefix("error: ")[:SHOWN] if faults else f"ended with code {self.code}"


def step_back(by: int, pid: int = 0) -> None:
    """Lets a process that has just begun stand behind this one; without `pid` the calling thread, where threads have a rank of their own.

    Where the system ranks sessions against each other, the session of the process as well. What the system refuses is left.
    """
    if not by or sys.platform == "win32" or (not pid and sys.platform != "linux"):
        return
    with suppress(OSError):
        rank = min(LOWEST, os.getpriority(os.PRIO_PROCESS, os.getpid()) + by)  # of the first thread, whichever begins another process
        os.setpriority(os.PRIO_PROCESS, pid or threading.get_native_id(), rank)
        if pid and (session := Path(f"/proc/{pid}/autogroup")).exists():
            session.write_text(str(rank), encoding="ascii")


@dataclass(frozen=True)
class Following:
    """A run as its files show it, from the outside."""

    folder: Path
    since: float  # what is older is of an earlier run

    def steps(self) -> Sequence[dict[str, Any]]:
        """The steps in its log."""
        path = self.folder / "log.jsonl"
        try:
            if path.stat().st_mtime < self.since:
                return []
            return [line for line in log.read(self.folder) if "loss" in line]
        except OSError:  # not there yet, or just being replaced
            return []

    def planned(self) -> int:
        """How many steps it settled on; 0 where that is not known yet."""
        try:
            return int(json.loads((self.folder / "recipe.json").read_text(encoding="utf-8"))["train"]["steps"])
        except (OSError, ValueError, KeyError):
            return 0

    def kept(self) -> int:
        """The step of its newest whole checkpoint; 0 where there is none."""
        newest = latest(self.folder)
        return step_of(newest) if newest and newest.stat().st_mtime > self.since else 0


@dataclass(frozen=True)
class Making:
    """Data while another process prepares it, as its files show it: the sets are written one after the other, then cut into tokens."""

    cache: Path
    names: tuple[str, ...]
    since: float  # what is older is of an earlier time

    @property
    def total(self) -> int:
        """How many steps there are."""
        return 2 * len(self.names)

    def done(self) -> int:
        """How many of them are done; as long as it goes on, one is not."""
        tokens = sum(self._new(f"shards/*/{name}/train/shards.json") for name in self.names)
        begun = sum(self._new(f"prepared/.*.writing/{name}/test.jsonl") for name in self.names)
        written = len(self.names) if tokens or self._new("prepared/*/lineage.json") else max(0, begun - 1)
        return min(written + tokens, self.total - 1)

    def _new(self, pattern: str) -> bool:
        with suppress(OSError):  # a folder that is being renamed
            return any(path.stat().st_mtime >= self.since for path in self.cache.glob(pattern))
        return False
