"""Summary: the sentences of a text that stand for it best, as they stand in it. S = sentences, T = terms, D = width.

A sentence counts that is like many others, which count themselves (LexRank: Erkan & Radev 2004), and one that comes early (Edmundson
1969); none is taken that says what is said already (maximal marginal relevance: Carbonell & Goldstein 1998).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duomo.retrieve.bm25 import postings
from duomo.retrieve.cut import Span, pieces, sentences
from duomo.retrieve.words import RUNS, SAY_NOTHING, SIGN

EARLY = 0.5  # how much the place counts against likeness; of 0 to 0.7, on headings and descriptions that no figure is measured on
FRESH = 0.5  # how much likeness to what was taken is held against a sentence
MOST = 40_000  # sentences that are compared at all: as many as 5 MB usually hold
PART = 250  # sentences that are compared with one another; a longer text is first reduced part by part
KEPT = PART // 10  # that stay of each of many parts
READ = 100  # sentences that get vectors, which cost a hundred times what words cost
NARROW = 16  # columns: what is shorter is a heading, a date or a label
LONGEST = 1_000  # characters: what has no stop for longer is cut
CUT = 400  # bytes of the pieces that it is cut into
DAMPING, STEPS = 0.85, 50
Scores = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Scores]  # texts to their vectors, (N, D), each of length 1 or 0


@dataclass(frozen=True, order=True)
class Chosen:
    """A sentence at [begin, end) of its text. `score`: 0 to 1, how well it stands for the text."""

    begin: int
    end: int
    score: float


def summarise(text: str, count: int, embed: Embed | None = None) -> list[Chosen]:
    """The `count` sentences that stand for a text best, in its order; all of them where there are no more.

    They are compared by their words, or by vectors where `embed` makes them. Raises ValueError for a count below 1 or above 100.
    """
    return among(text, candidates(text, count), count, embed)


def among(text: str, spans: Sequence[Span], count: int, embed: Embed | None = None) -> list[Chosen]:
    """The same of sentences that `candidates` found."""
    if not 1 <= count <= READ:
        raise ValueError(f"a summary has 1 to {READ} sentences, not {count}")
    rows = np.arange(len(spans))
    while len(rows) > PART:
        parts = np.array_split(rows, -(-len(rows) // PART))
        kept = max(KEPT, PART // len(parts), count)
        rows = np.concatenate([best(text, spans, part, kept)[0] for part in parts])
    if embed is not None and len(rows) > READ:
        rows = best(text, spans, rows, READ)[0]
    taken, scores = best(text, spans, rows, count, embed)
    return [Chosen(spans[row][0], spans[row][1], float(score)) for row, score in zip(taken, scores, strict=True)]


def best(
    text: str, spans: Sequence[Span], rows: NDArray[np.int64], count: int, embed: Embed | None = None
) -> tuple[NDArray[np.int64], Scores]:
    """The `count` rows among `rows` that stand for all of them, in order, and their scores."""
    held = [text[begin:end] for begin, end in (spans[row] for row in rows)]
    alike_SS = by_words(held) if embed is None else by_vectors(embed(held))
    central_S = centrality(alike_SS)
    scores_S = (1 - EARLY) * central_S / max(central_S.max(initial=0.0), 1e-9) + EARLY / (1 + rows) ** 2
    taken = sorted(apart(scores_S, alike_SS, count))
    return rows[taken], scores_S[taken]


def candidates(text: str, count: int = 1) -> list[Span]:
    """What can be quoted: each sentence once, those without a stop in pieces; headings and labels where little else is there.

    Of more than MOST sentences every second, every third or so.
    """
    seen, found = set[str](), list[Span]()
    for begin, end in _bounded(text):
        bare = " ".join(text[begin:end].casefold().split())
        if bare not in seen:  # what stands on every page of a document is said once
            seen.add(bare)
            found.append((begin, end))
    wide = [(begin, end) for begin, end in found if _columns(text[begin:end]) >= NARROW]
    kept = wide if len(wide) >= count else found
    return kept[:: -(-len(kept) // MOST) or 1]


def by_words(texts: Sequence[str]) -> Scores:
    """(S, S): the cosine of every two texts by their words, each by how often it is there and how rare it is."""
    held = postings([terms(text) for text in texts])
    term_P = np.repeat(np.arange(len(held.terms)), np.diff(held.starts_T))
    weights_ST = np.zeros((len(texts), len(held.terms)), np.float32)
    weights_ST[held.rows_P, term_P] = held.counts_P * held.rarities_T[term_P]
    weights_ST /= np.maximum(np.linalg.norm(weights_ST, axis=1, keepdims=True), 1e-9)
    return weights_ST @ weights_ST.T


def by_vectors(vectors_SD: Scores) -> Scores:
    """(S, S): by how much the cosine of every two vectors is above what is usual between them, 0 to 1."""
    cosine_SS = vectors_SD @ vectors_SD.T
    count = len(cosine_SS)
    usual = float(cosine_SS.sum() - np.trace(cosine_SS)) / max(1, count * (count - 1))
    return np.clip((cosine_SS - usual) / max(1 - usual, 1e-6), 0, 1)


def centrality(alike_SS: Scores) -> Scores:
    """(S,): how often one comes by each sentence who walks on and on to another that is like it, sometimes to any; they add up to 1."""
    count = len(alike_SS)
    links_SS = np.where(np.eye(count, dtype=bool), 0, alike_SS)  # with links to themselves, those that are like no other count too much
    total_S1 = links_SS.sum(1, keepdims=True)
    step_SS = np.where(total_S1 > 0, links_SS / np.maximum(total_S1, 1e-9), 1 / max(1, count))
    central_S = np.full(count, 1 / max(1, count), np.float32)
    for _ in range(STEPS):
        central_S = (1 - DAMPING) / max(1, count) + DAMPING * (central_S @ step_SS)
    return central_S


def apart(scores_S: Scores, alike_SS: Scores, count: int) -> list[int]:
    """`count` rows, best first: of high score, and unlike those before."""
    taken, like_S = list[int](), np.zeros(len(scores_S), np.float32)
    for _ in range(min(count, len(scores_S))):
        worth_S = (1 - FRESH) * scores_S - FRESH * like_S
        worth_S[taken] = -np.inf
        taken.append(int(worth_S.argmax()))
        like_S = np.maximum(like_S, alike_SS[taken[-1]])
    return taken


def terms(text: str) -> list[str]:
    """The words of a text that say something; of Chinese every two characters side by side, which needs no list of words."""
    found = list[str]()
    for run in RUNS.findall(text.casefold()):
        if SIGN.match(run):
            found += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
        elif run not in SAY_NOTHING:
            found.append(run)
    return found


def _bounded(text: str) -> Iterator[Span]:
    for begin, end in sentences(text):
        if end - begin <= LONGEST:
            yield begin, end
        else:
            yield from ((begin + a, begin + b) for a, b in pieces(text[begin:end], CUT))


def _columns(text: str) -> int:
    return len(text) + len(SIGN.findall(text))
