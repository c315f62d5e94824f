"""Acts 3 and 4 of the tour: a model learns from nothing in a process of its own, is examined meanwhile, is killed, and goes on."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from duomo.commands.tour_fetch import fetched, is_here, one_line
from duomo.commands.tour_process import WORK, Following, Making, Worker
from duomo.data.prepare import names
from duomo.data.processes import processes
from duomo.page.events import Act, Doing, Event, Killed, Learning, LeftOut, Resumed, Tried
from duomo.recipe import Recipe
from duomo.tasks import build

if TYPE_CHECKING:
    from duomo.commands.tour_exam import Exam

LOOK = 0.5  # seconds between two looks at the log
EVERY = 20.0  # seconds between two exams
SAVED = 20  # steps between two checkpoints: the exam reads them, and a kill loses no more
PATIENCE = 120.0  # seconds that the last exam waits for its baselines
ROUNDS = 2  # exams before the process is killed, where nobody is there to do it
PREPARING = "preparing the data"
ERRORS, PREPARED = Path("tour") / "train.log", Path("tour") / "prepare.log"  # inside the cache


@dataclass(frozen=True)
class Control:
    """What a person does meanwhile. `alone`: nobody is there, so the kill comes by itself, and nobody else wants the processors."""

    alone: bool = True
    kill: Flag = field(default_factory=Flag)
    stop: Flag = field(default_factory=Flag)
    look: float = LOOK
    every: float = EVERY

    @property
    def behind(self) -> int:
        """How far processes at work stand back."""
        return 0 if self.alone else WORK


@dataclass(frozen=True)
class Lesson:
    """What is learned: a recipe by the words that name it on the command line, with its changes; and where runs are kept."""

    name: str
    recipe: Recipe
    overrides: tuple[str, ...]
    runs: Path

    @property
    def folder(self) -> Path:
        """The run's."""
        return self.runs / self.recipe.name

    @property
    def cache(self) -> Path:
        """Where its data is."""
        return Path(self.recipe.data.cache)


@dataclass(eq=False)
class Course:
    """A lesson under way."""

    lesson: Lesson
    control: Control
    worker: Worker
    exam: "Exam | None" = None
    seated: bool = False
    rounds: int = 0
    killed: bool = False
    tried: float = 0.0  # when the last exam ended
    asked: int = -1  # the step whose weights were examined last
    baselines: "dict[str, Future[tuple[str, float]]]" = field(default_factory=dict)

    @property
    def run(self) -> Following:
        """The run, of this beginning or of the last going on."""
        return Following(self.lesson.folder, self.worker.began)


def ahead(lesson: Lesson, control: Control = Control()) -> Worker | None:
    """Begins to prepare the lesson's data beside other acts; None where something must be fetched first."""
    if not all(is_here(name, lesson.cache) for name in sources_of(lesson.recipe)):
        return None
    worker = Worker(("prepare", lesson.name, "--workers", "1"), lesson.cache / PREPARED, control.behind)
    worker.start()
    return worker


def teaching(lesson: Lesson, control: Control, preparing: Worker | None = None) -> Generator[Event, None, bool]:
    """Trains the lesson's recipe anew; gives whether it came to its end. A source that can not be had ends it in one line.

    `preparing`: a process that prepares the data already; it is waited for.
    """
    yield Act(3, "Now from nothing", f"{lesson.recipe.name} learns in a process of its own; what it never saw is asked again and again.")
    here = yield from fetched(wanted := sources_of(lesson.recipe), lesson.cache)
    if lacking := [name for name in wanted if name not in here]:
        yield LeftOut("the training", f"{', '.join(lacking)} can not be had here")
        return False
    making = Making(lesson.cache, _sets(lesson.recipe), preparing.began) if preparing else None
    yield from waiting(PREPARING, preparing, control, making)
    words = ("train", lesson.name, *lesson.overrides)
    course = Course(lesson, control, Worker(words, lesson.cache / ERRORS, control.behind))
    course.worker.start("--fresh")
    try:
        with processes(1) as helper:
            yield from _followed(course, helper)
            if not course.worker.running and not course.worker.code:
                yield from _last(course)
    finally:
        course.worker.end()
    if control.stop.is_set():
        yield LeftOut("the rest of the training", f"stopped; `duomo {' '.join(words)} --resume` goes on")
        return False
    if course.worker.code:
        yield LeftOut("the training", course.worker.last_words())
        return False
    return True


def waiting(what: str, worker: Worker | None, control: Control, making: Making | None = None) -> Iterator[Event]:
    """Tells what is under way until a process ends, or is to end; of data that is made, how much and for how long."""
    began = time.monotonic()
    while worker is not None and worker.running and not control.stop.is_set():
        yield made_so_far(what, making) if making else Doing(what, seconds=time.monotonic() - began)
        time.sleep(control.look)


def made_so_far(what: str, making: Making) -> Doing:
    """How much of the data is made; for how long, as the pace so far foretells it, once that is known."""
    done, seconds = making.done(), time.time() - making.since
    return Doing(what, done, making.total, seconds, seconds * (making.total - done) / done if done else 0.0)


