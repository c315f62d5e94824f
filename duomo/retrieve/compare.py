"""Compare: whether a passage answers a question, judged token by token by a small network.

Q, P = tokens of either, A, B = of one and of the other, D, E, H = widths, K = passages.

Each token meets what it finds in the other text, by soft attention; both are compared, and all that comes of it is pooled (Parikh et al.,
"A Decomposable Attention Model", 2016; Wang & Jiang, "A Compare-Aggregate Model", 2017). The tokens are vectors of e5, half-way up, which
stay as they are: what is learned are a few ten thousand weights, by `benchmarks/comparing.py`, from questions whose passages are known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from duomo.retrieve.search import Search

READ = 6  # passages that are read beside the question
WEIGHTS = Path(__file__).with_name("compare.safetensors")
USUAL, SCALE = 0.8, 10.0  # of a passage's score, and what of it counts: so that the network sees numbers near 1
Vectors = NDArray[np.float32]
Compare = Callable[[str, Sequence[str], Sequence[float]], Vectors]  # a question, K passages and their scores -> (K,)


@dataclass(frozen=True)
class Comparer:
    """The network, by its weights; each has a bias of its own.

    project (E, D): of a token, before two are compared; sharp: how much attention prefers the nearest; meet (H, 3E + 2): a token and what
    it found; judge, last: all that was pooled, to one number.
    """

    weights: Mapping[str, Vectors]

    def worth(self, asked_QD: Vectors, passages: Sequence[Vectors], scores: Sequence[float]) -> Vectors:
        """(K,): how much each passage (P, D) seems to answer, in nats; tokens are of length 1, scores those of the search."""
        if not passages:
            return np.zeros(0, np.float32)
        context_K2 = context(scores)
        return np.array([self._one(asked_QD, passage_PD, two) for passage_PD, two in zip(passages, context_K2, strict=True)], np.float32)

    def _one(self, asked_QD: Vectors, passage_PD: Vectors, context_2: Vectors) -> float:
        cosine_QP = asked_QD @ passage_PD.T
        asked_QE, passage_PE = (self._linear("project", tokens) for tokens in (asked_QD, passage_PD))
        sides = (self._side(asked_QE, passage_PE, cosine_QP), self._side(passage_PE, asked_QE, cosine_QP.T))
        near = np.array([sides[0][1], sides[1][1], sides[0][2], sides[1][2]], np.float32) * 5
        seen = np.concatenate([sides[0][0], sides[1][0], near, context_2])
        return float(self._linear("last", np.maximum(self._linear("judge", seen), 0))[0])

    def _side(self, here_AE: Vectors, there_BE: Vectors, cosine_AB: Vectors) -> tuple[Vectors, float, float]:
        """What the tokens of one text make of the other's (2H,), and how near the nearest is: in the mean, and for the worst."""
        exp_AB = np.exp((cosine_AB - cosine_AB.max(1, keepdims=True)) * self.weights["sharp"])
        chance_AB = exp_AB / exp_AB.sum(1, keepdims=True)
        found_AE, near_A = chance_AB @ there_BE, cosine_AB.max(1)
        told = [here_AE * found_AE, np.abs(here_AE - found_AE), here_AE, near_A[:, None], (chance_AB * cosine_AB).sum(1, keepdims=True)]
        met_AH = np.maximum(self._linear("meet", np.concatenate(told, 1)), 0)
        return np.concatenate([met_AH.mean(0), met_AH.max(0)]), float(near_A.mean()), float(near_A.min())

    def _linear(self, name: str, seen: Vectors) -> Vectors:
        made: Vectors = seen @ self.weights[name].T + self.weights[f"{name} bias"]
        return made


def context(scores: Sequence[float]) -> Vectors:
    """(K, 2): what the network sees of the passages' scores."""
    known_K = np.array(scores, np.float32)
    return np.stack([(known_K - USUAL) * SCALE, (known_K - known_K.mean()) * 2 * SCALE], -1)


@cache
def comparer() -> Comparer:
    """The network whose weights are beside this file; opened once."""
    return Comparer({name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()})


def read(found: Search, worth_K: Vectors) -> Search:
    """The same find with the first K passages in the order of their worth, and with how that looks.

    A passage's score gains the chance that it is the right one of these.
    """
    count = len(worth_K)
    if not count:
        return found
    order = [int(place) for place in np.argsort(-worth_K, kind="stable")]
    best_K = worth_K[order]
    chance_K = np.exp(best_K - best_K[0])
    chance_K /= chance_K.sum()
    return replace(
        found,
        rows_K=(*(found.rows_K[place] for place in order), *found.rows_K[count:]),
        scores_K=(*(found.scores_K[place] + float(one) for place, one in zip(order, chance_K, strict=True)), *found.scores_K[count:]),
        read=float(best_K[0]),
        lead=float(best_K[0] - best_K[1]) if count > 1 else 0.0,
        above=float(best_K[0] - best_K[1:].mean()) if count > 1 else 0.0,
        first=float(worth_K[0]),
    )
