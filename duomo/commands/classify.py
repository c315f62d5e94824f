"""duomo classify MODEL: texts under labels, from none, a few or many examples. N = texts, L = labels."""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duomo.classify import keep
from duomo.classify.labels import Label, named, parse
from duomo.commands.given import Given, column_of, table, texts
from duomo.commands.models import embedder, open_with_card
from duomo.commands.show import bars
from duomo.commands.ways import CHARACTERS, SHOTS, TEXT, ByVectors, Example, Way, fitted, makes_vectors, vectors, way
from duomo.disk import whole_file
from duomo.report import Report

LABELS = ("label", "labels", "class", "category", "sentiment", "标签", "类别", "情感")  # which column of examples is meant
WIDE = 60  # characters of a text on the screen
LIMIT = 1_000_000  # characters of all texts: minutes of work


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a classification: `duomo classify --help` says each."""

    labels: str | None = None
    examples: Path | None = None
    head: Path | None = None
    save: Path | None = None
    column: str | None = None
    prompt: str | None = None
    unsure: float = 0.0
    out: Path | None = None
    lines: bool = False
    limit: int = LIMIT


@dataclass(frozen=True)
class Put:
    """A text and what it was put under. `sure`: whether its share is large enough, and its letters are known."""

    given: Given
    label: str
    shares: Mapping[str, float]
    sure: bool

    @property
    def share(self) -> float:
        """Of its label."""
        return self.shares[self.label]


def run(folder: Path, words: Sequence[str], wanted: Wanted) -> Report:
    """Labels texts; what was found goes to the screen, or to a file: a table with its other columns, or JSON lines.

    Raises ValueError for labels, examples or texts that can not be used, and for a head of another model.
    """
    given = texts(words, wanted.column)  # first: a missing file is told before a model is opened
    bounded(given, wanted.limit)
    chosen = way_of(folder, wanted)
    done = put(chosen, given, wanted.unsure)
    facts = {"texts": len(done), "labels": Counter(one.label for one in done), "unsure": sum(not one.sure for one in done)}
    rows = [as_row(one) for one in done]
    if wanted.out is not None:
        write(wanted.out, done)
        return Report(f"classify {folder}", facts=facts, lines=(f"{wanted.out}: {summary(done, chosen.labels)}",))
    if wanted.lines:
        return Report(f"classify {folder}", facts=facts, lines=tuple(json.dumps(row, ensure_ascii=False) for row in rows))
    return Report(f"classify {folder}", facts=facts, lines=(*map(_line, done), *([summary(done, chosen.labels)] if len(done) > 1 else ())))


def way_of(folder: Path, wanted: Wanted) -> Way:
    """How this model labels texts: a kept head, vectors of an encoder, or the likelihood of the labels. Raises ValueError."""
    if wanted.head is not None and (wanted.labels or wanted.examples):
        raise ValueError(f"{wanted.head}: has its own labels, learned from its own examples; leave --labels and --examples out")
    if wanted.prompt is not None and TEXT not in wanted.prompt:
        raise ValueError(f"--prompt {wanted.prompt[:60]!r}: does not say where the text stands; write {TEXT} there")
    labels, known = _asked(wanted) if wanted.head is None else ((), [])
    opened, card = open_with_card(folder)
    if not makes_vectors(opened):
        if wanted.head or wanted.save:
            raise ValueError(f"{folder}: a head lies on sentence vectors, and this model has none; take an encoder such as e5")
        if len(known) > SHOTS:
            print(f"note: a language model is shown {SHOTS} examples at most, not {len(known):,}; e5 learns from all", file=sys.stderr)
        return way(opened, card, labels, known, wanted.prompt)
    if wanted.prompt is not None:
        raise ValueError(f"{folder}: makes vectors and is asked nothing; leave --prompt out, or write --labels name=what it means")
    encoder = embedder(opened, card, unknown=1.0)

    def embed(words: Sequence[str]) -> NDArray[np.float32]:
        return vectors(encoder, words)

    if wanted.head is not None:
        return ByVectors(encoder, keep.load(wanted.head, embed)[0])
    made = fitted(encoder, labels, known)
    if wanted.save is not None:
        facts = {"model": folder.name, "examples": len(known), "labels": Counter(label for _, label in known)}
        facts |= {"n-grams": len(made.head.words.grams)} if made.head.words else {}
        keep.save(made.head, embed, wanted.save, facts)
    return made


def bounded(given: Sequence[Given], limit: int) -> None:
    """Raises ValueError where a model would read for too long; of a text no more counts than is read."""
    total = sum(min(len(one.text), CHARACTERS) for one in given)
    if total > limit:
        raise ValueError(f"{len(given):,} texts of {total:,} characters are many for a model; allow them with --limit {total}")


def put(chosen: Way, given: Sequence[Given], unsure: float) -> list[Put]:
    """Every text under its likeliest label."""
    unread = looked_at(chosen, given)
    with bars() as shown:
        task = shown.add_task("classify", total=len(given), note="")
        shares_NL = chosen.shares([one.text for one in given], lambda count: shown.update(task, advance=count))
    return placed(chosen.labels, shares_NL, given, unread, unsure)


def looked_at(chosen: Way, given: Sequence[Given]) -> list[bool]:
    """Which texts can not be read; the cut ones are told. Raises ValueError where the model knows the letters of hardly any."""
    unread = [chosen.unread(one.text) for one in given]
    if sum(unread) > len(given) / 2:
        raise ValueError(f"{sum(unread)} of {len(given)} texts are in letters that this model does not know; `duomo fetch e5` gets one")
    if cut := [one.where for one in given if chosen.is_cut(one.text)]:
        also = f" and {len(cut) - 1} more are" if len(cut) > 1 else " is"
        beyond = "counts by its words only" if isinstance(chosen, ByVectors) and chosen.head.words else "does not count"
        print(f"note: {cut[0]}{also} longer than the model reads; what is beyond {beyond}", file=sys.stderr)
    return unread


def placed(
    labels: Sequence[str], shares_NL: NDArray[np.float64], given: Sequence[Given], unread: Sequence[bool], unsure: float
) -> list[Put]:
    """What the shares say."""
    found = []
    for one, shares_L, strange in zip(given, shares_NL, unread, strict=True):
        best = int(shares_L.argmax())
        sure = not strange and float(shares_L[best]) >= unsure
        found.append(Put(one, labels[best], dict(zip(labels, map(float, shares_L), strict=True)), sure))
    return found


def read_examples(path: Path) -> list[Example]:
    """Texts with their labels: the columns `text` and `label`, or the first two. Raises ValueError naming the record."""
    found, columns = list[Example](), None
    for row in table(path):
        if not isinstance(row.value, Mapping):
            raise ValueError(f"{path}:{row.number}: not an object with named fields")
        names = list(row.value)
        columns = columns or _columns(path, names)
        text, label = (str(row.value.get(name) or "").strip() for name in columns)
        if not text or not label:
            raise ValueError(f"{path}:{row.number}: an example needs a text ({columns[0]!r}) and a label ({columns[1]!r})")
        found.append((text, label))
    if not found:
        raise ValueError(f"{path}: holds no example; give lines of text,label under a line that names the columns")
    return found


def as_row(one: Put) -> dict[str, Any]:
    """As JSON."""
    shares = {label: round(share, 4) for label, share in one.shares.items()}
    where = {} if one.given.where == "text" else {"where": one.given.where}
    return {
        "text": one.given.text,
        "label": one.label,
        "probability": round(one.share, 4),
        "probabilities": shares,
        "unsure": not one.sure,
        **where,
    }


def write(path: Path, done: Sequence[Put]) -> None:
    """A table with the columns that were given, or JSON lines, by the file's ending."""
    with whole_file(path) as part:
        if path.suffix.lower() in (".csv", ".tsv"):
            part.write_text(_table(done, "\t" if path.suffix.lower() == ".tsv" else ","), encoding="utf-8-sig", newline="")
        else:
            rows = "".join(json.dumps(as_row(one), ensure_ascii=False) + "\n" for one in done)
            part.write_text(rows, encoding="utf-8", errors="replace")  # a name of a file may be no text


