"""Image: a picture, cut in tiles. H = rows, W = columns, C = channels (1 grey; 3 red, green, blue)."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from duomo.batch import Patches
from duomo.modalities.files import media_extra, reading
from duomo.modalities.modality import Modality, tile
from duomo.modalities.pixels import BLACK, fit, flatten, open_picture, scale, tint
from duomo.recipe import CutRecipe

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


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
    """A PNG of (H, W), (H, W, 3) or, with their opacity, (H, W, 4) uint8 pixels; the same bytes for the same pixels."""
    with media_extra():
        from PIL import Image
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


def to_jpeg(pixels_HWC: np.ndarray) -> bytes:
    """A JPEG of (H, W, 3) uint8 pixels: smaller than a PNG, and as good to look at."""
    with media_extra():
        from PIL import Image
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels_HWC)).save(file, "JPEG", quality=85)
    return file.getvalue()


def _upright(picture: "Picture") -> "Picture":
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(picture, in_place=True)
    except (SyntaxError, ValueError, KeyError, TypeError):  # a picture whose EXIF is damaged is still a picture
        picture.load()
    return picture


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
