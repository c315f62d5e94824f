"""Transcript: recordings of any length, heard window by window. L = samples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from duomo.generate.listen import Heard, Listener
from duomo.generate.script import spans
from duomo.modalities.audio import RATE

REST = 0.1  # seconds: what is left of a recording and shorter is not heard
Blocks = Iterable[np.ndarray]  # of sound at 16 kHz, one after the other


@dataclass(frozen=True)
class Piece:
    """What was said between two times, in seconds. `nats`: mean log-probability of its window's tokens, where it is known."""

    begin: float
    end: float
    text: str
    nats: float | None = None


@dataclass(frozen=True)
class Passage:
    """What one window said, by times from its own beginning, and where the next one begins."""

    pieces: tuple[Piece, ...]
    advance: float
    language: str = ""
    tries: int = 1


Hear = Callable[[Sequence[np.ndarray], Sequence[str | None]], list[Passage]]  # windows and their languages, None: to be found


@dataclass(frozen=True)
class Transcript:
    """All that a recording says. `fault`: why it could not be read to its end."""

    pieces: tuple[Piece, ...] = ()
    language: str = ""
    seconds: float = 0.0
    retried: int = 0  # windows whose first text would not do
    fault: str = ""

    @property
    def text(self) -> str:
        """The pieces as one text."""
        return "".join(piece.text for piece in self.pieces).strip()


@dataclass(eq=False)
class Tape:
    """A recording of which only the window is held that is heard now."""

    blocks: Iterator[np.ndarray]
    number: int
    so_far: Transcript = Transcript()
    held_L: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def window(self, seconds: float) -> np.ndarray:
        """The next samples, at most so many; fewer where the recording ends. A damaged one ends where its damage begins, with its fault."""
        most = round(seconds * RATE)
        try:
            while len(self.held_L) < most and (block_L := next(self.blocks, None)) is not None:
                self.held_L = np.concatenate([self.held_L, block_L])
        except ValueError as error:
            self.so_far, self.blocks = replace(self.so_far, fault=str(error)), iter(())
        return self.held_L[:most]

    def over(self, window_L: np.ndarray) -> bool:
        """Whether the recording has ended: nothing is left, or less than a word."""
        return not len(window_L) or (self.so_far.seconds > 0 and len(window_L) < REST * RATE)

    def add(self, passage: Passage) -> float:
        """Takes up what a window said and goes on to the next; gives the seconds gone."""
        here = self.so_far.seconds
        moved = (replace(piece, begin=here + piece.begin, end=here + piece.end) for piece in passage.pieces)
        count = min(max(1, round(passage.advance * RATE)), len(self.held_L))
        self.held_L = self.held_L[count:]
        self.so_far = replace(
            self.so_far,
            pieces=(*self.so_far.pieces, *moved),
            language=self.so_far.language or (passage.language if passage.pieces else ""),
            seconds=here + count / RATE,
            retried=self.so_far.retried + (passage.tries > 1),
        )
        return count / RATE


def transcribe(
    recordings: Sequence[Blocks], hear: Hear, longest: float, language: str | None = None, batch: int = 4,
    tell: Callable[[float], None] = lambda seconds: None,
) -> Iterator[tuple[int, Transcript]]:  # fmt: skip
    """Yields (number, transcript) of each recording as soon as it is done; windows of up to `batch` recordings are heard at once.

    `longest`: seconds of a window. `language` None: each recording's is found in the first window that says anything. `tell`
    gets the seconds gone.
    """
    waiting = (Tape(iter(blocks), number, Transcript(language=language or "")) for number, blocks in enumerate(recordings))
    playing: list[Tape] = []
    while True:
        playing += islice(waiting, batch - len(playing))
        if not playing:
            return
        windows = {tape: tape.window(longest) for tape in playing}
        done = [tape for tape, window_L in windows.items() if tape.over(window_L)]
        yield from ((tape.number, tape.so_far) for tape in done)
        playing = [tape for tape in playing if tape not in done]
        if playing:
            passages = hear([windows[tape] for tape in playing], [tape.so_far.language or None for tape in playing])
            for tape, passage in zip(playing, passages, strict=True):
                tell(tape.add(passage))


def whisper(listener: Listener, translate: bool = False) -> Hear:
    """Hears by a Whisper, which says when things are said."""

    def hear(windows: Sequence[np.ndarray], spoken: Sequence[str | None]) -> list[Passage]:
        heard = listener.hear(windows, spoken, translate)
        return [_passage(listener, one, len(window) / RATE) for one, window in zip(heard, windows, strict=True)]

    return hear


def _passage(listener: Listener, heard: Heard, seconds: float) -> Passage:
    found, advance = spans(heard.ids, listener.script, seconds)
    pieces = tuple(Piece(span.begin, span.end, listener.tokenizer.decode(span.ids), heard.nats) for span in found)
    return Passage(tuple(piece for piece in pieces if piece.text.strip()), advance, heard.language, heard.tries)
