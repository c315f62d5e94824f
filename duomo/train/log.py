"""Log: what happened at each step, as JSON lines that `duomo` and people read, and for TensorBoard where it is installed."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duomo.train.step import Step


class Log:
    """Appends to `log.jsonl`; after a resume, lines past the resumed step are dropped first."""

    def __init__(self, folder: Path, first: int = 0):
        self.path = folder / "log.jsonl"
        kept = [line for line in _lines(self.path) if line["step"] <= first]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _board(folder)

    def step(self, step: Step, facts: Mapping[str, float]) -> None:
        """One optimizer step."""
        self._write({"step": step.number, "loss": step.loss, "norm": step.norm, "rate": step.rate, "tokens": step.tokens} | dict(facts))

    def validation(self, step: int, losses: Mapping[str, float]) -> None:
        """Held-out losses by data set."""
        self._write({"step": step, "valid": {name: round(value, 5) for name, value in losses.items()}})

    def close(self) -> None:
        """Flushes what is buffered."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def _write(self, line: dict[str, Any]) -> None:
        flat = {k: v for k, v in line.items() if not isinstance(v, dict)} | {f"valid/{k}": v for k, v in line.get("valid", {}).items()}
        self._file.write(json.dumps({k: round(v, 6) if isinstance(v, float) and math.isfinite(v) else v for k, v in line.items()}) + "\n")
        self._file.flush()
        for key, value in flat.items() if self._board is not None else ():
            if key != "step":
                self._board.add_scalar(key, value, line["step"])


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log."""
    return _lines(folder / "log.jsonl")


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # the last line of a process that was killed
            continue
    return found


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
