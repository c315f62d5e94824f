"""Pixels: what a picture and a frame of a clip share. H = rows, W = columns, C = channels (1 grey; 3 red, green, blue)."""

import math
import warnings
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from duomo.modalities.files import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_PIXELS = 2**24  # 16 megapixels
BLACK = -1.0
LUMA = np.array([19595, 38470, 7471], np.uint32)  # ITU-R 601, as 16-bit fixed point


def open_picture(file: BinaryIO, formats: tuple[str, ...]) -> "Picture":
    """The picture behind a file, its header read and its pixels not. Raises Unreadable where it is too large."""
    from PIL import Image

    with warnings.catch_warnings():  # our own limit is lower than the one that Pillow warns of
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(file, formats=formats)
        except Image.DecompressionBombError as error:
            raise Unreadable(_too_large()) from error
    refuse_large(*picture.size)
    return picture


def refuse_large(width: int, height: int) -> None:
    """Raises Unreadable for more than 16 megapixels."""
    if width * height > MAX_PIXELS:
        raise Unreadable(_too_large(f" of {width} x {height} pixels"))


def flatten(picture: "Picture") -> np.ndarray:
    """(H, W, 3) uint8 of its own memory; what is transparent lies on white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip
        return np.repeat((np.asarray(picture) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))  # to convert is to copy


def tint(pixels: np.ndarray, features: int) -> np.ndarray:
    """(…, 3) uint8 as grey (…, 1) or unchanged. Raises ValueError for other numbers of features."""
    if features == 3:
        return pixels
    if features != 1:
        raise ValueError(f"cut.features is {features}: a picture has 1 (grey) or 3 (red, green, blue)")
    return ((pixels @ LUMA + 2**15) >> 16).astype(np.uint8)[..., None]


def fit(pixels_HWC: np.ndarray, size: tuple[int, ...], largest: float = math.inf) -> np.ndarray:
    """The picture scaled to touch the frame of `size` (rows, columns) from inside; bilinear, antialiased; C is 1 or 3."""
    shape = fitted(pixels_HWC.shape[:2], size, largest)
    if shape == pixels_HWC.shape[:2]:
        return pixels_HWC
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels_HWC.squeeze(2) if pixels_HWC.shape[2] == 1 else pixels_HWC))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR)).reshape(*shape, -1)


def fitted(shape: tuple[int, ...], size: tuple[int, ...], largest: float = math.inf) -> tuple[int, int]:
    """The rows and columns that a picture of `shape` has inside a frame of `size`, enlarged at most `largest` times."""
    ratio = min(largest, *(room / side for side, room in zip(shape, size, strict=True)))
    rows, columns = (min(room, max(1, round(side * ratio))) for side, room in zip(shape, size, strict=True))
    return rows, columns


def scale(pixels: np.ndarray) -> np.ndarray:
    """uint8 to float32 from -1 (black) to 1 (white)."""
    return np.divide(pixels, 127.5, dtype=np.float32) - np.float32(1)


def _too_large(size: str = "") -> str:
    return f"a picture{size} is over the limit of 16 megapixels; scale it down first"
