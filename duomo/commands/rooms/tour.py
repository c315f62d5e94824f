"""Tour: the acts of `duomo demo` in a thread of the server; what has happened so far, and what a person may do meanwhile."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from duomo.checkpoint import Run, latest, open_run
from duomo.commands.ask import Assistant
from duomo.commands.rooms.house import House, playable, told
from duomo.commands.tour import Wanted, guarded, lesson
from duomo.commands.tour_desk import Desk
from duomo.commands.tour_files import FILES
from duomo.commands.tour_process import ACT, PATIENCE, Worker, step_back
from duomo.commands.tour_show import passing
from duomo.commands.tour_teach import Control, ahead
from duomo.modalities.image import IMAGE
from duomo.page.events import Answered, Doing, Event, Invented, Learning, Tour, Tried

if TYPE_CHECKING:
    from duomo.commands.tour_ask import Counter

INK, SIDE = 20, 28  # pixels of a digit, of its picture, as MNIST has them
INKED = 16  # of 255: less is no ink
QUESTION = "what is this?"
LANGUAGE = "en"


def tour(stage: "Stage") -> Tour:
    """What the tab can do."""
    return Tour(stage.look, stage.answer, stage.invented, stage.teach, stage.kill, stage.drawn, stage.spoken, stage.play, stage.page)


def outdated(one: Event, other: Event) -> bool:
    """Whether what was under way is so no more, since the other happened."""
    return passing(one) and (isinstance(one, Doing) or type(one) is type(other))


def digit(ink_HW: np.ndarray) -> np.ndarray:
    """A drawing as MNIST has its digits: white on black, 20 pixels high or wide, its centre of mass in the middle of 28 by 28.

    Raises ValueError for a drawing without ink.
    """
    rows, columns = np.nonzero(ink_HW > INKED)
    if not len(rows):
        raise ValueError("draw a digit first")
    cut = ink_HW[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)
    side = max(cut.shape)
    small = _shrunk(cut, tuple(max(1, round(INK * length / side)) for length in cut.shape))
    made = np.zeros((SIDE, SIDE), np.float32)
    middle = [int(np.clip(round(SIDE / 2 - place), 0, SIDE - length)) for place, length in zip(_centre(small), small.shape, strict=True)]
    made[middle[0] : middle[0] + small.shape[0], middle[1] : middle[1] + small.shape[1]] = small
    return made.round().astype(np.uint8)


def _shrunk(cut: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Means over blocks; a small drawing is repeated."""
    made = cut
    for axis, length in enumerate(shape):
        edges = np.linspace(0, made.shape[axis], length + 1)
        parts = [made.take(range(int(low), max(int(low) + 1, int(np.ceil(high)))), axis).mean(axis) for low, high in pairwise(edges)]
        made = np.stack(parts, axis)
    return made / max(1e-9, float(made.max())) * 255


def _centre(ink: np.ndarray) -> tuple[float, float]:
    total = float(ink.sum())
    rows, columns = np.indices(ink.shape)
    return float((rows * ink).sum() / total) + 0.5, float((columns * ink).sum() / total) + 0.5


