"""Shots: the parts of a film of any length, each with one frame that shows it. H = rows, W = columns, C = channels, F = numbers.

A cut is a step that stands out of the steps around it. A fade is a mixture: what is between is a sum of what is before and what
is after (and of black or white); a pan is none, for it shows things that neither side has. Only a few seconds are ever held.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from duomo.modalities.pixels import LUMA
from duomo.modalities.video import Shot

RATE = 12.5  # frames a second that are looked at
REACH = 8  # frames on either side that a change is judged by
SMALL = (48, 27)  # columns and rows of what is compared
BINS = 4  # of each colour, in a histogram
STEP = 0.05  # the least distance that may be a cut; noise of coding stays below 0.02
OUTSTANDING = 2.5  # times the mean step around it
SUDDEN = 2.0  # times the step before it and the one after it: a fade has many as large, a flash two
FADE = 0.12  # the least distance of the sides of a fade
STRANGE = 0.35  # share of the difference of both sides that the frames between may have of their own
LONGEST = 40  # frames of a fade
NEW = 0.3  # distance from its key frame at which a long shot shows something new
SETTLED = 2.0  # seconds that a part lasts before something can be new
SURE = 1.0  # seconds that it stays new: longer than a change that is on its way
FLAT = 3.0  # grey levels of deviation below which a frame shows nothing: black, white
BETTER = 1.05  # a key frame gives way to one so many times as good


@dataclass(frozen=True)
class Look:
    """A frame that was looked at, (H, W, 3) uint8, seen from `second` on."""

    second: float
    pixels_HWC: np.ndarray

    @cached_property
    def small_F(self) -> np.ndarray:
        """Its colours, few: float32, 0 to 255. Of one length whatever the frame's."""
        from PIL import Image

        picture = Image.fromarray(np.ascontiguousarray(self.pixels_HWC))
        return np.asarray(picture.resize(SMALL, Image.Resampling.BOX, reducing_gap=2.0), np.float32).reshape(-1)

    @cached_property
    def grey_F(self) -> np.ndarray:
        """Its brightness, 0 to 255."""
        return (self.small_F.reshape(-1, 3) @ LUMA.astype(np.float32)) / 2**16

    @cached_property
    def tones_F(self) -> np.ndarray:
        """Its histogram of colours, of sum 1."""
        bins = (self.small_F.reshape(-1, 3) * (BINS / 256)).astype(np.int64) @ np.array([BINS * BINS, BINS, 1])
        return np.bincount(bins, minlength=BINS**3) / len(bins)

    @property
    def detail(self) -> float:
        """How much there is to see: the deviation of its grey levels."""
        return float(self.grey_F.std())


@dataclass(frozen=True)
class Segment:
    """A part of a film from `begin` to `end`, and the frame that shows it, of `second`. `change`: what it begins with."""

    begin: float
    end: float
    second: float
    pixels_HWC: np.ndarray
    change: str  # "begin", "cut", "fade" or "new": something new within a shot


def segments(frames: Iterable[Shot]) -> Iterator[Segment]:
    """The parts of a film, in order; one that is only black or white goes to the part that it leads to."""
    ticks = _Ticks()
    waiting: _Part | None = None
    done: Segment | None = None
    for look, change in changes(ticks.looks(frames)):
        if waiting is None:
            waiting = _Part(look.second, "begin")
        elif (change or waiting.outgrown(look)) and waiting.worth >= FLAT:
            if done is not None:
                yield done
            done, waiting = waiting.ended(look.second), _Part(look.second, change or "new")
        waiting.take(look)
    if waiting is not None and done is not None and waiting.worth < FLAT:  # it ends in black
        yield replace(done, end=ticks.end)
    elif waiting is not None:
        yield from (part for part in (done, waiting.ended(ticks.end)) if part is not None)


def changes(looks: Iterable[Look]) -> Iterator[tuple[Look, str]]:
    """Each frame and whether a new shot begins with it: "cut", "fade" or "". It comes a second or three late."""
    judge = _Judge()
    for look in looks:
        yield from judge.take(look)
    yield from judge.finish()


def distance(one: Look, other: Look) -> float:
    """0 to 1: half the difference of histograms, half that of the pixels (a third of the whole range counts as all)."""
    tones = 0.5 * float(np.abs(one.tones_F - other.tones_F).sum())
    pixels = min(1.0, float(np.abs(one.small_F - other.small_F).mean()) * 3 / 255)
    return (tones + pixels) / 2


