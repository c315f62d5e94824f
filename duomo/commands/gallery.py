"""Gallery: pictures by words, words by a picture, pictures by a picture, where a model has learned both. N = found, D = width."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duomo.checkpoint import Run
from duomo.commands.given import pictures, texts
from duomo.commands.show import bars
from duomo.data.render import Rendered
from duomo.modalities.image import IMAGE
from duomo.objectives import kind
from duomo.report import Report
from duomo.sample import Part
from duomo.vectors import Embedder

TOGETHER = 128  # pictures that are held at once
Found = tuple[list[str], NDArray[np.float32]]  # names, and their vectors (N, D)


def finds_pictures(run: Run) -> bool:
    """Whether a run has learned which pictures and words belong together."""
    return IMAGE.name in run.recipe.model.senses and kind(run.recipe.train.objective).reads == "halves"


def search(question: str, place: Path, model: Embedder, count: int, lines: bool) -> Report:
    """The best `count` of a folder's pictures, or of a file's texts, for words or for the picture that `question` names.

    Raises ValueError where there is nothing to choose from, and for a picture that can not be read.
    """
    shown = Path(question).suffix.lower() in (IMAGE.suffix, *IMAGE.suffixes)
    if shown and not Path(question).is_file():
        raise ValueError(f"{question}: no such picture; name one that is there, or say in words what is looked for")
    asked_D = model.read([model.shown(Part(IMAGE.name, question))])[0] if shown else model.embed([question])[0]
    names, vectors_ND = _texts(place, model) if place.is_file() else _pictures(place, model)
    score_N = vectors_ND @ asked_D
    order = np.argsort(-score_N, kind="stable")[:count]
    best = [{"found": names[number], "score": round(float(score_N[number]), 4)} for number in order]
    told = (json.dumps(one, ensure_ascii=False) if lines else f"{one['score']:.3f}  {one['found']}" for one in best)
    return Report("find", facts={"places": len(names)}, lines=tuple(told))


def _texts(place: Path, model: Embedder) -> Found:
    found = list(dict.fromkeys(one.text for one in texts([str(place)])))
    return found, model.embed(found)


def _pictures(place: Path, model: Embedder) -> Found:
    """Those below a folder that can be read; the others are named. Raises ValueError where none can."""
    files, names, faults, vectors = pictures([place]), list[str](), list[str](), list[NDArray[np.float32]]()
    with bars() as shown:
        task = shown.add_task("find", total=len(files), note="")
        for start in range(0, len(files), TOGETHER):
            held = _held(files[start : start + TOGETHER], model, faults)
            names += held
            vectors.append(model.read(list(held.values())))
            shown.update(task, completed=min(start + TOGETHER, len(files)))
    if not names:
        raise ValueError(f"{faults[0]}; so none of {len(files)} pictures in {place} can be read")
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    return names, np.concatenate(vectors)


def _held(files: Sequence[Path], model: Embedder, faults: list[str]) -> dict[str, Rendered]:
    held = dict[str, Rendered]()
    for file in files:
        try:
            held[str(file)] = model.shown(Part(IMAGE.name, str(file)))
        except ValueError as error:
            faults.append(str(error))
    return held
