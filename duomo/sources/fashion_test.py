"""Laws of the source of photographs."""

import gzip
import io
import struct

import pytest
from PIL import Image

from duomo.sources.archive_test import deb
from duomo.sources.fashion import FASHION, FILE, FOLDER


def idx(values: bytes, *sides: int) -> bytes:
    return gzip.compress(bytes((0, 0, 8, len(sides))) + struct.pack(f">{len(sides)}I", *sides) + values)


def opened(folder, **more):
    files = {
        "t10k-images-idx3": idx(bytes(range(12)), 2, 2, 3),
        "t10k-labels-idx1": idx(b"\x09\x00", 2),
        "train-images-idx3": idx(bytes(6), 1, 2, 3),
        "train-labels-idx1": idx(b"\x05", 1),
    }
    (folder / FILE.name).write_bytes(deb({f"{FOLDER}{name}-ubyte.gz": data for name, data in (files | more).items()}))
    return list(FASHION.open({FILE.name: folder / FILE.name}))


def test_photographs_know_their_kind_and_their_split(tmp_path):
    samples = opened(tmp_path)
    assert [(s.origin.id, s.answer) for s in samples] == [("t10k/0", "boot"), ("t10k/1", "t-shirt"), ("train/0", "sandal")]
    image = Image.open(io.BytesIO(next(samples[1].media()).value))
    assert (image.size, image.tobytes()) == ((3, 2), bytes(range(6, 12)))
    assert len({s.origin.group for s in samples}) == 3


def test_a_file_shorter_than_it_says_is_refused(tmp_path):
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte.gz: not as long as it says"):
        opened(tmp_path, **{"t10k-images-idx3": idx(bytes(11), 2, 2, 3)})
