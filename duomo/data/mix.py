"""Mix: which sample of which data set comes at a place of the endless order; a pure function, with no buffer and no state.

D = data sets, N = places.
"""

from collections.abc import Sequence

import numpy as np

ROUNDS = 6


def order(seed: int, sizes: Sequence[int], weights: Sequence[float], first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """(data set, item) at the places `first` … `last - 1`, two int64 arrays (N,).

    Each data set ticks like a clock of period 1/weight (weights sum to one here) with a phase of its own, and place i is
    the i-th tick of all, so that shares hold at every place to within as many samples as there are data sets. The ticks of
    a data set go through it in a new order each epoch.
    Raises ValueError for an empty data set or a weight that is not above zero.
    """
    if len(sizes) != len(weights) or not sizes or min(sizes) < 1 or not min(weights) > 0:
        raise ValueError(f"mix: sizes {list(sizes)} and weights {list(weights)}: each data set needs a sample and a weight above 0")
    data_set_N, tick_N = _ticks(seed, np.asarray(weights, np.float64) / sum(weights), first, last)
    item_N = np.empty(len(tick_N), np.int64)
    for d, size in enumerate(sizes):
        mine = data_set_N == d
        item_N[mine] = shuffled((seed, d), size, tick_N[mine])
    return data_set_N, item_N


def shuffled(seed: tuple[int, ...], size: int, index_N: np.ndarray) -> np.ndarray:
    """The item at each index of an endless row of permutations of `size`, one per epoch, computed without storing any.

    A Feistel network over the next power of four permutes the numbers; those outside walk on until they fall inside
    (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
    """
    bits = max((size - 1).bit_length() + 1, 2) // 2
    epoch_N = (index_N // size).astype(np.uint64)
    key_N = _scramble(np.array(_fold(seed), np.uint64) ^ _scramble(epoch_N))
    place_N = _feistel((index_N % size).astype(np.uint64), key_N, bits)
    while (outside := place_N >= size).any():
        place_N[outside] = _feistel(place_N[outside], key_N[outside], bits)
    return place_N.astype(np.int64)


def _ticks(seed: int, weight_D: np.ndarray, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """The ticks at these places. Up to time t there are t ± D of them, so a window of time that is D wider holds all."""
    data_sets = len(weight_D)
    phase_D = np.random.default_rng((seed, data_sets)).random(data_sets)
    low, high = first - data_sets - 1, last + data_sets + 1
    from_D = np.maximum(np.floor(weight_D * low - phase_D).astype(np.int64), 0)
    to_D = np.ceil(weight_D * high - phase_D).astype(np.int64) + 1
    data_set_N = np.repeat(np.arange(data_sets), to_D - from_D)
    tick_N = np.concatenate([np.arange(a, b) for a, b in zip(from_D, to_D, strict=True)])
    time_N = (tick_N + phase_D[data_set_N]) / weight_D[data_set_N]
    skipped = int(from_D.sum())
    place_N = np.lexsort((data_set_N, time_N))[first - skipped : last - skipped]
    return data_set_N[place_N], tick_N[place_N]


def _feistel(value_N: np.ndarray, key_N: np.ndarray, bits: int) -> np.ndarray:
    half, mask = np.uint64(bits), np.uint64(2**bits - 1)
    left_N, right_N = value_N >> half, value_N & mask
    for turn in range(ROUNDS):
        left_N, right_N = right_N, left_N ^ (_scramble(right_N ^ key_N ^ np.uint64(turn << 56)) & mask)
    return left_N << half | right_N


def _scramble(value: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014)."""
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)


def _fold(seed: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