def _sets(recipe: Recipe) -> tuple[str, ...]:
    return (*recipe.data.tasks, *names(recipe.data.files, recipe.data.tasks))


def sources_of(recipe: Recipe) -> list[str]:
    """What its data comes from, and what its evaluation asks besides."""
    tasks = dict.fromkeys((*recipe.data.tasks, *recipe.evaluate.tasks, *recipe.evaluate.extra))
    return list(dict.fromkeys(source for name in tasks for source in build(name, **recipe.data.options.get(name, {})).sources))


def _followed(course: Course, helper: Any) -> Iterator[Event]:
    """What the training shows of itself until it ends, with exams between; and the kill, once."""
    began, told, making = time.monotonic(), -1.0, Making(course.lesson.cache, _sets(course.lesson.recipe), course.worker.began)
    while course.worker.running and not course.control.stop.is_set():
        steps = course.run.steps()
        if not steps:
            beginning = Doing("the training process begins", seconds=time.monotonic() - began)
            yield made_so_far(PREPARING, making) if making.done() else beginning
        elif steps[-1]["step"] != told:
            told = steps[-1]["step"]
            yield learning(steps, course.run.planned())
        if steps and not course.seated:
            yield from _seated(course, helper)
        if steps and _due(course) and (tried := _examined(course)) is not None:
            yield tried
        if _kill_now(course, steps):
            yield from _killed(course)
            began = time.monotonic()
        time.sleep(course.control.look)


def learning(steps: Sequence[Mapping[str, Any]], planned: int) -> Learning:
    """How far it is, by its log; the loss is the mean of the last steps."""
    step, some = int(steps[-1]["step"]), steps[-20:]
    pace = sum(line["seconds"] for line in some) / len(some)
    return Learning(step, planned, sum(line["loss"] for line in some) / len(some), max(0, planned - step) * pace)


def _seated(course: Course, helper: Any) -> Iterator[Event]:
    """The exam, once the run has begun; its baselines are computed beside it."""
    from duomo.commands.tour_exam import exam, measured

    try:
        course.exam = exam(course.lesson.folder)
    except ValueError as error:
        course.seated = True
        yield LeftOut("the exam", one_line(error))
        return
    course.seated = True
    for paper in course.exam.papers:
        if paper.counts:
            course.baselines[paper.task.name] = helper.submit(measured, paper.asked, course.exam.recipe.seed)


def _due(course: Course) -> bool:
    """Whether the last exam is long enough ago, and there are newer weights."""
    return time.monotonic() - course.tried >= course.control.every and course.run.kept() > course.asked


def _examined(course: Course) -> Tried | None:
    """The exam by the newest weights; None where they went away meanwhile."""
    if course.exam is None:
        return None
    try:
        found = course.exam.take(course.lesson.folder)
    except (ValueError, OSError):  # a checkpoint that was replaced while it was read
        return None
    done = {name: one for name, one in course.baselines.items() if one.done() and not one.cancelled() and one.exception() is None}
    ready = {name: one.result() for name, one in done.items()}
    course.rounds, course.tried, course.asked = course.rounds + 1, time.monotonic(), found.step
    return course.exam.beside(ready, found)


def _last(course: Course) -> Iterator[Event]:
    """The exam by the weights of the last step, when the other methods have been computed, too."""
    began = time.monotonic()
    while not all(one.done() for one in course.baselines.values()) and time.monotonic() - began < PATIENCE:
        yield Doing("computing what it is compared with", seconds=time.monotonic() - began)
        time.sleep(course.control.look)
    known = len(course.exam.baselines) if course.exam else 0
    if course.run.kept() <= course.asked and known == len(course.baselines):
        return
    if (last := _examined(course)) is not None:
        yield last


def _kill_now(course: Course, steps: Sequence[Mapping[str, Any]]) -> bool:
    """Once: when a person says so; where nobody is there, after some exams, a few steps beyond a checkpoint."""
    kept = course.run.kept()
    if not steps or not kept:
        return False
    planned, step = course.run.planned(), int(steps[-1]["step"])
    if course.control.kill.is_set():
        return step > kept  # so that something is lost and done again
    return course.control.alone and not course.killed and course.rounds >= ROUNDS and kept + 2 <= step < planned


def _killed(course: Course) -> Iterator[Event]:
    """SIGKILL, and on again from the newest whole checkpoint; the losses of the steps that are done twice stand side by side."""
    yield Act(4, "Pull the plug", "The training process is killed (SIGKILL) and goes on from its newest whole checkpoint.")
    course.worker.kill()
    before = {int(line["step"]): float(line["loss"]) for line in course.run.steps()}
    kept, last = course.run.kept(), max(before)
    yield Killed(last, before[last], kept)
    course.control.kill.clear()
    course.worker.start("--resume")
    course.killed, began = True, time.monotonic()
    while course.worker.running and not course.control.stop.is_set():
        after = {int(line["step"]): float(line["loss"]) for line in course.run.steps()}
        if after and max(after) >= min(last, course.run.planned()):
            yield Resumed(kept, tuple((step, before[step], after[step]) for step in sorted(after) if kept < step <= last))
            return
        yield Doing("the training process begins again", seconds=time.monotonic() - began)
        time.sleep(course.control.look)
