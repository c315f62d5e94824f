"""Lineage: where a run's data comes from, under which licence, and what became of every record; `lineage.json` on disk."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from duomo.data.contamination import Contamination
from duomo.data.quarantine import Fault, Quarantine
from duomo.sample import Sample

NAME = "lineage.json"
SHARE_ALIKE = re.compile(r"(?<![a-z])(?:cc-)?(?:by-)?(?:nc-)?sa(?![a-z])|gpl|odbl|mpl|eupl|share-?alike", re.IGNORECASE)


@dataclass(frozen=True)
class Provenance:
    """How many kept samples come from one source under one licence."""

    source: str
    licence: str
    synthetic: bool
    samples: int

    @property
    def share_alike(self) -> bool:
        """Whether what is made from it must be passed on under like terms (CC BY-SA, the GPL family, ODbL, MPL, EUPL)."""
        return SHARE_ALIKE.search(self.licence) is not None


@dataclass(frozen=True)
class Lineage:
    """What became of one data set. Counts by split are of samples; `read` counts records of all splits."""

    name: str
    provenance: tuple[Provenance, ...]
    read: int
    kept: Mapping[str, int]
    dropped: Mapping[str, int]  # reason -> samples
    quarantined: int = 0
    faults: tuple[Fault, ...] = ()  # the first of the quarantined
    contamination: Mapping[str, Contamination] = field(default_factory=dict)  # held-out split -> what of it the training data held


@dataclass
class Ledger:
    """Counts while a data set streams by."""

    name: str
    read: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    quarantine: Quarantine = field(default_factory=Quarantine)
    origins: Counter[tuple[str, str, bool]] = field(default_factory=Counter)

    def reading(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The same samples, counted as read."""
        for sample in samples:
            self.read += 1
            yield sample

    def keeping(self, samples: Iterable[Sample], split: str) -> Iterator[Sample]:
        """The same samples, counted as kept."""
        for sample in samples:
            self.kept[split] += 1
            origin = sample.origin
            self.origins[(origin.source, origin.licence, origin.synthetic) if origin else ("unknown", "", False)] += 1
            yield sample

    def close(self, contamination: Mapping[str, Contamination]) -> Lineage:
        """The final counts."""
        provenance = tuple(Provenance(*key, samples) for key, samples in self.origins.most_common())
        faults = tuple(self.quarantine.faults)
        return Lineage(
            self.name, provenance, self.read, dict(self.kept), dict(self.dropped), self.quarantine.count, faults, dict(contamination)
        )


def save(lineages: Sequence[Lineage], path: Path) -> None:
    """Writes lineage.json."""
    path.write_text(json.dumps({"data": [asdict(one) for one in lineages]}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> tuple[Lineage, ...]:
    """Reads lineage.json. Raises ValueError with the file for anything else."""
    try:
        return tuple(map(_lineage, json.loads(path.read_text(encoding="utf-8"))["data"]))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; `duomo prepare RECIPE` and `duomo train RECIPE` write it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a lineage.json ({error}); run `duomo prepare` again") from error


def licences(lineages: Iterable[Lineage]) -> tuple[str, ...]:
    """Every licence that stands behind the data, sorted."""
    return tuple(sorted({p.licence or "not stated" for one in lineages for p in one.provenance}))


def tables(lineages: Sequence[Lineage]) -> RenderableType:
    """What `duomo lineage` prints."""
    parts: list[RenderableType] = [_counts(lineages), _sources(lineages)]
    if any(one.contamination for one in lineages):
        parts.append(_contaminations(lineages))
    if any(one.faults for one in lineages):
        parts.append(_faults(lineages))
    return Group(*parts)


def _lineage(row: Any) -> Lineage:
    return Lineage(
        **{
            **row,
            "provenance": tuple(Provenance(**p) for p in row["provenance"]),
            "faults": tuple(Fault(**f) for f in row["faults"]),
            "contamination": {split: Contamination(**c) for split, c in row["contamination"].items()},
        }
    )


def _counts(lineages: Sequence[Lineage]) -> Table:
    table = _table("What became of the records", "data", "read", "quarantined", "dropped", "train", "valid", "test")
    for one in lineages:
        dropped = ", ".join(f"{reason}: {count:,}" for reason, count in one.dropped.items()) or "0"
        splits = [f"{one.kept.get(split, 0):,}" for split in ("train", "valid", "test")]
        table.add_row(one.name, f"{one.read:,}", f"{one.quarantined:,}", dropped, *splits)
    return table


def _sources(lineages: Sequence[Lineage]) -> Table:
    table = _table("Where they come from", "data", "source", "samples", "licence", "share-alike", "synthetic")
    for one in lineages:
        for p in one.provenance:
            flags = ("yes" if p.share_alike else "", "yes" if p.synthetic else "")
            table.add_row(one.name, p.source, f"{p.samples:,}", p.licence or "not stated", *flags)
    return table


def _contaminations(lineages: Sequence[Lineage]) -> Table:
    columns = ("data", "split", "n", "whole", "half of 8-grams", "any 8-gram", "share")
    table = _table("Held-out samples found in the training data, before dropping", *columns)
    for one in lineages:
        for split, c in one.contamination.items():
            table.add_row(one.name, split, f"{c.n:,}", f"{c.by_hash:,}", f"{c.by_runs:,}", f"{c.touched:,}", f"{c.share:.1%}")
    return table


def _faults(lineages: Sequence[Lineage]) -> Table:
    table = _table("Quarantined records (the first of each)", "data", "record", "reason")
    for one in lineages:
        for fault in one.faults:
            table.add_row(one.name, f"{fault.file}:{fault.record}" if fault.record else fault.file, fault.reason)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in ("read", "quarantined", "train", "valid", "test", "samples", "n") else "left")
    return table
