"""Fashion: seventy thousand photographs of a shop's clothes, 28 x 28 pixels, light on black, with the shop's own split."""

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.archive import MB, gunzipped, members
from duomo.sources.digits import png
from duomo.sources.source import File, Source

LICENCE = "MIT"
FOLDER = "./usr/share/datasets/fashion-mnist/"
IMAGES, LABELS = "images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"
KINDS = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
FILE = File(
    registry="debian",
    package="dataset-fashion-mnist",
    version="0.0~git20200523.55506a9-1",
    name="dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    bytes=30_900_652,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """10,000 photographs of the shop's test split, then 60,000 of its training split, as PNG bytes, answered with one of `KINDS`.

    Ids "t10k/17" and "train/17". The group is the hash of the pixels. Raises ValueError for a damaged package.
    """
    path, shown = paths[FILE.name], dict[str, tuple[bytes, tuple[int, ...]]]()
    for name, packed in members(path, lambda name: name.startswith(FOLDER) and name.endswith((IMAGES, LABELS)), 60 * MB):
        split, _, what = name.removeprefix(FOLDER).partition("-")
        values = _idx(gunzipped(packed, 60 * MB, f"{path}: {name}"), f"{path}: {name}")
        if what == IMAGES:
            shown[split] = values
        else:  # the archive has them after their images
            yield from _labelled(split, shown.pop(split), values[0])


def _labelled(split: str, images: tuple[bytes, tuple[int, ...]], labels: bytes) -> Iterator[Sample]:
    values, (_, height, width) = images
    for number, label in enumerate(labels):
        pixels = values[number * height * width : (number + 1) * height * width]
        origin = Origin("fashion", f"{split}/{number}", LICENCE, group=hashlib.sha256(pixels).hexdigest()[:16])
        yield ask(Part("image", png(pixels, width)), answer=KINDS[label], origin=origin)


def _idx(stream: BinaryIO, where: str) -> tuple[bytes, tuple[int, ...]]:
    """The bytes and the sides of an IDX file: two zeros, 8 for unsigned bytes, the number of sides, the sides, the values."""
    data = stream.read()
    sides = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]]) if data[:3] == b"\0\0\x08" and len(data) >= 4 + 4 * data[3] else ()
    values = data[4 + 4 * len(sides) :]
    if not sides or len(values) != math.prod(sides):
        raise ValueError(f"{where}: not as long as it says; delete the package and fetch it again")
    return values, sides


FASHION = Source(
    name="fashion",
    title="70,000 small photographs of clothes (Fashion-MNIST)",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="ten kinds, light on black; from Debian, through apt-get",
    open=samples,
)
