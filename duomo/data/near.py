"""Near duplicates: candidates by MinHash and locality-sensitive hashing, each verified by its exact Jaccard similarity.

Reference: Broder 1997, "On the resemblance and containment of documents".
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from duomo.data.content import units, whole_text
from duomo.sample import Sample

SHINGLE = 5  # characters of the units joined by spaces: about a short word, or three Chinese characters
HASHES = 128
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def drop_near_duplicates(samples: Iterable[Sample], threshold: float, dropped: Counter[str]) -> Iterator[Sample]:
    """The first of those whose texts have a Jaccard similarity of shingles of `threshold` or more.

    Samples with media pass: the same question about another picture is another sample. Memory: the shingles of what is kept.
    """
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError as error:
        raise ValueError("data.clean.near needs rensa; install duomo[data] or set data.clean.near=null") from error
    index = RMinHashLSH(threshold, HASHES, bands(threshold))
    kept = list[np.ndarray]()
    for sample in samples:
        shingles = shingle(whole_text(sample))
        if any(sample.media()) or not len(shingles):
            yield sample
            continue
        sketch = RMinHash.from_token_sets([shingles.view("S8").tolist()], HASHES, 1)[0]
        if any(jaccard(shingles, kept[other]) >= threshold for other in index.query(sketch)):
            dropped["near duplicate"] += 1
            continue
        index.insert(len(kept), sketch)
        kept.append(shingles)
        yield sample


def shingle(value: str) -> np.ndarray:
    """The sorted hashes (S,) uint64 of every run of `SHINGLE` characters; of the whole where it is shorter."""
    signs = np.frombuffer(" ".join(units(value)).encode("utf-32-le"), np.uint32).astype(np.uint64)
    if not len(signs):
        return signs
    count = max(len(signs) - SHINGLE + 1, 1)
    mixed = np.zeros(count, np.uint64)
    for offset in range(min(SHINGLE, len(signs))):
        mixed = (mixed ^ signs[offset : offset + count]) * MULTIPLIER
        mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Shared over all, of two sorted sets of hashes."""
    if not len(a) or not len(b):
        return 0.0
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def bands(threshold: float) -> int:
    """The fewest bands of the 128 hashes with which a pair at the threshold is missed less than once in a hundred times."""
    for count in (1, 2, 4, 8, 16, 32, 64):
        if count * math.log1p(-min(threshold ** (HASHES / count), 1 - 1e-12)) < math.log(0.01):
            return count
    return HASHES
