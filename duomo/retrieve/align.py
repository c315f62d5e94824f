"""Align: whether the tokens of a question and those of a passage find each other. Q, P = tokens of either, D = width, K = passages.

Late interaction (Khattab & Zaharia, "ColBERT", 2020) between what a model of sentence vectors makes of each token, with kernels of
similarity (Xiong et al., "K-NRM", 2017). Nothing is trained but one weight for each sign: `confidence.py` holds them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from duomo.retrieve.search import Search

READ = 4  # passages that are read beside the question
STRETCH, SHORTEST = 2, 8  # times the question's tokens, and tokens: how much of a passage is held to answer it
CENTRES, WIDTH = (-0.1, 0.1, 0.3, 0.5, 0.7, 0.9), 0.1  # of the kernels, in cosines
SIGNS = (
    *("found", "found least", "found worst", "mutual", "found near", "found near least", "told", "told least", "told worst"),
    *(f"about {centre}" for centre in CENTRES),
    "score",
)
Align = Callable[[str, Sequence[str]], NDArray[np.float32]]  # a question and K passages -> (K, signs but the score)


def signs(asked_QD: NDArray[np.float32], passage_PD: NDArray[np.float32]) -> list[float]:
    """How well two texts' tokens find each other, each given by vectors of length 1; all of SIGNS but the passage's score.

    The cosine with its nearest is taken of each of the question's tokens: in the whole passage, and in the stretch that fits the question
    best; and of each of that stretch's tokens. Least: the mean of the worst third. Mutual: the share that are each other's nearest.
    """
    cosine_QP = asked_QD @ passage_PD.T
    found_Q, told_P = cosine_QP.max(1), cosine_QP.max(0)
    here = stretch(told_P, max(SHORTEST, STRETCH * len(found_Q)))
    near_Q, told_P = cosine_QP[:, here].max(1), told_P[here]
    mutual_Q = cosine_QP.argmax(0)[cosine_QP.argmax(1)] == np.arange(len(found_Q))
    kernels = [np.log1p(np.exp(-((cosine_QP - centre) ** 2) / (2 * WIDTH**2)).sum(1)).mean() for centre in CENTRES]
    made = [found_Q.mean(), least(found_Q), found_Q.min(), mutual_Q.mean(), near_Q.mean(), least(near_Q)]
    return [float(one) for one in (*made, told_P.mean(), least(told_P), told_P.min(), *kernels)]


def least(cosine_T: NDArray[np.float32]) -> float:
    """The mean of the worst third."""
    return float(np.sort(cosine_T)[: max(1, len(cosine_T) // 3)].mean())


def stretch(told_P: NDArray[np.float32], most: int) -> slice:
    """The `most` tokens of a passage, side by side, with the highest mean."""
    sums = np.cumsum(np.concatenate([[0.0], told_P]))
    begin = int((sums[most:] - sums[:-most]).argmax()) if len(told_P) > most else 0
    return slice(begin, begin + most)


def read(found: Search, signs_KF: NDArray[np.float32], weights: Sequence[float]) -> Search:
    """The same find with the first K passages in the order in which their signs say that they answer, and with how that looks.

    A passage's score gains the chance that it is the right one of these. `weights`: of each of SIGNS.
    """
    count = len(signs_KF)
    if not count:
        return found
    worth_K = np.column_stack([signs_KF, found.scores_K[:count]]) @ np.array(weights)
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
