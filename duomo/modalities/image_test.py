from io import BytesIO
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from duomo.modalities.image import IMAGE, to_png
from duomo.modalities.pixels import fitted, tint
from duomo.recipe import CutRecipe

CUT = IMAGE.default
COLOUR = CutRecipe(size=(32, 32), hop=(8, 8), merge=(1, 1), features=3)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def gradient(height: int = 40, width: int = 60) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 4, rows + columns], -1).astype(np.uint8)


@pytest.mark.parametrize(("kind", "near"), [("PNG", 0), ("JPEG", 12), ("WEBP", 12), ("GIF", 40)])
def test_reads_each_format(kind, near):
    pixels = IMAGE.read(encoded(Image.fromarray(gradient()), kind), CUT)
    assert pixels.shape == (40, 60, 3) and pixels.dtype == np.uint8 and pixels.flags.writeable
    assert np.abs(pixels.astype(int) - gradient()).max() <= near


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_refuses_truncated_files(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ValueError, match="damaged, or not a PNG, JPEG, WebP or GIF picture; export it again"):
        IMAGE.read(data[: int(len(data) * share)], CUT)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_shows_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    red, green, blue = IMAGE.read(data, CUT)[8, 8]
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_applies_the_orientation_of_exif(kind):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = 255  # the stored upper left corner; orientation 6: the camera was turned, show it a quarter clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = IMAGE.read(encoded(Image.fromarray(pixels), kind, exif=exif), CUT)
    assert seen.shape == (60, 40, 3)
    assert seen[:25, 25:].min() > 200 and seen[35:].max() < 50


def test_a_damaged_exif_does_not_cost_the_picture():
    data = encoded(Image.fromarray(gradient()), "JPEG", exif=b"Exif\0\0garbage")
    assert IMAGE.read(data, CUT).shape == (40, 60, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGBa"])
def test_transparent_pictures_lie_on_white(mode):
    layer = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "P":
        data = encoded(layer.quantize(4), "PNG")
    elif mode == "PA":
        data = encoded(layer, "GIF")
    elif mode == "RGBa":
        data = encoded(layer, "WEBP", lossless=True)
    else:
        data = encoded(layer.convert(mode), "PNG")
    pixels = IMAGE.read(data, CUT)
    assert pixels[:, :4].max() == 0 and pixels[:, 4:].min() == 255


def test_16_bit_grey_keeps_its_upper_byte():
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024
    pixels = IMAGE.read(encoded(Image.fromarray(deep), "PNG"), CUT)
    assert np.array_equal(pixels, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, 2))


@pytest.mark.parametrize("side", [4097, 9000, 20_000])
def test_refuses_many_pixels_before_decoding(side):
    data = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))  # a header that lies: there is nothing to decode
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = crc32(bytes(data[12:29])).to_bytes(4, "big")
    with pytest.raises(ValueError, match="over the limit of 16 megapixels; scale it down"):
        IMAGE.read(bytes(data), CUT)


def test_a_large_photo_cuts_as_if_it_were_decoded_whole():
    photo = Image.fromarray(gradient()).resize((1200, 900))
    small = IMAGE.cut(IMAGE.read(encoded(photo, "JPEG", quality=95), CUT), CUT)
    whole = IMAGE.cut(IMAGE.read(encoded(photo, "PNG"), CUT), CUT)
    assert small.coords_NA.equal(whole.coords_NA)
    assert (small.values_NF - whole.values_NF).abs().max() < 0.03


@pytest.mark.parametrize(("shape", "tokens"), [((28, 28), 4), ((28, 56), 8), ((100, 100), 4), ((7, 14), 8), ((56, 28), 2)])
def test_tokens_of_the_default_cut(shape, tokens):
    patches = IMAGE.cut(np.zeros((*shape, 3), np.uint8), CUT)
    assert patches.tokens == tokens


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 64), st.integers(1, 64))
def test_a_fitted_picture_touches_its_frame(height, width, rows, columns):
    shape = fitted((height, width), (rows, columns))
    assert all(1 <= side <= room for side, room in zip(shape, (rows, columns), strict=True))
    assert shape[0] == rows or shape[1] == columns
    assert abs(shape[0] * width - shape[1] * height) <= max(height, width)  # within a pixel of its aspect


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_black_and_white_are_the_ends_of_the_scale(height, width):
    for grey, value in ((0, -1.0), (255, 1.0)):
        values = IMAGE.cut(np.full((height, width, 3), grey, np.uint8), CUT).values_NF
        assert (values == value).all()


def test_what_the_last_tiles_lack_is_black():
    patches = IMAGE.cut(np.full((32, 20, 3), 255, np.uint8), COLOUR)
    last = patches.values_NF.reshape(4, 3, 8, 8, 3)[:, 2]
    assert (last[:, :, :4] == 1).all() and (last[:, :, 4:] == -1).all()


def test_a_tile_keeps_rows_columns_colours():
    pixels = gradient(32, 32)
    patches = IMAGE.cut(pixels, COLOUR)
    expected = torch.from_numpy(pixels[8:16, 16:24].copy()).float() / 127.5 - 1
    place = patches.coords_NA.tolist().index([1, 2])
    assert torch.allclose(patches.values_NF[place].reshape(8, 8, 3), expected)


def test_grey_is_pillows_grey():
    noise = np.random.default_rng(1).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    assert np.array_equal(tint(noise, 1)[..., 0], np.asarray(Image.fromarray(noise).convert("L")))
    with pytest.raises(ValueError, match="cut.features is 2"):
        tint(noise, 2)


def test_png_of_grey_and_of_colour_are_exact():
    for pixels in (gradient(), gradient()[..., 0]):
        seen = IMAGE.read(to_png(pixels), CUT)
        assert np.array_equal(seen if pixels.ndim == 3 else seen[..., 0], pixels)
