"""Pictures of handwritten digits: one split for all tasks that show them, and ways to draw them anew."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING
from warnings import catch_warnings

import numpy as np

from duomo.modalities.files import media_extra
from duomo.modalities.image import IMAGE
from duomo.modalities.pixels import tint
from duomo.sample import Part, Sample
from duomo.tasks.task import Split, Store
from duomo.tasks.words import DIGITS

if TYPE_CHECKING:
    from PIL.Image import Image as Drawing

SOURCE = "digits"
SIDE = 28  # pixels
HELD_OUT = 5  # one picture in so many, of each digit, is for the test


@dataclass(frozen=True)
class Picture:
    """One handwritten digit, white on black. `id` is the hash of its pixels."""

    pixels_HW: np.ndarray  # uint8
    digit: int
    id: str
    licence: str = ""


def pictures(split: Split, store: Store) -> list[Picture]:
    """The pictures that a split may show, in an order that mixes the digits.

    Copies count once. Of each digit, the fifth with the smallest hashes of its pixels is for the test, in every task.
    Validation draws the training pictures anew (see `ungrouped`): it watches the training, and only the test measures.
    """
    known: dict[str, Picture] = {}
    for sample in store.open(SOURCE):
        picture = _picture(sample)
        known.setdefault(picture.id, picture)
    ordered = sorted(known.values(), key=lambda picture: picture.id)
    chosen: list[Picture] = []
    for digit in range(10):
        same = [picture for picture in ordered if picture.digit == digit]
        cut = len(same) // HELD_OUT
        chosen += same[:cut] if split == "test" else same[cut:]
    return sorted(chosen, key=lambda picture: picture.id[::-1])


def pixels(png: bytes) -> np.ndarray:
    """The grey picture in a file's bytes: (H, W) uint8."""
    return tint(IMAGE.read(png, IMAGE.default), 1)[..., 0]


def keep_picture(picture_HW: np.ndarray, store: Store) -> Part:
    """A part that shows these pixels, (H, W) uint8."""
    return Part(IMAGE.name, store.keep(IMAGE.write(picture_HW), IMAGE.suffix))


def ungrouped(sample: Sample) -> Sample:
    """The sample without its group: for validation, which holds no picture back from training."""
    return replace(sample, origin=replace(sample.origin, group="")) if sample.origin else sample


def redrawn(pixels_HW: np.ndarray, random: Random, wild: float = 0.0) -> np.ndarray:
    """The digit in a slightly other hand: turned, slanted, scaled, moved, with another pen.

    With probability `wild` also on another paper: dark on light, faint, grainy, as people's own drawings come.
    """
    with media_extra():
        from PIL import Image
    drawn = np.asarray(_pen(_warp(Image.fromarray(pixels_HW), random), random))
    return _paper(drawn, random) if random.random() < wild else drawn


def beside(left_HW: np.ndarray, right_HW: np.ndarray) -> np.ndarray:
    """Two pictures of one height as one."""
    return np.concatenate([left_HW, right_HW], axis=1)


def digit_of(text: str) -> int | None:
    """The digit that a text is, as a word of either language or a numeral; None where it is something else."""
    names = (*DIGITS.values(), tuple("0123456789"))
    return next((listed.index(text) for listed in names if text in listed), None)


def nearest_digits(known: Sequence[Picture], asked: Sequence[np.ndarray], neighbours: int = 3) -> list[int]:
    """The classical answer: `nearest_labels` of digits."""
    return nearest_labels([p.pixels_HW for p in known], [p.digit for p in known], asked, neighbours)


def nearest_labels(
    known: Sequence[np.ndarray], labels: Sequence[int], asked: Sequence[np.ndarray], neighbours: int = 3
) -> list[int]:
    """The label of most of the nearest pictures by Euclidean distance of pixels (the smaller among equals)."""
    known_PF, asked_QF = _flat(known), _flat(asked)
    far_QP = (known_PF**2).sum(1) - 2 * asked_QF @ known_PF.T  # less the square of the asked, the same for all
    near_QN = np.argsort(far_QP, axis=1, kind="stable")[:, :neighbours]
    return [int(np.bincount(row).argmax()) for row in np.array(labels)[near_QN]]


def regressed_labels(known: Sequence[np.ndarray], labels: Sequence[int], asked: Sequence[np.ndarray]) -> list[int]:
    """The other classical answer: logistic regression on pixels. Raises ValueError where scikit-learn is missing."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ValueError("the classical baselines need scikit-learn: pip install 'duomo[evaluate]'") from error
    with catch_warnings(action="ignore", category=ConvergenceWarning):  # 200 rounds are where more no longer help unseen pictures
        model = LogisticRegression(max_iter=200).fit(_flat(known), labels)
    return [int(label) for label in model.predict(_flat(asked))]


def _picture(sample: Sample) -> Picture:
    origin, digit = sample.origin, digit_of(sample.answer)
    png = next(sample.media()).value
    if digit is None or isinstance(png, str):
        where = origin.id if origin else "a sample"
        raise ValueError(f"{SOURCE}: {where} is no picture of a digit (labelled {sample.answer!r}); fetch it again")
    shown = pixels(png)
    return Picture(shown, digit, hashlib.sha256(shown.tobytes()).hexdigest()[:16], origin.licence if origin else "")


def _flat(shown: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(shown).reshape(len(shown), -1).astype(np.float32) / 255


def _warp(image: "Drawing", random: Random) -> "Drawing":
    """An affine map about the middle: turn within 12 degrees, slant 0.15, scale 15 %, move 2.5 pixels."""
    from PIL.Image import Resampling, Transform

    turn, slant = math.radians(random.uniform(-12, 12)), random.uniform(-0.15, 0.15)
    wide, high = random.uniform(0.87, 1.18), random.uniform(0.87, 1.18)
    a, b = math.cos(turn) * wide, (math.sin(turn) + slant) * wide
    d, e = -math.sin(turn) * high, math.cos(turn) * high
    middle = (SIDE - 1) / 2
    x, y = middle + random.uniform(-2.5, 2.5), middle + random.uniform(-2.5, 2.5)
    inverse = (a, b, x - (a + b) * middle, d, e, y - (d + e) * middle)
    return image.transform(image.size, Transform.AFFINE, inverse, Resampling.BILINEAR)


def _pen(image: "Drawing", random: Random) -> "Drawing":
    """A broader or finer stroke, for half of the pictures."""
    from PIL import Image, ImageFilter

    if random.random() < 0.5:
        return image
    other, most = random.choice(((ImageFilter.MaxFilter(3), 0.7), (ImageFilter.MinFilter(3), 0.4)))
    return Image.blend(image, image.filter(other), random.uniform(0, most))


def _paper(pixels_HW: np.ndarray, random: Random) -> np.ndarray:
    grain = np.random.default_rng(random.getrandbits(64)).normal(0, random.uniform(0, 20), pixels_HW.shape)
    faint = pixels_HW * random.uniform(0.6, 1) + random.uniform(0, 40) + grain
    shown = np.clip(faint, 0, 255).astype(np.uint8)
    return 255 - shown if random.random() < 0.6 else shown
