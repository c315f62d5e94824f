"""Answer: the sentence of a file that answers a question, quoted; or nothing, where no file does. K = passages, S = sentences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from duomo.retrieve.compare import READ, Compare, read
from duomo.retrieve.confidence import ACROSS, NAME, NAMED, PHRASE, Calibration, calibration
from duomo.retrieve.cut import sentences
from duomo.retrieve.passage import ROW, Passage
from duomo.retrieve.search import Search, search
from duomo.retrieve.shelf import Embed, Shelf
from duomo.retrieve.words import Words, is_chinese, is_question

LOOKED = 5  # passages whose sentences are compared
MOST_SENTENCES = 60
AT_ONCE, AHEAD = 4, 2000  # passages whose sentences are read ahead between two looks; in all: of more they are read when they are asked for
ASKS = ("?", "？")


@dataclass(frozen=True)
class Quote:
    """A sentence as it stands in a file. `begin`: its first character in the passage's text."""

    text: str
    passage: Passage
    begin: int
    score: float

    @property
    def where(self) -> str:
        """`hours.md, line 12`."""
        return self.passage.where(self.begin)


@dataclass(frozen=True)
class Answer:
    """What the files say, best first; no quotes where they do not answer. `nearest`: what came closest, whatever it is worth."""

    question: str
    quotes: tuple[Quote, ...]
    confidence: float  # 0 to 1: how often such a find was right where this was calibrated
    nearest: tuple[Quote, ...] = ()

    @property
    def text(self) -> str:
        """The best quote; "" where nothing answers."""
        return self.quotes[0].text if self.quotes else ""


@dataclass(frozen=True)
class Reader:
    """An index with what reads questions: `words`; where it has vectors, `ask` and `embed`, which give questions and sentences theirs.

    `compare`: reads a question beside passages, where that was learned for this model.
    """

    shelf: Shelf
    words: Words
    ask: Embed | None = None
    embed: Embed | None = None
    compare: Compare | None = None

    @property
    def by_vectors(self) -> bool:
        """Whether meaning counts: all vectors are there, and what reads questions is."""
        return self.ask is not None and self.shelf.complete

    @property
    def share(self) -> float:
        """How much vectors count."""
        return calibration(self.shelf.model).share if self.by_vectors else 0.0

    def find(self, question: str, top: int = 10) -> Search:
        """The passages nearest to a question."""
        if not question.strip():
            raise ValueError('ask something, as in `duomo answer "when does it open?" --in INDEX`')
        query_D = self.ask([question])[0] if self.ask is not None and self.by_vectors else None
        return search(self.shelf, self.words(question), query_D, top, self.share)

    def answer(self, question: str, top: int = 3) -> Answer:
        """The `top` sentences that answer a question, quoted, or none where the files do not answer it."""
        found = self.find(question)
        kind = self._kind(question, found)
        longest = max((len(self.shelf.passages[row].whole) for row in found.rows_K[:READ]), default=0)
        judge = calibration(self.shelf.model if self.by_vectors else "", kind, self.compare is not None, longest)
        found = self._beside(question, found, judge)
        sure, quotes = judge.confidence(found), tuple(self.quotes(question, found)[:top])
        return Answer(question, quotes if sure >= judge.threshold else (), sure, quotes)

    def _beside(self, question: str, found: Search, judge: Calibration) -> Search:
        """The find after its first passages were read beside the question, where the judge weighs what that shows."""
        if self.compare is None or not judge.reads or not found.rows_K:
            return found
        texts = [self.shelf.passages[row].whole for row in found.rows_K[:READ]]
        return read(found, self.compare(question, texts, found.scores_K[: len(texts)]))

    def _kind(self, question: str, found: Search) -> str:
        """By which weights a find is judged."""
        if self._across(question, found):
            return ACROSS
        if not is_question(question):
            return PHRASE
        return NAME if found.asked <= NAMED else ""

    def _across(self, question: str, found: Search) -> bool:
        """Whether question and find are in scripts that share no word."""
        passage = self.shelf.passages[found.rows_K[0]].text if found.rows_K else question
        return is_chinese(question) != is_chinese(passage)

    def quotes(self, question: str, found: Search) -> list[Quote]:
        """Sentences of the first passages that were found, best first."""
        close = [(row, score) for row, score in zip(found.rows_K[:LOOKED], found.scores_K, strict=False) if score > 0]
        held = [
            Quote(passage.text[begin:end], passage, begin, score)
            for row, score in close
            for passage in (self.shelf.passages[row],)
            for begin, end in units(passage)
        ][:MOST_SENTENCES]
        if not held:
            return []
        worth_S = self._worth(question, held)
        order = sorted(range(len(held)), key=lambda place: -(held[place].score + worth_S[place]))
        return [held[place] for place in order]

    def ahead(self) -> Iterator[int]:
        """Reads the sentences of a small shelf, so that no question waits for it where `embed` is a `Memory`; gives how many so far."""
        read, passages = 0, self.shelf.passages
        small = self.embed is not None and self.by_vectors and len(passages) <= AHEAD
        for first in range(0, len(passages) if small else 0, AT_ONCE):
            some = passages[first : first + AT_ONCE]
            texts = [under_head(passage, passage.text[begin:end]) for passage in some for begin, end in units(passage)]
            if texts and self.embed is not None:
                self.embed(texts)
            read += len(texts)
            yield read

    def _worth(self, question: str, quotes: Sequence[Quote]) -> list[float]:
        """How near each sentence is to the question, heading included."""
        asked = {word: self.shelf.words.rarity(word) for word in set(self.words(question))}
        texts = [under_head(quote.passage, quote.text) for quote in quotes]
        all_told = max(sum(asked.values()), 1e-9)
        shared = [sum(asked[word] for word in asked.keys() & set(self.words(text))) / all_told for text in texts]
        if self.ask is None or self.embed is None or not self.by_vectors:
            return shared
        cosine_S = np.asarray(self.embed(texts) @ self.ask([question])[0])
        share = self.share
        return [share * float(cosine) + (1 - share) * one for cosine, one in zip(cosine_S, shared, strict=True)]


def under_head(passage: Passage, text: str) -> str:
    """What is compared of a sentence: itself under its passage's heading."""
    return f"{passage.head}\n{text}" if passage.head else text


def units(passage: Passage) -> list[tuple[int, int]]:
    """What can be quoted: a sentence; a question with the sentence after it; of a table the whole row."""
    if passage.place == ROW:
        return [(0, len(passage.text))]
    found, asked = list[tuple[int, int]](), None
    for begin, end in sentences(passage.text):
        begin = begin if asked is None else asked
        asked = begin if passage.text[begin:end].endswith(ASKS) else None
        if asked is None:
            found.append((begin, end))
    return found if asked is None else [*found, (asked, len(passage.text))]
