"""Search: the passages that answer a question, by words and by vectors together. N = passages, D = width, K = found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duomo.retrieve.bm25 import K1, Postings
from duomo.retrieve.shelf import Shelf

PLAIN = ("cosine", "apart", "covered", "matched")  # what is seen of every find
LOOKS = (*PLAIN, "crowded", "asked", "told", "read", "lead", "above", "first")
AWAY = 10  # passages after the first that it is compared with
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Search:
    """What was found, best first, and how it looks: what `confidence` judges by.

    `cosine`: of the best passage by vectors; `apart`: by how much it is nearer than the next ten are; `covered`: the share of the
    question's words, by what they tell, that the best passage holds; `matched`: BM25 of the best by words, as a share of the most;
    `crowded`: how near the best passage's own next ten are to it; `asked`: the question's words, and `told` how much these tell. Of the
    first passages as `compare` reads them: `read`: what the best is worth, `lead`: how much more than the second, `above`: than all
    others, `first`: what the one is worth that was found first.
    """

    rows_K: tuple[int, ...]
    scores_K: tuple[float, ...]
    cosine: float = 0.0
    apart: float = 0.0
    covered: float = 0.0
    matched: float = 0.0
    crowded: float = 0.0
    asked: float = 0.0
    told: float = 0.0
    read: float = 0.0
    lead: float = 0.0
    above: float = 0.0
    first: float = 0.0


def search(shelf: Shelf, words: Sequence[str], query_D: Scores | None, top: int, share: float) -> Search:
    """The `top` passages for a question given as its words and, where the index has vectors, as its own.

    `share`: how much the vectors count, 0 to 1.
    """
    if not shelf.passages:
        return Search((), ())
    cosine_N = shelf.vectors_ND @ query_D if query_D is not None and shelf.vectors_ND is not None else None
    return judged(shelf.words, words, matches(shelf.words, words), cosine_N, top, share, shelf.vectors_ND)


def judged(
    postings: Postings, words: Sequence[str], matched_N: Scores, cosine_N: Scores | None, top: int, share: float,
    vectors_ND: Scores | None = None,
) -> Search:  # fmt: skip
    """The `top` passages by both scores, and how the find looks; with `vectors_ND` also how crowded it is there."""
    fused_N = fuse(matched_N, cosine_N, share)
    rows_K = best(fused_N, top)
    looks = {"covered": coverage(postings, words, int(rows_K[0])), "matched": float(matched_N.max())}
    looks |= {"asked": float(len(words)), "told": sum(postings.rarity(word) for word in set(words))}
    if cosine_N is not None:
        near = np.sort(cosine_N[best(cosine_N, AWAY + 1)])[::-1]
        looks |= {"cosine": float(near[0]), "apart": float(near[0] - near[1:].mean()) if len(near) > 1 else 0.0}
    if cosine_N is not None and vectors_ND is not None:
        looks["crowded"] = crowding(vectors_ND, int(rows_K[0]))
    return Search(tuple(map(int, rows_K)), tuple(float(fused_N[row]) for row in rows_K), **looks)


def matches(postings: Postings, words: Sequence[str]) -> Scores:
    """(N,): BM25 as a share of the most that these words can reach; 0 where no word is shared."""
    most = (K1 + 1) * sum(postings.rarity(word) for word in set(words))
    return postings.scores(words) / max(most, 1e-9)


def fuse(matched_N: Scores, cosine_N: Scores | None, share: float) -> Scores:
    """One score of both: a weighted sum. Both are absolute, so that a word that is found nowhere counts as little as it should."""
    return matched_N if cosine_N is None else (1 - share) * matched_N + share * cosine_N


def best(scores_N: Scores, top: int) -> NDArray[np.int64]:
    """(K,): the rows of the highest scores, best first."""
    top = min(top, len(scores_N))
    rows = np.argpartition(-scores_N, top - 1)[:top]
    return rows[np.argsort(-scores_N[rows], kind="stable")]


def coverage(postings: Postings, words: Sequence[str], row: int) -> float:
    """The share of a question's words that a passage holds, each by how much it tells."""
    told = {word: postings.rarity(word) for word in set(words)}
    held = {word for word in told if word in postings.terms and _holds(postings, postings.terms[word], row)}
    return sum(told[word] for word in held) / max(sum(told.values()), 1e-9)


def crowding(vectors_ND: Scores, row: int) -> float:
    """The mean cosine of a passage with the ten that are nearest to it; 0 where it stands alone."""
    near_N = vectors_ND @ vectors_ND[row]
    near_N[row] = -1
    near = near_N[best(near_N, AWAY)]
    return float(near[near > -1].mean()) if (near > -1).any() else 0.0


def _holds(postings: Postings, term: int, row: int) -> bool:
    held = postings.rows_P[postings.starts_T[term] : postings.starts_T[term + 1]]
    place = int(np.searchsorted(held, row))  # rows stand in order under a term
    return place < len(held) and int(held[place]) == row
