"""duomo demo, the tour: ask the shelf, then teach it. Each act yields events; here they follow each other on a terminal."""

import signal
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from duomo.commands.tour_fetch import WRITER, one_line
from duomo.commands.tour_process import Worker
from duomo.commands.tour_show import Printer
from duomo.commands.tour_teach import SAVED, Control, Lesson, ahead, teaching
from duomo.page.events import Event, LeftOut, Scores
from duomo.recipe import Recipe
from duomo.report import Report

T = TypeVar("T")
HELLO = "What is a cathedral?"  # asked of the language model, where nothing was learned
CACHE = Path("cache")
RUNS = Path("runs")


@dataclass(frozen=True)
class Wanted:
    """What the tour shows: a folder of the user's (None: the sample), what it teaches, and where things are kept.

    Raises ValueError for a folder that is none: another name was meant, and nothing of it could be shown.
    """

    lesson: Lesson
    folder: Path | None = None
    cache: Path = CACHE

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"--folder {self.folder}: no such folder; name one that holds your files")


def run(wanted: Wanted, control: Control = Control(), printer: Printer | None = None) -> Report:
    """The whole tour on a terminal, or as plain lines. What can not be shown is told and left out; nothing of it is a failure."""
    shown = printer or Printer()
    left_out = list[str]()
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that no training is left behind
    try:
        for event in tour(wanted, control):
            shown.show(event)
            if isinstance(event, LeftOut):
                left_out.append(f"{event.what}: {event.why}")
    finally:
        shown.close()
        signal.signal(signal.SIGTERM, before)
    return Report("demo", facts={"left_out": left_out})


def tour(wanted: Wanted, control: Control) -> Iterator[Event]:
    """All acts, one after the other."""
    preparing = ahead(wanted.lesson)
    try:
        yield from shelf(wanted)
        yield from lesson(wanted.lesson, control, preparing)
    finally:
        if preparing is not None:
            preparing.end()


def shelf(wanted: Wanted) -> Iterator[Event]:
    """Acts 1 and 2; what they open is let go with their end."""
    from duomo.commands.tour_ask import asking
    from duomo.commands.tour_desk import Desk
    from duomo.commands.tour_files import FILES
    from duomo.commands.tour_shelf import filling, shelving

    desk = Desk(wanted.folder or FILES)
    if (yield from guarded("the shelf", shelving(desk, wanted.cache))):
        yield from guarded("the answers", asking(desk, wanted.cache))
        yield from filling(desk)


def lesson(given: Lesson, control: Control, preparing: Worker | None = None) -> Iterator[Event]:
    """Acts 3 to 5: training with its exams and its kill, then figures, and what they do not say."""
    from duomo.commands.tour_end import closing, measuring

    learned = yield from guarded("the training", teaching(given, control, preparing))
    scores = (yield from guarded("the scoreboard", kept(measuring(given, control)))) if learned else None
    yield from closing(*((str(given.folder), scores.question) if scores and scores.question else (WRITER, HELLO)), bool(learned))


def guarded(what: str, act: Generator[Event, None, T]) -> Generator[Event, None, T | None]:
    """An act whose faults are one line, with the act left out from there."""
    try:
        return (yield from act)
    except (ValueError, OSError, ImportError) as error:
        yield LeftOut(what, one_line(error))
        return None


def kept(act: Iterator[Event]) -> Generator[Event, None, Scores | None]:
    """The same events; gives the scores among them."""
    found: Scores | None = None
    for event in act:
        found = event if isinstance(event, Scores) else found
        yield event
    return found


def lesson_of(name: str, recipe: Recipe, minutes: float | None, runs: Path = RUNS, threads: int | None = None) -> Lesson:
    """What act 3 teaches: the recipe as it is, but that it saves often enough to be looked at, and in other minutes if they are named."""
    changes = {"train.save_every": min(SAVED, recipe.train.save_every)}
    more = ({"train.minutes": minutes} if minutes else {}) | ({"train.threads": threads} if threads else {})
    return Lesson(name, recipe, tuple(f"{key}={value:g}" for key, value in (changes | more).items()), runs)
