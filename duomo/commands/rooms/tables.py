"""Tables: comments are classified and summed up, by `duomo comments`; texts become names and relations, by `duomo extract`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duomo.commands import classify, extract
from duomo.commands.comments_page import ALL, html
from duomo.commands.given import table
from duomo.commands.rooms.house import House, alone
from duomo.graph.triples import PREDICATES
from duomo.page.jobs import Cell, Graph, Summed

if TYPE_CHECKING:
    from duomo.commands.comments import Asked

ROWS = 200  # of a table on the page
SHOWN = 500  # names, and relations, on the page
LONGEST = 200_000  # characters of pasted text


def columns(house: House, file: Path) -> list[str]:
    """The columns of a table. Raises ValueError for what is none."""
    first = next(iter(table(file)), None)
    if first is None or not isinstance(first.value, Mapping):
        raise ValueError(f"{file.name}: holds no row; a table begins with a line that names its columns")
    return [str(name) for name in first.value]


async def comments(house: House, model: str, file: Path, named: Mapping[str, str]) -> Summed:
    """A table's comments under labels, by topic and week. `named`: text, date, topic, topics, labels, those that are given."""
    wanted = {name: value for name, value in named.items() if value}
    if "text" not in wanted or "date" not in wanted:
        raise ValueError("choose the column of the texts and the column of the dates")
    from duomo.commands.comments import Asked  # here, for it stands on all that classifies

    folder, asked = house.fresh(), Asked(**wanted)  # type: ignore[arg-type]
    made, notes = await alone(house, lambda: _summed(house.places[model], file, asked, folder))
    return replace(made, notes=tuple(notes))


def _summed(model: Path, file: Path, asked: "Asked", folder: Path) -> Summed:
    from duomo.commands import comments as commenting

    given, days = commenting.read(file, asked)
    classify.bounded(given, asked.limit)
    moods, topics = commenting.labelled(model, given, asked)
    words = list(map(commenting.segmenter(), (one.text for one in given)))
    found = [commenting.Comment(*one) for one in zip(moods, days, topics, words, strict=True)]
    good = next(iter(moods[0].shares))
    cells = commenting.summed(found, good)
    facts: dict[str, Any] = {"table": file.name, "model": model.name, "comments": len(found), "good": good}
    facts |= {"labels": list(moods[0].shares), "from": str(min(days)), "to": str(max(days))}
    page, rows, tree = folder / "comments.html", folder / "comments.csv", folder / "comments.json"
    page.write_text(html(cells, facts), encoding="utf-8", errors="replace")
    classify.write(rows, moods)
    whole = facts | {"cells": [asdict(cell) for cell in cells]}
    tree.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8", errors="replace")
    told = tuple(Cell(one.topic, one.n, one.share, one.low, one.high) for one in cells if one.week == ALL)
    shown = tuple((str(one.day), one.topic, one.put.label, f"{one.put.share:.2f}", one.put.given.text) for one in found[:ROWS])
    return Summed(told, shown, len(found), page, (rows, tree))


async def graph(house: House, text: str, files: Sequence[Path], model: str | None) -> Graph:
    """Names and relations of texts, as rows, as Turtle, and as the page to look around in."""
    if len(text) > LONGEST:
        raise ValueError(f"{len(text):,} characters, at most {LONGEST:,} are read here; send a file")
    folder = house.fresh()
    names = [str(file) for file in files]
    if text.strip():
        (folder / "text.txt").write_text(text, encoding="utf-8", errors="replace")
        names.append(str(folder / "text.txt"))
    if not names:
        raise ValueError("write a text, or send files of texts")
    choices = extract.Choices(lines=True, graph=folder / "graph.ttl", page=folder / "graph.html")
    report, notes = await alone(house, lambda: extract.run(names, house.places[model] if model else None, choices))
    documents = [json.loads(line) for line in report.lines]
    entities = [(one["text"], one["kind"], Path(document["file"]).name) for document in documents for one in document["entities"]]
    said = (one for document in documents for one in document["triples"])
    triples = [(one["subject"], _named(one["predicate"]), one["object"], _said(one)) for one in said]
    return Graph(tuple(entities[:SHOWN]), tuple(triples[:SHOWN]), folder / "graph.html", folder / "graph.ttl", tuple(_notes(notes)))


def _named(predicate: str) -> str:
    """A relation as people call it, in both languages."""
    return " · ".join(PREDICATES.get(predicate, (predicate,)))


def _said(triple: Mapping[str, Any]) -> str:
    evidence = triple["evidence"]
    return str(evidence.get("sentence", "")) if isinstance(evidence, Mapping) else ""


def _notes(notes: Sequence[str]) -> list[str]:
    return [note for note in notes if not note.endswith("relations")]
