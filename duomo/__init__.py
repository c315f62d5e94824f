"""Duomo: one transformer that reads text, images, sound and video and answers in text.

`duomo.load("runs/four-senses").ask("what is this?", image="x.png")`
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duomo.commands.ask import Assistant
    from duomo.retrieve.answer import Reader


def load(path: str | Path, int8: bool = False, engine: str = "torch") -> Assistant:
    """The model of a run folder or a fetched name, ready to be asked; `int8`: by weights of 8 bits, on the processor.

    `engine`: torch, llama.cpp, or auto, which probes which of them is the sooner here. Raises ValueError, with the nearest name, where
    there is no such model.
    """
    from duomo.commands.ask import load  # here, so that `import duomo` does not wait for torch
    from duomo.commands.engines import Speed

    return load(path, Speed(int8, engine))


def shelf(path: str | Path) -> Reader:
    """An index that `duomo index` made, ready to be asked: `duomo.shelf("my-files").answer("when does it open?").text`.

    Raises ValueError where there is none.
    """
    from duomo.commands.shelf import open_shelf

    return open_shelf(path)


def summarise(text: str, sentences: int = 3, model: str | Path | None = None) -> str:
    """The sentences that stand for a text best, one a line: by their words, by an encoder's vectors, or as a language model words it.

    Raises ValueError for a text without any, and where there is no such model.
    """
    from duomo.commands.summarise import of_text, way

    return of_text(text, sentences, way(model))
