"""Films put together from real pictures, with known cuts and fades: what `benchmarks/watch.py` measures on.

Pictures are of the sources fashion, digits and tuxpaint; how they move and follow each other is made.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
from PIL import Image

from duomo.data.store import Store

RATE = 25
ROWS, COLUMNS = 180, 320
Shot = Callable[[float], np.ndarray]  # the frame, (H, W, 3) uint8, at a share of its length


@dataclass(frozen=True)
class Change:
    """A new shot: the second (the middle of a fade) and how it begins: "cut", "dissolve" or "black"."""

    second: float
    kind: str


def pictures(store: Store, count: int, random: Random) -> list[np.ndarray]:
    """As many of each source, (H, W, 3) uint8."""
    found = list[np.ndarray]()
    for source in ("fashion", "digits", "tuxpaint"):
        samples = random.sample(store.open(source), count)
        for sample in samples:
            with Image.open(BytesIO(next(sample.media()).value)) as picture:
                layer = picture.convert("RGBA")
            layer.thumbnail((400, 400))
            ground = Image.new("RGBA", layer.size, tuple(random.randrange(256) for _ in range(3)))
            found.append(np.asarray(Image.alpha_composite(ground, layer).convert("RGB")))
    return random.sample(found, len(found))


def still(picture: np.ndarray, random: Random) -> Shot:
    """A picture that stands, or trembles a little."""
    whole, shake = _filled(picture, 1.1), random.choice((0, 0, 2))

    def frame(share: float) -> np.ndarray:
        row, column = (round(8 + shake * np.sin(40 * share + phase)) for phase in (0, 1))
        return whole[row : row + ROWS, column : column + COLUMNS]

    return frame


def pan(picture: np.ndarray, random: Random) -> Shot:
    """The camera goes along a picture twice as wide."""
    whole, back = _filled(picture, 2.2), random.random() < 0.5

    def frame(share: float) -> np.ndarray:
        gone = 1 - share if back else share
        row, column = (round(gone * (side - room)) for side, room in zip(whole.shape, (ROWS, COLUMNS), strict=False))
        return whole[row : row + ROWS, column : column + COLUMNS]

    return frame


def zoom(picture: np.ndarray, random: Random) -> Shot:
    """The camera comes nearer."""
    whole, most = Image.fromarray(_filled(picture, 1.5)), random.uniform(0.6, 0.8)

    def frame(share: float) -> np.ndarray:
        side = 1 - (1 - most) * share
        wide, high = whole.width * side, whole.height * side
        left, top = (whole.width - wide) / 2, (whole.height - high) / 2
        return np.asarray(whole.resize((COLUMNS, ROWS), Image.Resampling.BILINEAR, (left, top, left + wide, top + high)))

    return frame


def crossing(picture: np.ndarray, random: Random) -> Shot:
    """A thing that goes through the picture."""
    thing = np.asarray(Image.fromarray(picture).resize((80, 80)))
    ground = np.full((ROWS, COLUMNS, 3), [random.randrange(256) for _ in range(3)], np.uint8)
    row = random.randrange(ROWS - 80)

    def frame(share: float) -> np.ndarray:
        shown, column = ground.copy(), round(share * (COLUMNS - 80))
        shown[row : row + 80, column : column + 80] = thing
        return shown

    return frame


SHOTS = (still, still, pan, zoom, crossing)


def film(pictures: Sequence[np.ndarray], seconds: float, random: Random) -> tuple[Iterator[np.ndarray], list[Change]]:
    """Frames, one after the other, and the changes in them."""
    plan: list[tuple[Shot, int, str, int]] = []  # shot, its frames, how the next one begins, over how many frames
    total, changes = 0, list[Change]()
    while total < seconds * RATE:
        length = round(random.uniform(1.0, 5.0) * RATE)
        kind = random.choices(("cut", "dissolve", "black"), (6, 2.5, 1.5))[0]
        over = {"cut": 0, "dissolve": round(random.uniform(0.4, 1.0) * RATE), "black": 2 * round(random.uniform(0.3, 0.6) * RATE)}[kind]
        plan.append((random.choice(SHOTS)(random.choice(pictures), random), length, kind, over))
        total += length + over
        changes.append(Change((total - over / 2) / RATE, kind))
    return _frames(plan), changes[:-1]


def write(path: Path, frames: Iterator[np.ndarray], sound: np.ndarray | None = None) -> None:
    """An MP4 of the frames as they come; `sound`: int16 samples at 16 kHz."""
    with av.open(str(path), "w") as made:
        stream: Any = made.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = COLUMNS, ROWS, "yuv420p"
        voice: Any = made.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for pixels_HWC in frames:
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels_HWC), format="rgb24")))
        made.mux(stream.encode())
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            made.mux(voice.encode(frame))
            made.mux(voice.encode())


def names(store: Store) -> dict[str, str]:
    """What tuxpaint's pictures show, in English, by id."""
    return {sample.origin.id: json.loads(sample.answer)["en"] for sample in store.open("tuxpaint") if sample.origin}


def _frames(plan: Sequence[tuple[Shot, int, str, int]]) -> Iterator[np.ndarray]:
    for (shot, length, kind, over), after in zip(plan, (*plan[1:], None), strict=True):
        for number in range(length):
            yield shot(number / length)
        if after is None:
            return
        last, first = shot(1.0).astype(np.float32), after[0](0.0).astype(np.float32)
        for number in range(over):
            share = (number + 0.5) / over
            black = last * (1 - 2 * share) if share < 0.5 else first * (2 * share - 1)
            mixed = last * (1 - share) + first * share if kind == "dissolve" else black
            yield mixed.astype(np.uint8)


def _filled(picture: np.ndarray, times: float) -> np.ndarray:
    """The picture, enlarged until it covers so many frames."""
    scale = max(ROWS * times / picture.shape[0], COLUMNS * times / picture.shape[1])
    size = (round(picture.shape[1] * scale) + 1, round(picture.shape[0] * scale) + 1)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
