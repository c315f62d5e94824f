"""Report: what a command found; `report.json` on disk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """What a trivial or classical method reaches on the same split."""

    name: str
    value: float


@dataclass(frozen=True)
class Control:
    """The same questions with the input of another sample: what is reached without looking."""

    value: float
    n: int
    name: str = "swapped"
    low: float | None = None
    high: float | None = None
    chance: float | None = None  # the best that a blind guess reaches on it


@dataclass(frozen=True)
class ReportRow:
    """One line of a scoreboard (design section 8). `low` and `high` bound 95 % of the bootstrap."""

    task: str
    split: str
    metric: str
    higher_is_better: bool
    value: float
    low: float
    high: float
    n: int
    chance: float | None = None
    baselines: tuple[Baseline, ...] = ()
    control: Control | None = None
    ablations: tuple[Control, ...] = ()
    synthetic: bool = False
    about: str = ""


@dataclass(frozen=True)
class Example:
    """One held-out question with what was said and what is true; media as paths inside the data root."""

    task: str
    question: str
    answer: str
    truth: str
    media: tuple[tuple[str, str], ...] = ()  # (kind, path)
    right: bool | None = None


@dataclass(frozen=True)
class Report:
    """What a command returns; printed by the CLI and, for runs, kept beside the weights."""

    title: str
    rows: tuple[ReportRow, ...] = ()
    examples: tuple[Example, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)  # digest, seed, versions, machine, seconds, counts
    lines: tuple[str, ...] = ()  # what the terminal shows besides


def save(report: Report, path: Path) -> None:
    """Writes report.json."""
    path.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> Report:
    """Reads report.json. Raises ValueError with the file for anything else."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return Report(tree["title"], _rows(tree["rows"]), _examples(tree["examples"]), tree["facts"], tuple(tree["lines"]))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; `duomo evaluate {path.parent}` writes it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a report.json ({error}); run `duomo evaluate` again") from error


def _rows(rows: Sequence[Mapping[str, Any]]) -> tuple[ReportRow, ...]:
    return tuple(
        ReportRow(
            **{k: v for k, v in row.items() if k not in ("baselines", "control", "ablations")},
            baselines=tuple(Baseline(**b) for b in row["baselines"]),
            control=Control(**row["control"]) if row["control"] else None,
            ablations=tuple(Control(**c) for c in row["ablations"]),
        )
        for row in rows
    )


def _examples(rows: Sequence[Mapping[str, Any]]) -> tuple[Example, ...]:
    return tuple(Example(**{**row, "media": tuple((kind, path) for kind, path in row["media"])}) for row in rows)
