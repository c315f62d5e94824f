"""CIDEr-D: how far a description agrees with the true one, where words that few true descriptions hold count most. G = n-grams, R = rows.

Vedantam, Zitnick and Parikh 2015, as their published code computes it, with one true description each: counts of n-grams of one to four
words times the logarithm of how many truths there are for each that holds the n-gram; the cosine of both, in which a description has no
more of an n-gram than the truth; less where the lengths differ (sigma 6); the mean over n, times ten. A description of fewer than four
words can not reach ten, for it has no longer n-grams.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LONGEST, SIGMA = 4, 6.0  # words of an n-gram; words of difference


@dataclass(frozen=True)
class Compared:
    """The n-grams of a description and of the truth; (G, 3): words of each less one, how often it was said, how often it is true."""

    grams: tuple[tuple[str, ...], ...]
    counts_G3: np.ndarray
    gap: int  # words that the one has more than the other


def compared(said: Sequence[str], true: Sequence[str]) -> Compared:
    """What CIDEr-D needs of two lists of words."""
    mine, theirs = _counted(said), _counted(true)
    grams = tuple(mine | theirs)
    counts_G3 = np.array([(len(gram) - 1, mine[gram], theirs[gram]) for gram in grams], np.int64).reshape(-1, 3)
    return Compared(grams, counts_G3, len(said) - len(true))


def cider_d(rows: Sequence[Compared]) -> float:
    """The mean over all rows, 0 to 10; how rare an n-gram is, is counted over the truths of these rows."""
    ids: dict[tuple[str, ...], int] = {}
    gram_G = np.array([ids.setdefault(gram, len(ids)) for row in rows for gram in row.grams], np.int64)
    order_G, said_G, true_G = np.concatenate([row.counts_G3 for row in rows]).T
    cell_G = np.repeat(np.arange(len(rows)) * LONGEST, [len(row.grams) for row in rows]) + order_G
    holding_G = np.bincount(gram_G, true_G > 0)[gram_G]
    weight_G = np.log(len(rows) / np.maximum(1, holding_G)) ** 2

    def summed(values_G: np.ndarray) -> np.ndarray:
        return np.bincount(cell_G, values_G * weight_G, len(rows) * LONGEST).reshape(-1, LONGEST)

    long_R4 = np.sqrt(summed(said_G**2) * summed(true_G**2))
    cosine_R4 = np.divide(summed(np.minimum(said_G, true_G) * true_G), long_R4, out=np.zeros_like(long_R4), where=long_R4 > 0)
    gap_R = np.array([row.gap for row in rows])
    return float(10 * np.mean(cosine_R4.mean(1) * np.exp(-(gap_R**2) / (2 * SIGMA**2))))


def _counted(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + n]) for n in range(1, LONGEST + 1) for at in range(len(words) - n + 1))
