"""Charsmap: what becomes of single characters, as the `Precompiled` normalizer of `tokenizers` reads it (SentencePiece's form).

A double array over UTF-8 bytes, then the texts, each with a zero byte after it. A unit of the array holds its own byte in bits
0-7, in bit 8 whether a key ends there, and in bits 10-30 the way to its children; a unit with bit 31 is where a text begins.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import count

ENDS, VALUE = 1 << 8, 1 << 31
FURTHEST = 1 << 21  # what bits 10-30 can say


def charsmap(becomes: Mapping[str, str]) -> bytes:
    """The map in that form; characters that are not in it stay. Raises ValueError where it is too large for the form."""
    texts, starts = bytearray(), dict[str, int]()
    for text in becomes.values():
        if text not in starts:
            starts[text] = len(texts)
            texts += text.encode() + b"\0"
    units = double_array({character.encode(): starts[text] for character, text in becomes.items()})
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


def double_array(values: Mapping[bytes, int]) -> list[int]:
    """Keys without zero bytes as units: child `byte` of the unit at `place` lies at `place ^ way ^ byte`, its value at byte 0."""
    units, taken, bases, lowest = [0] * 256, {0}, set[int](), 1
    pending: list[tuple[int, int, list[bytes]]] = [(0, 0, list(values))]  # a node: its place, its depth, the keys through it
    while pending:
        place, depth, keys = pending.pop()
        children = _by_byte(keys, depth)
        lowest = next(base for base in count(lowest) if base not in bases and base not in taken)
        base = _room(children, taken, bases, lowest)
        if base >= FURTHEST:
            raise ValueError(f"a map of {len(values)} characters is too large for this form")
        units += [0] * ((base | 255) + 1 - len(units))
        units[place] |= (base ^ place) << 10
        for byte, below in children.items():
            units[base ^ byte] = byte
            if byte:
                pending.append((base ^ byte, depth + 1, below))
            else:
                units[place] |= ENDS
                units[base] = VALUE | values[below[0]]
    return units


def _by_byte(keys: Iterable[bytes], depth: int) -> dict[int, list[bytes]]:
    found = defaultdict(list)
    for key in keys:
        found[key[depth] if len(key) > depth else 0].append(key)
    return found


def _room(children: Iterable[int], taken: set[int], bases: set[int], lowest: int) -> int:
    """The first base from `lowest` on that no other node has and whose places for these children are free; both are taken."""
    base = next(base for base in count(lowest) if base not in bases and taken.isdisjoint(base ^ byte for byte in children))
    bases.add(base)
    taken.update(base ^ byte for byte in children)
    return base
