"""The desk of the tour: its shelf as it stands now, asked by meaning over what has its vectors, by words over all."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from duomo.commands.tour_files import FILES
from duomo.page.events import Answered
from duomo.retrieve.answer import Answer, Reader
from duomo.retrieve.memory import Memory
from duomo.retrieve.passage import SECOND, Passage
from duomo.retrieve.shelf import Shelf, build
from duomo.retrieve.words import SAY_NOTHING, Words, searcher

if TYPE_CHECKING:
    from duomo.vectors import Embedder

NAME = "tour"
SHELF = Path("shelves") / NAME  # where `duomo answer --in tour` looks
WORDS, MEANING = "by words", "by meaning"


@dataclass(eq=False)
class Desk:
    """The shelf as it stands now; it may be asked from another thread while it grows."""

    folder: Path
    shelf: Shelf | None = None
    maker: "Embedder | None" = None
    words: Words = field(default_factory=lambda: searcher(SAY_NOTHING), repr=False)
    _reads: tuple[Memory, Memory] | None = field(default=None, repr=False)  # what embeds questions, and sentences

    @property
    def sample(self) -> bool:
        """Whether it is the tour's own folder."""
        return self.folder == FILES

    def answer(self, question: str) -> Answered:
        """What the shelf says, by meaning over what has its vectors, else by words over all. Raises ValueError for an empty question."""
        if self.shelf is None:
            raise ValueError("the shelf is still empty; wait until the words are in")
        if self.maker is not None and (some := _with_vectors(self.shelf)) is not None:
            found = self._reader(some).answer(question)
            if found.quotes or some is self.shelf:
                return self._told(found, MEANING)
        return self._told(Reader(replace(self.shelf, vectors_ND=None), self.words).answer(question), WORDS)

    def ahead(self) -> Iterator[int]:
        """Reads all sentences, so that no question waits for one; gives how many so far. Nothing before all vectors are made."""
        if self.shelf is not None and self.maker is not None and self.shelf.complete:
            yield from self._reader(self.shelf).ahead()

    def reads(self) -> tuple[Memory, Memory]:
        """What embeds questions, and what embeds sentences; each remembers them. Raises ValueError where vectors are not made here."""
        from duomo.commands.shelf import reading

        if self.maker is None:
            raise ValueError("nothing here tells what words mean; `duomo fetch e5` gets it")
        if self._reads is None:
            self._reads = reading(self.maker)
        return self._reads

    def _reader(self, shelf: Shelf) -> Reader:
        return Reader(shelf, self.words, *self.reads())

    def _told(self, found: Answer, by: str) -> Answered:
        if not found.quotes:
            return Answered(found.question, "", confidence=found.confidence, by=by)
        quote = found.quotes[0]
        return place_of_quote(self.folder, found.question, quote.passage, quote.begin, quote.text, found.confidence, by)


def place_of_quote(
    folder: Path, question: str, passage: Passage, begin: int, text: str, confidence: float, by: str
) -> Answered:  # fmt: skip
    """An answer that is quoted from a passage, with the file, and of sound the second to play it from."""
    second = passage.at(begin) if passage.place == SECOND else None
    return Answered(question, text, passage.where(begin), folder / passage.file, second, confidence, by)


def _with_vectors(shelf: Shelf) -> Shelf | None:
    """The part of a shelf whose vectors are made; None where there is none yet."""
    if shelf.complete:
        return shelf
    missing = set(map(int, shelf.missing))
    held = [passage for row, passage in enumerate(shelf.passages) if row not in missing]
    if not held:
        return None
    return build(shelf.folder, shelf.model, shelf.files, held, searcher(), shelf)
