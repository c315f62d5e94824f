"""Contamination: how much of the held-out data stands in the training data, by content hash and by runs of 8 units.

A unit is a word, or one Chinese character. A run that stands in more than 10 held-out samples is a phrase of the format
("Translate into Chinese: …"), not content, and is left out, as in the analysis of GPT-3 (Brown et al. 2020, appendix C).
Texts under 8 units, and samples with media, are compared by hash alone: the same words about another picture are another sample.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from duomo.data.content import fingerprint, units, whole_text
from duomo.sample import Sample

RUN = 8
COMMON = 10
HALF = 0.5
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Contamination:
    """Of `n` held-out samples: how many stand in the training data whole; have at least half of their runs there; have any run there."""

    n: int
    by_hash: int
    by_runs: int
    touched: int

    @property
    def share(self) -> float:
        """The share found by hash or by half of the runs (those found by hash have all their runs there)."""
        return max(self.by_hash, self.by_runs) / self.n if self.n else 0.0


class HeldOut:
    """An index over held-out samples: 12 bytes a run; the training data streams past it."""

    def __init__(self, samples: Iterable[Sample]):
        texts = [(fingerprint(sample), runs_of(sample)) for sample in samples]
        self.hashes = {key for key, _ in texts}
        self._keys = np.array([int.from_bytes(key[:8], "little") for key, _ in texts], np.uint64)
        found = np.concatenate([r for _, r in texts]) if texts else np.empty(0, np.uint64)
        owner = np.repeat(np.arange(len(texts), dtype=np.uint32), [len(r) for _, r in texts])
        order = np.argsort(found, kind="stable")
        self._runs, self._owner = _without_common(found[order], owner[order])
        self._count = np.bincount(self._owner, minlength=len(texts))
        self._seen = np.zeros(len(self._runs), bool)
        self._equal = set[bytes]()

    def equals(self, key: bytes) -> bool:
        """Whether a sample of this `fingerprint` is held out; remembers it."""
        if key in self.hashes:
            self._equal.add(key)
        return key in self.hashes

    def covers(self, found: np.ndarray) -> bool:
        """Whether a sample of these `runs_of` it holds at least half of those of one held-out sample; remembers them."""
        first, last = np.searchsorted(self._runs, found, "left"), np.searchsorted(self._runs, found, "right")
        hit = np.flatnonzero(last > first)
        if not len(hit):
            return False
        places = np.concatenate([np.arange(a, b) for a, b in zip(first[hit], last[hit], strict=True)])
        self._seen[places] = True
        owners, shared = np.unique(self._owner[places], return_counts=True)
        return bool((shared >= HALF * self._count[owners]).any())

    def report(self) -> Contamination:
        """What was found of all that was shown."""
        equal = np.isin(self._keys, np.array([int.from_bytes(key[:8], "little") for key in self._equal], np.uint64))
        seen = np.bincount(self._owner[self._seen], minlength=len(self._keys))
        covered = (seen > 0) & (seen >= HALF * self._count)
        return Contamination(len(self._keys), int(equal.sum()), int(covered.sum()), int((seen > 0).sum()))


def runs_of(sample: Sample) -> np.ndarray:
    """The runs of a sample's whole text; none where it has media."""
    return np.empty(0, np.uint64) if any(sample.media()) else runs(whole_text(sample))


def runs(value: str) -> np.ndarray:
    """The sorted distinct hashes (R,) uint64 of every run of 8 units of a text."""
    signs = np.fromiter((zlib.crc32(unit.encode(errors="surrogatepass")) for unit in units(value)), np.uint64)
    count = len(signs) - RUN + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    mixed = np.zeros(count, np.uint64)
    for offset in range(RUN):
        mixed = (mixed ^ signs[offset : offset + count]) * MULTIPLIER
        mixed ^= mixed >> np.uint64(31)
    return np.unique(mixed)


def _without_common(found: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, place, count = np.unique(found, return_inverse=True, return_counts=True)
    rare = count[place] <= COMMON if len(found) else np.zeros(0, bool)
    return found[rare], owner[rare]
