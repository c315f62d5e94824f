"""A byte n-gram language model with interpolated Witten–Bell smoothing: the classical yardstick of bits per byte.

With h a context, h' the context without its oldest byte, N(h) how often h was seen and T(h) how many different bytes followed it:
P(c|h) = (count(h, c) + T(h) P(c|h')) / (N(h) + T(h)); below the empty context all 257 symbols are equal (256 bytes and the end).
Source: Witten & Bell 1991, method C; the interpolated form of Chen & Goodman 1998.

S = symbols of a text stream, U = distinct n-grams of one order, V = distinct contexts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

END = 256  # closes every text, and stands before its first byte
SYMBOLS = 257
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Order:
    """Counts of the n-grams of one length. An n-gram is a number in base 257, oldest symbol first; its context is that number // 257."""

    gram_U: Ints  # sorted
    count_U: Ints
    context_V: Ints  # sorted
    total_V: Ints  # N
    kinds_V: Ints  # T


@dataclass(frozen=True)
class ByteNgram:
    """The model. `orders[k]` counts with k bytes of context."""

    orders: tuple[Order, ...]

    @classmethod
    def learn(cls, texts: Iterable[str], order: int = 5) -> "ByteNgram":
        """Counts the texts; `order` symbols at most make an n-gram, 7 at most (a number of 64 bits)."""
        if not 1 <= order <= 7:
            raise ValueError(f"order {order}: from 1 to 7")
        stream_S, seen_S = _stream(texts, order - 1)
        return cls(tuple(_count(_grams(stream_S, k)[seen_S]) for k in range(order)))

    def nats(self, texts: Sequence[str]) -> Floats:
        """What each text costs, its end included: one number per text, in nats."""
        stream_S, seen_S = _stream(texts, len(self.orders) - 1)
        chance = np.full(int(seen_S.sum()), 1 / SYMBOLS)
        for k, order in enumerate(self.orders):
            chance = _mix(order, _grams(stream_S, k)[seen_S], chance)
        lengths = [len(text.encode()) + 1 for text in texts]
        return np.add.reduceat(-np.log(chance), np.cumsum([0, *lengths[:-1]])) if texts else np.zeros(0)

    def next(self, context: bytes) -> Floats:
        """The probability of each of the 257 symbols after the first bytes of a text."""
        width = len(self.orders) - 1
        stream = [END] * width + list(context)
        chance = np.full(SYMBOLS, 1 / SYMBOLS)
        for k, order in enumerate(self.orders):
            number = 0
            for symbol in stream[len(stream) - k :]:
                number = number * SYMBOLS + symbol
            chance = _mix(order, number * SYMBOLS + np.arange(SYMBOLS, dtype=np.int64), chance)
        return chance


def bits_per_byte(nats: float, size: int) -> float:
    """Nats over `size` bytes as bits per byte."""
    return nats / float(np.log(2)) / size


def _stream(texts: Iterable[str], pad: int) -> tuple[Ints, NDArray[np.bool_]]:
    parts: list[Ints] = []
    seen: list[NDArray[np.bool_]] = []
    for text in texts:
        raw = np.frombuffer(text.encode(), np.uint8).astype(np.int64)
        parts += [np.full(pad, END, np.int64), raw, np.array([END], np.int64)]
        seen += [np.zeros(pad, bool), np.ones(len(raw) + 1, bool)]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, bool)
    return np.concatenate(parts), np.concatenate(seen)


def _grams(stream_S: Ints, context: int) -> Ints:
    gram_S = stream_S.copy()
    scale = SYMBOLS
    for back in range(1, context + 1):
        gram_S[back:] += stream_S[:-back] * scale
        scale *= SYMBOLS
    return gram_S


def _count(gram_S: Ints) -> Order:
    gram_U, count_U = np.unique(gram_S, return_counts=True)
    context_V, first_V, kinds_V = np.unique(gram_U // SYMBOLS, return_index=True, return_counts=True)
    total_V = np.add.reduceat(count_U, first_V) if len(first_V) else count_U
    return Order(gram_U, count_U, context_V, total_V, kinds_V)


def _mix(order: Order, gram: Ints, shorter: Floats) -> Floats:
    """One step of the interpolation, for n-grams and their chances under the shorter context; an unseen context changes nothing."""
    total = _look(order.context_V, order.total_V, gram // SYMBOLS)
    kinds = _look(order.context_V, order.kinds_V, gram // SYMBOLS)
    count = _look(order.gram_U, order.count_U, gram)
    return np.where(total > 0, (count + kinds * shorter) / np.maximum(total + kinds, 1), shorter)


def _look(known: Ints, value: Ints, asked: Ints) -> Ints:
    if not len(known):
        return np.zeros(len(asked), np.int64)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[place] == asked, value[place], 0)
