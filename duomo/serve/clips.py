"""Clips: what the header of a film or an animation announces, refused where it is too much, before anything is decoded."""

import math
import re
from collections.abc import Iterator
from io import BytesIO

from duomo.modalities.files import Unreadable, reading
from duomo.modalities.image import FORMATS
from duomo.modalities.pixels import open_picture, refuse_large
from duomo.modalities.video import WANTED, container, refuse_dense

MOST_SAMPLES = 2_000_000  # that the tables of a film may announce: the decoder keeps some 60 bytes of each, whether it is there or not
MOST_PIXELS = 2**27  # of all pictures of an animation together: each is decoded and drawn as a whole
TABLES = re.compile(rb"stsz.{8}(.{4})|trun.{4}(.{4})", re.DOTALL)  # boxes whose count of samples may be larger than they are


def refuse_long(data: bytes, frames: int) -> None:
    """Raises ValueError for a clip of more pictures than `frames`, of pictures over 16 megapixels, and for what is no clip."""
    with reading(data, WANTED) as file:
        announced = _film(data, form) if (form := container(data[:12])) else _pages(data, frames)
        if announced > frames:
            raise Unreadable(f"a clip of {announced:,} pictures, at most {frames:,} are read; cut it")
        if form is None and announced * math.prod(open_picture(file, FORMATS).size) > MOST_PIXELS:
            raise Unreadable(f"an animation of more than {MOST_PIXELS // 10**6} million pixels in all; scale it down, or cut it")


def _film(data: bytes, form: str) -> int:
    """How many pictures a film has, as its header tells; the container's format is named, so that no decoder opens anything else."""
    import av

    if form == "mp4":
        _refuse_tables(data)
    with av.open(BytesIO(data), "r", format=form) as film:
        if not film.streams.video:
            raise Unreadable("no pictures in it, only sound; give a clip with pictures")
        stream = film.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        refuse_large(width, height)
        length = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else (film.duration or 0) / 1e6
        frames = stream.frames or round(length * float(stream.average_rate or 25))
        refuse_dense(frames, frames * width * height, length)
        return frames


def _refuse_tables(data: bytes) -> None:
    """Raises Unreadable where tables announce far more samples than any clip has: the decoder would make room for them at once."""
    counts = (first or second for part in _unlike_media(data) for first, second in TABLES.findall(part))
    if sum(int.from_bytes(count, "big") for count in counts) > MOST_SAMPLES:
        raise Unreadable(f"its tables announce more than {MOST_SAMPLES:,} samples; cut it, or export it again")


def _unlike_media(data: bytes) -> Iterator[bytes]:
    """All of an MP4 but the media itself: where tables may stand, whatever boxes are around them."""
    place = 0
    while place < len(data):
        size, kind, head = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = len(data) if size < head else min(len(data), place + size)
        if kind != b"mdat" or (0 < size < head):
            yield data[place:end]
        place = end


def _pages(data: bytes, most: int) -> int:
    """How many pictures an animation has; of a GIF they are counted no further than `most`, and none is decoded."""
    if data[:4] == b"GIF8":
        return sum(1 for _ in zip(_descriptors(data), range(most + 1), strict=False))
    return getattr(open_picture(BytesIO(data), FORMATS), "n_frames", 1)


def _descriptors(data: bytes) -> Iterator[int]:
    """Where each picture of a GIF begins (GIF89a specification, 1990: blocks of a picture, of an extension, and the end)."""
    place = 13 + _colours(data[10:11])
    while data[place : place + 1] in (b",", b"!"):
        if data[place] == ord(","):
            yield place
            place += 11 + _colours(data[place + 9 : place + 10])
        else:
            place += 2
        while place < len(data) and data[place]:  # a block of so many bytes; one of none is the last
            place += 1 + data[place]
        place += 1


def _colours(flags: bytes) -> int:
    """Bytes of the table of colours that flags announce."""
    return 3 << (flags[0] % 8 + 1) if flags and flags[0] & 0x80 else 0
