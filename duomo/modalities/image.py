"""Image: a picture, cut in tiles. H = rows, W = columns, C = channels (1 grey; 3 red, green, blue)."""

import math
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from duomo.batch import Patches
from duomo.modalities.files import Unreadable, media_extra, reading
from duomo.modalities.modality import Modality, tile
from duomo.recipe import CutRecipe

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 2**24  # 16 megapixels
BLACK = -1.0
LUMA = np.array([19595, 38470, 7471], np.uint32)  # ITU-R 601, as 16-bit fixed point


def read(value: Path | bytes, recipe: CutRecipe) -> np.ndarray:
    """The picture as (H, W, 3) uint8, upright, on white where transparent; of an animation, its first frame.

    A large JPEG is decoded at a half, a quarter or an eighth of its size, never below twice what the cut keeps.
    Raises ValueError for a damaged or unknown file, and, before any decoding, for more than 16 megapixels.
    """
    with reading(value, "a PNG, JPEG, WebP or GIF picture") as file:
        picture = open_picture(file, FORMATS)
        picture.draft(None, (2 * max(recipe.size),) * 2)
        return flatten(_upright(picture))


def cut(pixels_HWC: np.ndarray, recipe: CutRecipe) -> Patches:
    """Tiles of the picture, scaled (aspect kept, up or down) to fit exactly into `recipe.size`; values from -1 (black) to 1."""
    return tile(scale(fit(tint(pixels_HWC, recipe.features), recipe.size)), recipe, BLACK)


def to_png(pixels: np.ndarray) -> bytes:
    """A PNG of (H, W) or (H, W, 3) uint8 pixels; the same bytes for the same pixels."""
    with media_extra():
        from PIL import Image
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


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
    return np.array(picture.convert("RGB"))


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


def _upright(picture: "Picture") -> "Picture":
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(picture, in_place=True)
    except (SyntaxError, ValueError, KeyError, TypeError):  # a picture whose EXIF is damaged is still a picture
        picture.load()
    return picture


def _too_large(size: str = "") -> str:
    return f"a picture{size} is over the limit of 16 megapixels; scale it down first"


IMAGE = Modality(
    name="image",
    axes=2,
    read=read,
    cut=cut,
    write=to_png,
    suffix=".png",
    suffixes=(".jpg", ".jpeg", ".webp", ".gif"),
    default=CutRecipe(size=(28, 56), hop=(1, 1), merge=(16, 16), features=1),
)
