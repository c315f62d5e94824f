"""duomo embed MODEL: texts as vectors; and what stands behind `duomo.load(…).embed`. N = texts, D = width."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duomo.commands.models import embedder, open_with_card
from duomo.commands.show import bars
from duomo.disk import whole_file
from duomo.report import Report

FEW = 9  # texts whose likeness is told, two by two
STDIN = "-"
ARRAY = "vectors.npy"


def run(folder: Path, words: Sequence[str], kind: str, out: Path | None, lines: bool, unknown: float) -> Report:
    """The vectors of texts, or of a file's lines: as an array in a file, or as JSON `lines`, which are printed where no file is named.

    Raises ValueError where there is no text, and as `Embedder.embed` does.
    """
    texts = texts_of(words)
    made = embedder(*open_with_card(folder), unknown)
    started = time.perf_counter()
    with bars() as shown:
        task = shown.add_task("embed", total=len(texts), note="")
        vectors_ND = made.embed(texts, kind, lambda count: shown.update(task, advance=count))
    seconds = time.perf_counter() - started
    if cut := [number for number, text in enumerate(texts, 1) if made.is_cut(text, kind)]:
        also = f" and {len(cut) - 1} more are" if len(cut) > 1 else " is"
        print(f"note: text {cut[0]}{also} longer than the model reads; what is beyond is not in the vector", file=sys.stderr)
    if lines and out is None:
        return Report(f"embed {folder}", lines=tuple(json_lines(texts, vectors_ND)))
    out = out or Path(ARRAY)
    with whole_file(out) as part, part.open("wb") as file:
        if lines:
            file.writelines(f"{line}\n".encode() for line in json_lines(texts, vectors_ND))
        else:
            np.save(file, vectors_ND)
    told = f"{out}: {len(texts)} vectors of {vectors_ND.shape[1]} numbers, {1e3 * seconds / len(texts):.1f} ms a text"
    return Report(f"embed {folder}", facts={"texts": len(texts), "seconds": seconds}, lines=(told, *alike(vectors_ND)))


def texts_of(words: Sequence[str]) -> list[str]:
    """The words themselves; of one that is a file, its lines; of "-", those of the input. Raises ValueError where there is none."""
    if len(words) == 1 and words[0] == STDIN:
        found = sys.stdin.read().splitlines()
    elif len(words) == 1 and Path(words[0]).is_file():
        try:
            found = Path(words[0]).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{words[0]}: is not UTF-8 text; give a file of one text a line") from error
    else:
        found = list(words)
    if not found:
        raise ValueError(f"{words[0] if words else 'embed'}: no text; give texts, or a file of one text a line")
    return found


def json_lines(texts: Sequence[str], vectors_ND: NDArray[np.float32]) -> Iterator[str]:
    """One object a text: {"text": …, "vector": […]}; the numbers read back exactly."""
    for text, vector_D in zip(texts, vectors_ND, strict=True):
        yield json.dumps({"text": text, "vector": [float(str(number)) for number in vector_D]}, ensure_ascii=False)


def alike(vectors_ND: NDArray[np.float32]) -> Iterator[str]:
    """The cosine of each two, where they are few."""
    if 2 <= len(vectors_ND) <= FEW:
        for one in range(len(vectors_ND)):
            for other in range(one + 1, len(vectors_ND)):
                yield f"  {one + 1} and {other + 1}: cosine {float(vectors_ND[one] @ vectors_ND[other]):.3f}"
