"""Soundtrack: what is heard in a film, whatever its codec. L = samples."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from duomo.modalities.audio import RATE
from duomo.modalities.files import reading
from duomo.modalities.video import WANTED, container

if TYPE_CHECKING:
    from av.container import InputContainer

BLOCK = 5 * RATE  # samples of a block, at least


def soundtrack(value: Path | bytes) -> Iterator[np.ndarray]:
    """The first sound of a film as (L,) float32 blocks at 16 kHz, channels averaged, within [-1, 1]; nothing where it has none.

    It is never held as a whole. Raises ValueError for a damaged file, where the damage begins.
    """
    with reading(value, WANTED) as file:
        head = file.read(12)
        file.seek(0)
        if kind := container(head):
            import av

            with av.open(file, "r", format=kind) as film:
                if film.streams.audio:
                    yield from _gathered(_heard(film))


def _heard(film: "InputContainer") -> Iterator[np.ndarray]:
    import av

    stream = film.streams.audio[0]
    even = av.AudioResampler(format="fltp", rate=RATE)
    for frame in chain(film.decode(stream), (None,)):  # None: what is left
        yield from (part.to_ndarray().mean(0) for part in even.resample(frame))


def _gathered(pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Longer blocks of the same samples; what is no number is silence."""
    held = list[np.ndarray]()
    for piece_L in pieces:
        held.append(piece_L)
        if sum(map(len, held)) >= BLOCK:
            yield np.clip(np.nan_to_num(np.concatenate(held)), -1, 1)
            held = []
    if held:
        yield np.clip(np.nan_to_num(np.concatenate(held)), -1, 1)
