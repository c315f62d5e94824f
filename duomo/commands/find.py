"""duomo find: the place in watched films where something is seen or said, by the meaning of words and by the words themselves."""

import json
import math
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from duomo.commands.film import FOLDER, TABLE, clock
from duomo.commands.gallery import finds_pictures, search
from duomo.commands.models import embedder, open_with_card
from duomo.commands.resolve import place_of
from duomo.commands.show import bars
from duomo.report import Report
from duomo.vectors import PASSAGE, Embedder

MOST = 64_000_000  # bytes of one table
WORDS = 0.1  # what all words of the question are worth, as cosine
ALONE = 2  # letters of Chinese that are one word


@dataclass(frozen=True)
class Place:
    """A moment of a clip: what is seen or said there, and the key frame of its part."""

    clip: str
    second: float
    frame: str
    kind: str  # "seen" or "said"
    text: str
    score: float = 0.0


def run(question: str, folder: Path, model: str, count: int, lines: bool) -> Report:
    """The best `count` places of all films that were watched in a folder; with a model of pictures and words, of the pictures there.

    Raises ValueError where there is none.
    """
    if not question.strip():
        raise ValueError('find what? As in `duomo find "a red car" --in clips`')
    if not folder.exists():
        raise ValueError(f"{folder}: no such file or folder; name one with films that were watched, or with pictures")
    opened = open_with_card(model) if place_of(model) else None
    made = embedder(*opened, unknown=1.0) if opened else None
    if opened and made and finds_pictures(opened[0]):
        return search(question, folder, made, count, lines)
    known = places(folder)
    if made is None:
        print(f"note: found by words alone: `duomo fetch {model}` gets a model that knows what they mean", file=sys.stderr)
    scores = found(question, known, made)
    order = np.argsort(-scores, kind="stable")[:count]
    best = [replace(known[number], score=round(float(scores[number]), 4)) for number in order]
    told = (json.dumps(asdict(place), ensure_ascii=False) if lines else _line(place) for place in best)
    return Report("find", facts={"places": len(known)}, lines=tuple(told))


def places(folder: Path) -> list[Place]:
    """Everything that was seen or said in the films that were watched there. Raises ValueError where there is nothing."""
    tables = sorted(folder.rglob(f"*{FOLDER}/{TABLE}")) if folder.is_dir() else []
    if not tables:
        raise ValueError(f"{folder}: no film was watched there; `duomo watch CLIP --out {folder}` does")
    known = [place for table in tables for place in _places(table)]
    if not known:
        raise ValueError(f"{folder}: in its films nothing is described and nothing said; watch them with --model or --whisper")
    return known


def found(question: str, known: Sequence[Place], model: Embedder | None) -> np.ndarray:
    """(N,): how well each place answers: the cosine of meanings, and a little for each word of the question that stands there."""
    asked = words(question)
    score_N = np.array([WORDS * len(asked & words(place.text)) / max(1, len(asked)) for place in known])
    if model is None:
        return score_N
    with bars() as shown:
        task = shown.add_task("find", total=len(known), note="")
        vectors_ND = model.embed([place.text for place in known], PASSAGE, lambda more: shown.update(task, advance=more))
    kind = "query" if "query" in model.prefixes else PASSAGE
    return score_N + (vectors_ND @ model.embed([question], kind)[0])


def words(text: str) -> set[str]:
    """The words of a text, folded; of Chinese each two letters that stand together."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    pieces = "".join(f" {c} " if "\u3400" <= c <= "\u9fff" else c if c.isalnum() else " \0 " for c in folded).split()
    single = {piece for piece in pieces if piece != "\0" and not _chinese(piece)}
    pairs = {a + b for a, b in zip(pieces, pieces[1:], strict=False) if _chinese(a) and _chinese(b)}
    return single | pairs | {piece for piece in pieces if _chinese(piece) and len(pieces) < ALONE}


def _chinese(piece: str) -> bool:
    return len(piece) == 1 and "\u3400" <= piece <= "\u9fff"


def _places(table: Path) -> Iterator[Place]:
    try:
        if table.stat().st_size > MOST:
            raise ValueError(f"over {MOST // 10**6} MB")
        tree = json.loads(table.read_text(encoding="utf-8"))
        for part in tree["segments"]:
            frame = str(table.parent / _inside(Path(str(part["frame"]))))
            yield from _of(part, str(tree["clip"]), frame)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{table}: not what `duomo watch` writes ({error}); watch the clip again") from error


def _inside(frame: Path) -> Path:
    """A file of a folder: `frames/0001.jpg`, and nothing that leads out of where it lies."""
    if ".." in (frame.name, frame.parent.name):
        raise ValueError(f"{frame} is no key frame")
    return Path(frame.parent.name, frame.name)


def _of(part: Any, clip: str, frame: str) -> Iterator[Place]:
    if str(part["seen"]).strip():
        yield Place(clip, _second(part["frame_second"]), frame, "seen", str(part["seen"]))
    for piece in part["said"]:
        if str(piece["text"]).strip():
            yield Place(clip, _second(piece["start"]), frame, "said", str(piece["text"]))


def _second(value: Any) -> float:
    if not math.isfinite(second := float(value)):
        raise ValueError(f"{second} is no time")
    return second


def _line(place: Place) -> str:
    return f"{place.score:.3f}  {place.clip}  {clock(place.second)}  {place.kind}: {place.text}  ({place.frame})"
