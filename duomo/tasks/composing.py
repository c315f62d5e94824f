"""Composing: cut-out photographs put together on a ground. H = rows, W = columns; pictures are uint8, RGB or RGBA."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from random import Random

import numpy as np

from duomo.modalities.files import media_extra
from duomo.tasks.task import Store
from duomo.tasks.words import plain

ROWS, COLUMNS = 48, 72  # pixels of a scene
LARGEST = 48  # pixels of a cut-out that are kept
CLEAR = 0.05  # share of a picture that is transparent where it is cut out
LONGEST = {"en": 18, "zh": 6}  # letters of a name
MEASURES = "只个头条棵朵匹辆架艘把张片块颗粒本支枝根座件双顶枚台株串群种位名杯碗盘瓶盒幅面尾峰间栋副部"  # between 一 and a thing
BOXES: Mapping[int, tuple[int, ...]] = {1: (40,), 2: (28, 20), 3: (22, 22, 22)}  # sides, the largest thing first
PLACES = ("left", "right", "above", "below")


@dataclass(frozen=True)
class Cutout:
    """A thing cut out of its picture, (H, W, 4), with its name by language. `id` is the hash of its pixels."""

    pixels_HWC: np.ndarray
    names: Mapping[str, str]
    id: str
    licence: str = ""


def cutouts(store: Store, source: str) -> list[Cutout]:
    """All cut-out pictures with a short name in both languages, copies once, in the order of their hashes."""
    found: dict[str, Cutout] = {}
    for sample in store.open(source):
        names = named(json.loads(sample.answer))
        png = next(sample.media()).value
        if names and isinstance(png, bytes) and (pixels_HWC := cut_out(png)) is not None:
            id = hashlib.sha256(pixels_HWC.tobytes()).hexdigest()[:16]
            found.setdefault(id, Cutout(pixels_HWC, names, id, sample.origin.licence if sample.origin else ""))
    return sorted(found.values(), key=lambda one: one.id)


def named(captions: Mapping[str, str]) -> dict[str, str] | None:
    """What a caption calls the thing, where it is a short name in both languages and no sentence: {"en": "lion", "zh": "狮子"}."""
    if not {"en", "zh"} <= captions.keys():
        return None
    english = re.sub(r"^(an?|the|some)\s+", "", plain(captions["en"], "en"))
    names = {"en": english, "zh": re.sub(f"^一[{MEASURES}]", "", plain(captions["zh"], "zh"))}
    odd = any(not name or len(name) > LONGEST[language] for language, name in names.items())
    return None if odd or " of " in english or "在" in names["zh"] or names["zh"].isascii() else names


@lru_cache(maxsize=2048)
def cut_out(png: bytes) -> np.ndarray | None:
    """The thing itself, (H, W, 4) and at most LARGEST on a side; None for a picture that is not cut out, or can not be read."""
    with media_extra():
        from PIL import Image
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as picture:
            if picture.size[0] * picture.size[1] > 2**22 or not picture.has_transparency_data:
                return None
            whole = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return None
    alpha = whole.getchannel("A")
    box = alpha.point(lambda value: 255 if value > 32 else 0).getbbox()
    if box is None or np.asarray(alpha.histogram())[:32].sum() < CLEAR * alpha.width * alpha.height:
        return None
    thing = whole.crop(box)
    thing.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    return np.asarray(thing)


def compose(things: Sequence[Cutout], place: str, random: Random, vary: bool, grounds: Sequence[Cutout] = ()) -> np.ndarray:
    """(ROWS, COLUMNS, 3): the first thing, larger, `place` of the second; three stand in a row.

    `vary`: in other light, mirrored. `grounds`: pictures of which a piece, enlarged, is the ground of every third scene.
    """
    canvas = _piece(random.choice(grounds), random) if grounds and random.random() < 1 / 3 else _plain(random)
    for thing, side, (row, column) in zip(things, BOXES[len(things)], _middles(len(things), place, random), strict=True):
        pixels = _varied(thing.pixels_HWC, random) if vary else thing.pixels_HWC
        _paste(canvas, pixels, random.uniform(0.88, 1) * side, row, column)
    return canvas


def _middles(count: int, place: str, random: Random) -> list[tuple[float, float]]:
    """Rows and columns of the middles, such that the things stand apart."""
    if count == 1:
        return [(ROWS / 2 + random.uniform(-4, 4), COLUMNS / 2 + random.uniform(-15, 15))]
    if count == 3:
        return [(ROWS / 2 + random.uniform(-11, 11), COLUMNS * (2 * cell + 1) / 6) for cell in range(3)]
    if place in ("left", "right"):
        middle = random.uniform(30, 42)  # between the two
        columns = (middle - 15, middle + 11) if place == "left" else (COLUMNS - middle + 15, COLUMNS - middle - 11)
        return [(ROWS / 2 + random.uniform(-6, 6), column) for column in columns]
    rows = (14, 38) if place == "above" else (ROWS - 14, ROWS - 38)
    column = random.uniform(18, COLUMNS - 18)
    return [(row, column + random.uniform(-4, 4)) for row in rows]


def _piece(picture: Cutout, random: Random) -> np.ndarray:
    """The middle of a picture, enlarged to a ground."""
    from PIL import Image

    high, wide = picture.pixels_HWC.shape[:2]
    middle = Image.fromarray(np.ascontiguousarray(picture.pixels_HWC[high // 4 : high - high // 4, wide // 4 : wide - wide // 4]))
    colour = tuple(random.randrange(256) for _ in range(3))
    flat = Image.alpha_composite(Image.new("RGBA", middle.size, colour), middle).convert("RGB")
    return np.array(flat.resize((COLUMNS, ROWS), Image.Resampling.BICUBIC))


def _plain(random: Random) -> np.ndarray:
    """A plain colour, or one that goes over into another, with some grain."""
    draw = np.random.default_rng(random.getrandbits(64))
    ends = draw.integers(0, 256, (2, 3)).astype(float)
    if random.random() < 0.5:
        ends[1] = ends[0]
    slope = np.linspace(0, 1, ROWS)[:, None, None] if random.random() < 0.5 else np.linspace(0, 1, COLUMNS)[None, :, None]
    colours = ends[0] * (1 - slope) + ends[1] * slope + draw.normal(0, random.uniform(0, 10), (ROWS, COLUMNS, 1))
    return np.clip(colours, 0, 255).astype(np.uint8)


def _varied(pixels_HWC: np.ndarray, random: Random) -> np.ndarray:
    light = np.array([random.uniform(0.85, 1.15) for _ in range(3)] + [1.0]) * np.array([random.uniform(0.8, 1.15)] * 3 + [1.0])
    shown = np.clip(pixels_HWC * light, 0, 255).astype(np.uint8)
    return shown[:, ::-1] if random.random() < 0.5 else shown


def _paste(canvas: np.ndarray, pixels_HWC: np.ndarray, side: float, row: float, column: float) -> None:
    from PIL import Image

    thing = Image.fromarray(np.ascontiguousarray(pixels_HWC))
    scale = side / max(thing.size)
    thing = thing.resize((max(1, round(thing.width * scale)), max(1, round(thing.height * scale))), Image.Resampling.BILINEAR)
    top = min(max(0, round(row - thing.height / 2)), ROWS - thing.height)
    left = min(max(0, round(column - thing.width / 2)), COLUMNS - thing.width)
    shown = np.asarray(thing, np.float32)
    under = canvas[top : top + thing.height, left : left + thing.width]
    cover = shown[..., 3:] / 255
    under[:] = np.round(shown[..., :3] * cover + under * (1 - cover)).astype(np.uint8)
