"""Labels: the names that texts are put under, each with words that say what it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOST = 500


@dataclass(frozen=True)
class Label:
    """A name, and what it means in a few words; the name itself where nothing is said."""

    name: str
    meaning: str


def parse(words: str) -> tuple[Label, ...]:
    """Labels out of `good,bad` or `good=people praise it,bad=people complain`, or out of a file of one a line.

    Raises ValueError for fewer than two, for one that is named twice, and for an empty one.
    """
    path = Path(words) if len(words) < 256 else None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path and path.is_file() else words.split(",")
    except UnicodeDecodeError as error:
        raise ValueError(f"{words}: is not UTF-8 text; give a file of one label a line") from error
    where = words if path and path.is_file() else "--labels"
    return checked([_label(line, where) for line in lines if line.strip() or where == "--labels"], where)


def named(names: Sequence[str], where: str = "--labels") -> tuple[Label, ...]:
    """Labels that mean what their names say. Raises ValueError as `parse` does."""
    return checked([_label(name, where) for name in names], where)


def checked(labels: Sequence[Label], where: str) -> tuple[Label, ...]:
    """The same labels. Raises ValueError where they can not be told apart."""
    names = [label.name for label in labels]
    if len(names) > MOST:
        raise ValueError(f"{where}: {len(names):,} labels; at most {MOST} can be told apart")
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ValueError(f"{where}: the label {double!r} is named twice; name each once")
    if len(names) < 2:
        raise ValueError(f"{where}: {len(names)} label; a choice needs two, as in --labels good,bad")
    return tuple(labels)


def _label(line: str, where: str) -> Label:
    name, _, meaning = (part.strip() for part in line.partition("="))
    if not name:
        raise ValueError(f"{where}: a label is empty; write them as good,bad or good=what it means,bad=…")
    return Label(name, meaning or name)