def summary(done: Sequence[Put], labels: Sequence[str]) -> str:
    """How many of each, and how many are unsure."""
    counts = Counter(one.label for one in done)
    told = ", ".join(f"{label} {counts[label]} ({counts[label] / len(done):.0%})" for label in labels)
    unsure = sum(not one.sure for one in done)
    return f"{len(done)} texts: {told}" + (f"; {unsure} unsure" if unsure else "")


def _asked(wanted: Wanted) -> tuple[tuple[Label, ...], list[Example]]:
    """The labels, and the examples of them."""
    known = read_examples(wanted.examples) if wanted.examples else []
    if wanted.save is not None and not known:
        raise ValueError(f"{wanted.save}: only what was learned is kept; give --examples too")
    if wanted.labels is None and not known:
        raise ValueError("which labels? Say --labels good,bad, or give --examples EXAMPLES.csv, or a kept --head")
    labels = parse(wanted.labels) if wanted.labels else named(sorted({label for _, label in known}), str(wanted.examples))
    names = {label.name for label in labels}
    strange = next(((number, label) for number, (_, label) in enumerate(known, 1) if label not in names), None)
    if strange is not None:
        raise ValueError(f"{wanted.examples}: example {strange[0]} has the label {strange[1]!r}, which is not in --labels")
    lacking = sorted(names - {label for _, label in known}) if known else []
    if lacking:
        raise ValueError(f"{wanted.examples}: no example of the label {lacking[0]!r}; give at least one of each, or none at all")
    return labels, known


def _columns(path: Path, names: Sequence[str]) -> tuple[str, str]:
    if len(names) < 2:
        raise ValueError(f"{path}: {len(names)} column; examples are lines of text,label under a line that names them")
    try:
        return column_of(path, names, None), column_of(path, names, None, LABELS)
    except ValueError:
        if len(names) == 2:
            return names[0], names[1]
        raise ValueError(f"{path}: name two of its columns text and label; there are: {', '.join(names)}") from None


def _table(done: Sequence[Put], delimiter: str) -> str:
    """What was given, with three columns more; a column of the same name is not lost but called the input's."""
    own = list(dict.fromkeys(name for one in done for name in one.given.row)) or ["text"]
    titles = {name: f"{name} (input)" if name in ("label", "probability", "unsure") else name for name in own}
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*titles.values(), "label", "probability", "unsure"])
    writer.writerows(_cells(one, own) for one in done)
    return out.getvalue()


def _cells(one: Put, own: Sequence[str]) -> Iterator[Any]:
    row = one.given.row or {"text": one.given.text}
    yield from (row.get(name, "") for name in own)
    yield from (one.label, f"{one.share:.4f}", "yes" if not one.sure else "")


def _line(one: Put) -> str:
    text = " ".join(one.given.text.split())
    return f"{one.label}\t{one.share:.2f}{' ?' if not one.sure else ''}\t{text if len(text) <= WIDE else text[: WIDE - 1] + '…'}"
