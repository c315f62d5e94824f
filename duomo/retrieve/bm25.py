"""BM25: passages by the words they share with a question (Robertson & Zaragoza 2009). N = passages, T = terms, P = pairs of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

K1, B = 1.2, 0.75  # how soon a repeated word adds no more; how much a long passage is held against it


@dataclass(frozen=True)
class Postings:
    """For each term the passages that hold it, and how often: term t's are `rows_P[starts_T[t] : starts_T[t + 1]]`."""

    terms: Mapping[str, int]
    starts_T: NDArray[np.int64]  # one more than terms
    rows_P: NDArray[np.int32]
    counts_P: NDArray[np.int32]
    lengths_N: NDArray[np.int32]  # words of a passage

    def scores(self, question: Sequence[str]) -> NDArray[np.float32]:
        """(N,): the weights of the question's words in each passage, added up."""
        scores_N = np.zeros(len(self.lengths_N), np.float32)
        for term in {self.terms[word] for word in question if word in self.terms}:
            held = slice(self.starts_T[term], self.starts_T[term + 1])
            scores_N[self.rows_P[held]] += self.weights_P[held]  # a passage stands once under a term
        return scores_N

    def rarity(self, word: str) -> float:
        """How much a word tells (inverse document frequency); the most for one that no passage holds."""
        term = self.terms.get(word)
        return float(self.rarities_T[term]) if term is not None else float(np.log1p(len(self.lengths_N) * 2 + 1))

    @cached_property
    def rarities_T(self) -> NDArray[np.float32]:
        """ln(1 + (N - n + 1/2) / (n + 1/2)), n passages of N holding the term."""
        held_T = np.diff(self.starts_T)
        return np.log1p((len(self.lengths_N) - held_T + 0.5) / (held_T + 0.5)).astype(np.float32)

    @cached_property
    def weights_P(self) -> NDArray[np.float32]:
        """What a term adds to a passage's score."""
        usual = max(float(self.lengths_N.mean()), 1.0) if len(self.lengths_N) else 1.0
        damped_P = K1 * (1 - B + B * self.lengths_N[self.rows_P] / usual)
        rarities_P = np.repeat(self.rarities_T, np.diff(self.starts_T))
        return (rarities_P * self.counts_P * (K1 + 1) / (self.counts_P + damped_P)).astype(np.float32)


def postings(passages: Iterable[Sequence[str]]) -> Postings:
    """The postings of passages given as their words."""
    terms, lengths = dict[str, int](), list[int]()
    held = list[NDArray[np.int64]]()
    for words in passages:
        held.append(np.fromiter((terms.setdefault(word, len(terms)) for word in words), np.int64, len(words)))
        lengths.append(len(words))
    lengths_N = np.array(lengths, np.int32)
    rows_W = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths_N)  # W: all words, as they stand
    pairs_W = (np.concatenate(held) if held else np.zeros(0, np.int64)) * max(1, len(lengths)) + rows_W
    pairs_P, counts_P = np.unique(pairs_W, return_counts=True)
    term_P, rows_P = np.divmod(pairs_P, max(1, len(lengths)))
    starts_T = np.searchsorted(term_P, np.arange(len(terms) + 1)).astype(np.int64)
    return Postings(terms, starts_T, rows_P.astype(np.int32), counts_P.astype(np.int32), lengths_N)