def strangeness(middle: Look, before: Look, after: Look) -> float:
    """How much of `middle` is no sum of both sides and an even grey, against their difference."""
    sides_F3 = np.stack([before.grey_F, after.grey_F, np.full_like(before.grey_F, 255)], 1)
    share_3 = np.linalg.lstsq(sides_F3, middle.grey_F, rcond=None)[0]
    apart = float(np.linalg.norm(before.grey_F - after.grey_F)) / 2
    return float(np.linalg.norm(sides_F3 @ share_3 - middle.grey_F)) / max(apart, 1.0)


@dataclass
class _Ticks:
    """Picks the frames that are looked at, and knows when the film ends."""

    end: float = 0.0

    def looks(self, frames: Iterable[Shot]) -> Iterator[Look]:
        due = 0.0
        for end, show in frames:
            if self.end >= due - 1e-6:
                due = self.end + 1 / RATE
                yield Look(self.end, show())
            self.end = max(self.end, end)


@dataclass
class _Judge:
    """Holds the frames that a decision still needs, by their numbers."""

    held: dict[int, Look] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)  # the distance of each from the one before
    marks: dict[int, str] = field(default_factory=dict)
    last: int = -1
    released: int = 0
    fading: int | None = None  # where a fade began

    def take(self, look: Look) -> Iterator[tuple[Look, str]]:
        self.last += 1
        self.held[self.last] = look
        self.steps[self.last] = distance(self.held[self.last - 1], look) if self.last else 0.0
        yield from self._decide(self.last)

    def finish(self) -> Iterator[tuple[Look, str]]:
        for number in range(self.last + 1, self.last + 2 * REACH + 2):  # as if the last frame stood still
            yield from self._decide(number)

    def _decide(self, number: int) -> Iterator[tuple[Look, str]]:
        if self._cut(number - REACH):
            self.marks[number - REACH] = "cut"
        here = number - 2 * REACH  # all cuts around it are known
        if 0 < here <= self.last and self._mixed(here):
            self.fading = here if self.fading is None else self.fading
            if here - self.fading < LONGEST:
                return
        if self.fading is not None:
            self.marks[(self.fading + min(here, self.last)) // 2] = "fade"
            self.fading = None
        yield from self._release(min(here, self.last + 1))

    def _release(self, until: int) -> Iterator[tuple[Look, str]]:
        for number in range(self.released, until):
            yield self.held[number], self.marks.get(number, "")
        self.released = max(self.released, until)
        for number in [number for number in self.held if number < self.released - 2 * REACH]:
            del self.held[number], self.steps[number]
            self.marks.pop(number, None)

    def _cut(self, number: int) -> bool:
        step = self.steps.get(number, 0.0)
        if step < STEP:
            return False
        around = [self.steps.get(near, 0.0) for near in range(number - REACH, number + REACH + 1) if near != number]
        return step >= OUTSTANDING * sum(around) / len(around) and step >= SUDDEN * max(around[REACH - 1 : REACH + 1])

    def _mixed(self, number: int) -> bool:
        if any(near in self.marks for near in range(number - REACH, number + REACH + 1)):
            return False
        before, after = self._at(number - REACH), self._at(number + REACH)
        nearer = distance(self._at(number - REACH + 1), self._at(number + REACH - 1))  # else the last or first is a flash
        between = (self._at(number + step) for step in (-REACH // 2, 0, REACH // 2))
        return min(nearer, distance(before, after)) >= FADE and all(strangeness(one, before, after) < STRANGE for one in between)

    def _at(self, number: int) -> Look:
        return self.held[min(max(number, 0), self.last)]


@dataclass
class _Part:
    """A part that is not over yet, and its best frame so far: one that shows much and holds still."""

    begin: float
    change: str
    best: Look | None = None
    worth: float = 0.0
    before: Look | None = None
    strange: float | None = None  # since when all frames were far from the best

    def take(self, look: Look) -> None:
        moved = distance(self.before, look) if self.before else 0.0
        worth = look.detail * (1 - min(1.0, 5 * moved))
        if self.best is None or worth > BETTER * self.worth:
            self.best, self.worth = look, worth
        self.before = look
        if distance(self.best, look) < NEW:
            self.strange = None
        elif self.strange is None:
            self.strange = look.second

    def outgrown(self, look: Look) -> bool:
        return self.strange is not None and look.second - max(self.strange, self.begin + SETTLED - SURE) >= SURE

    def ended(self, second: float) -> Segment:
        assert self.best is not None
        return Segment(self.begin, second, self.best.second, self.best.pixels_HWC, self.change)