@dataclass(eq=False)
class Stage:
    """One tour for all who look at the page. What is under way is replaced by what comes next."""

    wanted: Wanted
    house: House
    events: list[Event] = field(default_factory=list)
    version: int = 0
    counter: "Counter | None" = None
    control: Control = field(default_factory=lambda: Control(alone=False))
    thread: threading.Thread | None = None
    preparing: Worker | None = None
    asked: bool = False  # whether the questions of act 2 are over
    taught: bool = False  # whether the lesson has begun
    opened: Run | None = None
    asking: threading.Lock = field(default_factory=threading.Lock)  # the model that learns is asked one thing at a time
    telling: threading.Lock = field(default_factory=threading.Lock)  # the vectors and the lesson go on side by side

    def begin(self) -> None:
        """Acts 1 and 2, at once; the data of act 3 is prepared beside them."""
        self.preparing = ahead(self.wanted.lesson, self.control)
        self._act(self._shelf())

    def teach(self, minutes: float | None) -> None:
        """Acts 3 to 5, while the shelf's last vectors are made. Raises ValueError before, and while a lesson goes on."""
        if not self.asked or (self.thread is not None and self.thread.is_alive()):
            raise ValueError("another act is going on; wait until it ends")
        given = self.wanted.lesson
        changes = tuple(one for one in given.overrides if not one.startswith("train.minutes="))
        self.control, self.opened = replace(self.control, kill=threading.Event()), None
        chosen = replace(given, overrides=(*changes, f"train.minutes={minutes:g}")) if minutes else given
        self.taught = True
        self.thread = self._act(lesson(chosen, self.control, self.preparing))

    def kill(self) -> None:
        """Kills the training and lets it go on. Raises ValueError where none is under way."""
        if self.thread is None or not self.thread.is_alive() or not self.learning:
            raise ValueError("no training is under way; begin the lesson first")
        self.control.kill.set()

    def end(self) -> None:
        """Lets the training save and end; other acts leave nothing behind."""
        self.control.stop.set()
        if self.preparing is not None:
            self.preparing.end()
        if self.thread is not None and self.taught:
            self.thread.join(PATIENCE)

    def look(self, known: int) -> tuple[int, Sequence[Event]] | None:
        """All that has happened, with its version; None where nothing has since the known one."""
        return None if known == self.version else (self.version, tuple(self.events))

    def answer(self, question: str) -> Answered:
        """What the shelf says. Raises ValueError before the shelf is there."""
        return self._counter().quoted(question)

    def invented(self, question: str) -> Iterator[Invented]:
        """What the language model makes up, as it grows; nothing where there is none."""
        return self._counter().invented(question)

    def drawn(self, file: bytes) -> str:
        """What the newest weights say to a drawing, dark on white. Raises ValueError for an empty one."""
        picture = {IMAGE.name: IMAGE.write(digit(255 - IMAGE.read(file, IMAGE.default).mean(-1)))}
        with self.asking, told():
            return Assistant(self._newest()).ask(QUESTION, **picture)

    def spoken(self, sound: Path) -> str:
        """What the newest weights write down of a word."""
        with self.asking, told():
            return Assistant(self._newest()).transcribe(sound, LANGUAGE)

    def play(self, file: Path) -> Path | None:
        """A file where the browser may have it."""
        return playable(self.house, file)

    def page(self, file: Path) -> Path | None:
        """A copy of a page, to be shown in a frame."""
        key = f"page {file} {file.stat().st_mtime_ns}" if file.is_file() else ""
        if key and key not in self.house.kept:
            self.house.kept[key] = Path(shutil.copyfile(file, self.house.fresh() / file.name))
        return self.house.kept.get(key)

    def _shelf(self) -> Iterator[Event]:
        """The shelf can be asked as soon as its words are in."""
        from duomo.commands.tour_ask import Counter, asking
        from duomo.commands.tour_shelf import filling, shelving

        desk = Desk(self.wanted.folder or FILES)
        self.counter = Counter(desk)
        if (yield from guarded("the shelf", shelving(desk, self.wanted.cache))):
            self.counter = (yield from guarded("the answers", asking(desk, self.wanted.cache))) or self.counter
        self.asked = True
        yield from filling(desk)
        for _ in self.counter.ahead():
            if self.control.stop.is_set():
                return

    def _counter(self) -> "Counter":
        if self.counter is None:
            raise ValueError("the shelf is still being read; ask again in a moment")
        return self.counter

    def _newest(self) -> Run:
        """The newest weights, read once. Raises ValueError before there are any."""
        folder = self.wanted.lesson.folder
        newest = latest(folder)
        if newest is None or not self.learning:
            raise ValueError("nothing is learned yet; press the button that begins the lesson, and wait for its first weights")
        if self.opened is None or self.opened.step != int(newest.name.removeprefix("step-")):
            self.opened = open_run(folder)
        return self.opened

    @property
    def learning(self) -> bool:
        """Whether the run is of this tour."""
        return any(isinstance(event, Learning | Tried) for event in self.events)

    def _act(self, act: Iterator[Event]) -> threading.Thread:
        thread = threading.Thread(target=self._play, args=(act,), daemon=True, name="tour")
        thread.start()
        return thread

    def _play(self, act: Iterator[Event]) -> None:
        step_back(ACT)
        for event in act:
            with self.telling:
                self.events = [*(one for one in self.events if not outdated(one, event)), event]
                self.version += 1
