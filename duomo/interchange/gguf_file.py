"""GGUF files: a header checked against the file's length, and tensors out of the mapped file, one at a time.

The layout is that of the format's own specification (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3.
"""

import mmap
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import gcd, prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAGIC = b"GGUF"
VERSIONS = (2, 3)
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # value types, as struct writes them
TEXT, ARRAY = 8, 9
LONGEST_HEADER = 32_000_000  # bytes; a vocabulary of 150,000 takes 5 million
MOST_TEXTS = 1 << 20  # in the whole header
MOST_ENTRIES = 1 << 16  # keys, and tensors
MOST_AXES = 4
TOGETHER = 16  # rows that are converted as one
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
AGAIN = "get the file again, from where you trust it"


@dataclass(frozen=True)
class Stored:
    """A tensor as it lies in the file. `shape` has the slowest axis first, as torch does; `kind` is ggml's number."""

    shape: tuple[int, ...]
    kind: int
    start: int  # bytes from the beginning of the file
    size: int  # bytes

    @property
    def rows(self) -> int:
        """How many rows there are; blocks never reach over the end of one."""
        return prod(self.shape[:-1])


class GGUFFile(Mapping[str, Tensor]):
    """An opened file: `fields`, `stored`, and as a mapping each tensor in float32, converted when it is asked for.

    Opening reads the header alone. Raises ValueError, in one line with the file, for all that is not as the format wants it.
    """

    def __init__(self, path: Path):
        self.path = path
        with path.open("rb") as file:
            magic = file.read(4)
            if magic != MAGIC:
                raise ValueError(f"{path}: not a GGUF file (it begins with {magic!r}); {AGAIN}")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.fields, self.stored = _header(_Cursor(self._data, path))

    def __getitem__(self, name: str) -> Tensor:
        stored, gguf = self.stored[name], library()
        together = stored.rows // gcd(stored.rows, TOGETHER)  # the package walks over rows: fewer and longer ones take half the time
        rows = np.frombuffer(self._data, np.uint8, stored.size, stored.start).reshape(together, -1)
        with np.errstate(all="ignore"):  # scales of a strange file may be infinite
            values = gguf.dequantize(rows, gguf.GGMLQuantizationType(stored.kind))
        return torch.from_numpy(np.require(values, np.float32, ["C", "W"])).view(stored.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


def library() -> ModuleType:
    """The `gguf` package, which knows the quantised types. Raises ValueError naming the extra where it is missing."""
    try:
        import gguf
    except ImportError as error:
        raise ValueError("GGUF files need the gguf package: pip install 'duomo[interchange]'") from error
    return gguf


class _Cursor:
    """Reads forward through mapped bytes and never past their end."""

    def __init__(self, data: mmap.mmap, path: Path):
        self.data, self.path, self.at, self.texts = data, path, 0, 0
        self.end = min(len(data), LONGEST_HEADER)

    def fault(self, told: str) -> ValueError:
        return ValueError(f"{self.path}: {told}; {AGAIN}")

    def skip(self, size: int) -> int:
        """Where the next `size` bytes begin."""
        if size > self.end - self.at:
            limit = "the file" if self.end == len(self.data) else f"the {self.end:,} bytes that a header may have"
            raise self.fault(f"{size:,} bytes are claimed at byte {self.at:,}, past the end of {limit}")
        self.at += size
        return self.at - size

    def number(self, form: str) -> Any:
        return struct.unpack_from("<" + form, self.data, self.skip(struct.calcsize("<" + form)))[0]

    def text(self) -> str:
        self.texts += 1
        if self.texts > MOST_TEXTS:
            raise self.fault(f"its header has more than {MOST_TEXTS:,} texts")
        size = self.number("Q")
        start = self.skip(size)
        try:
            return self.data[start : start + size].decode("utf-8")
        except UnicodeDecodeError:
            raise self.fault(f"the text at byte {start:,} is not UTF-8") from None

    def value(self, kind: int, key: str) -> Any:
        if kind in NUMBERS:
            return self.number(NUMBERS[kind])
        if kind == TEXT:
            return self.text()
        if kind != ARRAY:
            raise self.fault(f"{key!r} has a value of unknown type {kind}")
        return self._array(key)

    def _array(self, key: str) -> list[str] | np.ndarray:
        kind, count = self.number("I"), self.number("Q")
        if kind == TEXT:
            if count > MOST_TEXTS:
                raise self.fault(f"{key!r} claims {count:,} texts")
            return [self.text() for _ in range(count)]
        if kind not in NUMBERS:
            raise self.fault(f"{key!r} is an array of unknown type {kind}")
        form = np.dtype("<" + NUMBERS[kind])
        return np.frombuffer(self.data, form, count, self.skip(count * form.itemsize))


def _header(cursor: _Cursor) -> tuple[dict[str, Any], dict[str, Stored]]:
    cursor.skip(len(MAGIC))
    version = cursor.number("I")
    if version not in VERSIONS:
        raise cursor.fault(f"GGUF version {version}, known are {', '.join(map(str, VERSIONS))}")
    tensors, keys = cursor.number("Q"), cursor.number("Q")
    for count, what in ((tensors, "tensors"), (keys, "keys")):
        if count > MOST_ENTRIES:
            raise cursor.fault(f"it claims {count:,} {what}, more than the {MOST_ENTRIES:,} that it may have")
    fields: dict[str, Any] = {}
    for _ in range(keys):
        key = cursor.text()
        if key in fields:
            raise cursor.fault(f"{key!r} stands twice in its header")
        fields[key] = cursor.value(cursor.number("I"), key)
    claims = [_claim(cursor) for _ in range(tensors)]
    if len({name for name, *_ in claims}) < len(claims):
        raise cursor.fault("a tensor's name stands twice in its header")
    return fields, _placed(cursor, claims, _alignment(cursor, fields))


def _claim(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape, type and offset of a tensor, as the header says."""
    name, axes = cursor.text(), cursor.number("I")
    if not NAME.fullmatch(name) or ".." in name:
        raise cursor.fault(f"{name[:80]!r} is no tensor's name")
    if not 1 <= axes <= MOST_AXES:
        raise cursor.fault(f"{name} has {axes} axes, not 1 to {MOST_AXES}")
    shape = tuple(cursor.number("Q") for _ in range(axes))[::-1]
    return name, shape, cursor.number("I"), cursor.number("Q")


def _alignment(cursor: _Cursor, fields: Mapping[str, Any]) -> int:
    alignment = fields.get("general.alignment", 32)
    if type(alignment) is not int or not 8 <= alignment <= 1 << 16 or alignment % 8:
        raise cursor.fault(f"general.alignment is {alignment!r}")
    return alignment


def _placed(cursor: _Cursor, claims: list[tuple[str, tuple[int, ...], int, int]], alignment: int) -> dict[str, Stored]:
    """Where each tensor lies: aligned, inside the file, over no other."""
    begin, length = -(-cursor.at // alignment) * alignment, len(cursor.data)
    found: dict[str, Stored] = {}
    for name, shape, kind, offset in claims:
        size = _bytes(cursor, name, shape, kind)
        if offset % alignment or begin + offset + size > length:
            told = f"{size:,} bytes at {begin + offset:,}, but the file has {length:,} and an alignment of {alignment}"
            raise cursor.fault(f"{name} {shape} claims {told}")
        found[name] = Stored(shape, kind, begin + offset, size)
    order = sorted(found.items(), key=lambda item: item[1].start)
    for (first, a), (second, b) in zip(order, order[1:], strict=False):
        if a.start + a.size > b.start:
            raise cursor.fault(f"{first} and {second} overlap")
    return found


def _bytes(cursor: _Cursor, name: str, shape: tuple[int, ...], kind: int) -> int:
    block, size = _block(kind)
    if not size:
        raise cursor.fault(f"{name} is of type {kind}, which is not known as one of weights")
    if 0 in shape or shape[-1] % block:
        raise cursor.fault(f"{name} has the shape {shape}, which blocks of {block} do not fill")
    return prod(shape) // block * size


def _block(kind: int) -> tuple[int, int]:
    """Numbers and bytes of a block of the type; no bytes for one that the package can not turn into numbers."""
    gguf = library()
    try:
        block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]
        gguf.dequantize(np.zeros((1, size), np.uint8), gguf.GGMLQuantizationType(kind))
    except (ValueError, KeyError, NotImplementedError):
        return 1, 0
    return block, size
