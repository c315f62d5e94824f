"""The exam of the tour: held-out items, answered again and again while a model learns, beside methods that learn nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from duomo import recipe as recipes
from duomo.batch import Patches
from duomo.checkpoint import open_run
from duomo.commands.asked import Asked
from duomo.commands.evaluate import Answering
from duomo.commands.prepare import prepared
from duomo.data.prepare import names
from duomo.data.render import cut
from duomo.data.store import Store
from duomo.evaluate.run import Setting, ask, pick
from duomo.generate import Speaker
from duomo.page.events import Bar, Item, Tried
from duomo.recipe import CutRecipe, Recipe
from duomo.sample import Part, Sample, unanswered
from duomo.tasks.task import Answer, Task

SHOWN = 2  # items of a task that are shown
ASKED = 60  # items of a task that a bar counts
TASKS = 8  # that are asked at most
NEAREST = "nearest"  # in the name of a baseline that looks for the most similar example
Cuts = Mapping[str, CutRecipe]


@dataclass(frozen=True)
class Paper:
    """A task with the first of its held-out samples, in the order in which `duomo evaluate` asks them."""

    asked: Asked
    task: Task
    samples: tuple[Sample, ...]

    @property
    def counts(self) -> bool:
        """Whether an answer is right or wrong: then a bar counts them."""
        return len(self.samples) > SHOWN


@dataclass(eq=False)
class Exam:
    """What is asked, and what was said the last time."""

    recipe: Recipe
    papers: tuple[Paper, ...]
    baselines: dict[str, tuple[str, float]] = field(default_factory=dict)
    before: dict[tuple[str, int], tuple[str | None, bool]] = field(default_factory=dict)
    cuts: dict[Part, Patches] = field(default_factory=dict)

    def take(self, folder: Path) -> Tried:
        """Answers everything by the newest weights. Raises ValueError or OSError where they went away while they were read."""
        began, opened = time.monotonic(), open_run(folder)
        root = Path(self.recipe.data.cache)
        model = Answering(Speaker(opened.model, opened.tokenizer, root, batch=self.recipe.evaluate.batch, cutter=self._cut))
        items, bars = list[Item](), list[Bar]()
        for paper in self.papers:
            answers = ask(paper.task, model, paper.samples)
            marks = [right(paper.task, sample, answer) for sample, answer in zip(paper.samples, answers, strict=True)]
            shown = zip(paper.samples[:SHOWN], answers, marks, strict=False)
            items += [self._item(paper.task, number, *one) for number, one in enumerate(shown)]
            if paper.counts:
                method, share = self.baselines.get(paper.task.name, ("", None))
                bars.append(Bar(paper.task.name, sum(marks) / len(marks), len(marks), share, method))
        return Tried(opened.step, tuple(items), tuple(bars), time.monotonic() - began)

    def beside(self, found: Mapping[str, tuple[str, float]], tried: Tried) -> Tried:
        """The same answers, their bars beside methods that were computed meanwhile."""
        self.baselines |= found
        bars = (replace(bar, method=found[bar.task][0], baseline=found[bar.task][1]) if bar.task in found else bar for bar in tried.bars)
        return replace(tried, bars=tuple(bars))

    def _item(self, task: Task, number: int, sample: Sample, answer: Answer, right: bool) -> Item:
        before, was = self.before.get((task.name, number), (None, False))
        self.before[task.name, number] = answer.text, right
        question = "".join(message.text for message in unanswered(sample).messages)
        root = Path(self.recipe.data.cache)
        media = tuple((part.kind, root / part.value) for part in sample.media() if isinstance(part.value, str))
        return Item(task.name, question, media, sample.answer, answer.text, right, before, was)

    def _cut(self, part: Part, sizes: Cuts, root: Path) -> Patches:
        """Each file is cut once, however often it is asked about."""
        if part not in self.cuts:
            self.cuts[part] = cut(part, sizes, root)
        return self.cuts[part]


def exam(folder: Path) -> Exam:
    """The exam of a run that has begun: of every task with answers the first held-out samples. Raises ValueError where none is held out."""
    recipe = recipes.load(folder / "recipe.json")
    data, root = recipe.data, Path(recipe.data.cache)
    found, papers = prepared(recipe)[0], list[Paper]()
    held_out = {one.name: one.kept.get("test", 0) for one in found.lineage}
    for name in dict.fromkeys((*data.tasks, *names(data.files, data.tasks))):
        asked = Asked(name, data.options.get(name, {}) if name in data.tasks else None, root, found.folder / name)
        if held_out.get(name) and (task := asked.task()).ask == "answer" and len(papers) < TASKS:
            samples = pick(task, Store(root), Setting("test", ASKED, 1, recipe.seed))
            counted = "right" in task.score(samples[0], Answer(samples[0].answer))
            papers.append(Paper(asked, task, tuple(samples if counted else samples[:SHOWN])))
    if not papers:
        raise ValueError(f"{recipe.name}: holds out nothing that could be asked")
    return Exam(recipe, tuple(papers))


def measured(asked: Asked, seed: int) -> tuple[str, float]:
    """The nearest-neighbour method of a task, or else its best one, with its share of right answers to the exam's samples.

    For another process: a task can not be sent to one, but made there.
    """
    task, setting = asked.task(), Setting("test", ASKED, 1, seed)
    samples = pick(task, Store(asked.root), setting)
    shares = {
        name: sum(right(task, sample, Answer(text)) for sample, text in zip(samples, said, strict=True)) / len(said)
        for name, said in asked.baselines(setting).items()
        if not isinstance(said, int | float)
    }
    near = {name: share for name, share in shares.items() if NEAREST in name} or shares
    return max(near.items(), key=lambda pair: pair[1])


def right(task: Task, sample: Sample, answer: Answer) -> bool:
    """As the task scores it; where it scores no right and wrong, whether the words are the same."""
    row = task.score(sample, answer)
    return bool(row["right"]) if "right" in row else answer.text.split() == sample.answer.split()
