"""Splits that nothing straddles: records that share content form a group, and whole groups are dealt by the hash of their content.

The deal depends on the records alone, never on their order or on a seed, so that two tasks over one source agree on what is held out.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

from duomo.sample import Sample
from duomo.tasks.task import Split


def key(text: str) -> str:
    """What makes two texts the same: letters and digits of the compatibility form, without case, spaces and punctuation."""
    bare = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
    return bare or text.strip()


def shingles(bare: str, width: int) -> set[str]:
    """All runs of `width` characters of a key; two texts that share a long one are copies, edits or form letters."""
    return {bare[i : i + width] for i in range(max(1, len(bare) - width + 1))}


def groups(keys: Iterable[Iterable[str]]) -> list[str]:
    """One group name per record; records that share a key, directly or through others, have the same.

    The name is the hash of the group's smallest key. Each record needs at least one key.
    """
    owner: dict[str, int] = {}
    parent: list[int] = []
    least: list[str] = []
    for here, record in enumerate(keys):
        record = list(record)
        parent.append(here)
        least.append(min(record))
        for name in record:
            _join(parent, owner.setdefault(name, here), here)
    smallest: dict[int, str] = {}
    for i, name in enumerate(least):
        root = _root(parent, i)
        smallest[root] = min(smallest.get(root, name), name)
    return [_hash(smallest[_root(parent, i)]) for i in range(len(parent))]


def deal(group: Sequence[str], valid: int, test: int) -> list[Split]:
    """The split of each record: whole groups in the order of their hashes, first to test, then to valid, the rest to train.

    `valid` and `test` are records, reached or passed by less than one group; of a small set they are a tenth and a fifth at most.
    """
    size: dict[str, int] = {}
    for name in group:
        size[name] = size.get(name, 0) + 1
    test = min(test, max(1, len(group) // 5))
    valid = min(valid, max(1, len(group) // 10))
    place: dict[str, Split] = {}
    dealt = 0
    for name in sorted(size, key=_hash):
        place[name] = "test" if dealt < test else "valid" if dealt < test + valid else "train"
        dealt += size[name]
    return [place[name] for name in group]


def origin_group(sample: Sample) -> str:
    """The group written in the sample's origin; samples without one are groups of their own."""
    return sample.origin.group if sample.origin else ""


def _join(parent: list[int], a: int, b: int) -> None:
    parent[_root(parent, b)] = _root(parent, a)


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
