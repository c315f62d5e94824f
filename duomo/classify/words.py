"""Words: which n-grams stand in a text, as a table of those that training texts share, and what each says for each label.

N = texts, K = n-grams of all texts, V = n-grams of the table, L = labels. A unit is a word, a punctuation mark, or one sign of a script
that writes words without spaces; what stands in a text is its units, two of them in a row, three signs in a row, and pieces of words.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from duomo.retrieve.words import HAN

SPACELESS = rf"{HAN}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u31f0-\u31ff"  # Chinese, Japanese, Thai, Lao, Burmese, Khmer
UNITS = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]{{1,24}}(?:['’][^\W_{SPACELESS}]{{1,4}})?|[^\w\s]")  # longer words come in parts
LOOKED = 20_000  # characters of a text
PIECE = 4  # signs of a piece of a word
LEAST = 2  # texts that an n-gram must stand in
MOST = 200_000  # n-grams of a table
NUMBERS = 4_000_000  # of a table, over all labels: 16 MB
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """A table of n-grams, and what each adds to the logit of each label, once a text."""

    grams: tuple[str, ...]
    weight_VL: NDArray[np.float32]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(N, L)."""
        rows = [sorted(place for gram in grams(text) if (place := self.place.get(gram)) is not None) for text in texts]
        return Counted(*_flat(rows)).times(self.weight_VL)

    @cached_property
    def place(self) -> dict[str, int]:
        """Where an n-gram stands in the table."""
        return {gram: place for place, gram in enumerate(self.grams)}


@dataclass(frozen=True)
class Counted:
    """Which n-grams each text holds: a sparse binary matrix, row after row. `start_N`: where a row begins in `gram_K`."""

    gram_K: Integers
    start_N: Integers

    def times(self, weight_VL: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, L): the sum of the weights of each text's n-grams."""
        weight = torch.from_numpy(np.asarray(weight_VL, np.float32))  # single precision: forty times faster than double in this operation
        summed = F.embedding_bag(torch.from_numpy(self.gram_K), weight, torch.from_numpy(self.start_N), mode="sum")
        return summed.numpy().astype(np.float64)

    def turned(self, size: int) -> "Counted":
        """The texts of each of `size` n-grams."""
        lengths_N = np.diff(self.start_N, append=len(self.gram_K))
        text_K = np.repeat(np.arange(len(lengths_N)), lengths_N)[np.argsort(self.gram_K, kind="stable")]
        held_V = np.bincount(self.gram_K, minlength=size)
        return Counted(text_K, np.cumsum(held_V) - held_V)

    def only(self, chosen_N: NDArray[np.bool_]) -> "Counted":
        """Some of the texts."""
        lengths_N = np.diff(self.start_N, append=len(self.gram_K))
        return Counted(self.gram_K[np.repeat(chosen_N, lengths_N)], _starts(lengths_N[chosen_N]))


def grams(text: str) -> set[str]:
    """What stands in a text."""
    units = UNITS.findall(unicodedata.normalize("NFKC", text[:LOOKED]).casefold())
    pairs = {f"{one} {two}" for one, two in zip(units, units[1:], strict=False)}
    signs = zip(units, units[1:], units[2:], strict=False)
    triples = {f"{one} {two} {three}" for one, two, three in signs if len(one) == len(two) == len(three) == 1}
    marked = [f"^{word}$" for word in units if len(word) >= PIECE - 1]  # its edges tell a stem from an ending
    pieces = {f"~{word[place : place + PIECE]}" for word in marked for place in range(len(word) - PIECE + 1)}
    return {*units} | pairs | triples | pieces


def counted(texts: Sequence[str], labels: int) -> tuple[tuple[str, ...], Counted]:
    """The table of what several texts hold, the most frequent first, and which of it each text holds."""
    known = dict[str, int]()
    gram_K, start_N = _flat([[known.setdefault(gram, len(known)) for gram in grams(text)] for text in texts])
    names, held = list(known), np.bincount(gram_K, minlength=len(known))
    most = min(MOST, NUMBERS // labels)
    order = sorted(np.flatnonzero(held >= LEAST).tolist(), key=lambda place: (-held[place], names[place]))[:most]
    new = np.full(len(known), -1)
    new[order] = np.arange(len(order))
    place_K, lengths_N = new[gram_K], np.diff(start_N, append=len(gram_K))
    text_K = np.repeat(np.arange(len(texts)), lengths_N)
    sort_K = np.lexsort((place_K, text_K))  # sums do not depend on the order of a set
    place_K, text_K = place_K[sort_K], text_K[sort_K]
    kept = place_K >= 0
    return tuple(names[place] for place in order), Counted(place_K[kept], _starts(np.bincount(text_K[kept], minlength=len(texts))))


def ratios(held: Counted, size: int, target_NL: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V, L): how much likelier an n-gram is under a label than under the rest, as a logarithm; of counts with one added.

    Wang and Manning ("Baselines and Bigrams", 2012) for two labels; here each label against the others.
    """
    with_VL = held.turned(size).times(target_NL)
    own_VL, rest_VL = 1 + with_VL, 1 + with_VL.sum(1, keepdims=True) - with_VL
    return np.log(own_VL / own_VL.sum(0)) - np.log(rest_VL / rest_VL.sum(0))


def _flat(rows: Sequence[Sequence[int]]) -> tuple[Integers, Integers]:
    flat = np.fromiter((place for row in rows for place in row), np.int64)
    return flat, _starts(np.array([len(row) for row in rows], np.int64))


def _starts(lengths_N: Integers) -> Integers:
    return np.cumsum(lengths_N) - lengths_N
