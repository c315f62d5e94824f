"""Evaluation of one task: ask, score, bound, and set beside baselines, control and ablations."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import numpy as np

from duomo.evaluate.bootstrap import intervals
from duomo.report import Baseline, Control, Example, ReportRow
from duomo.sample import Sample, unanswered
from duomo.tasks.task import Answer, Row, Split, Store, Task

SHOWN = 4  # examples per task
Alter = Callable[[Sequence[Sample], Random], Sequence[Sample]]
Progress = Callable[[str, int, int], None]  # what is done now, which step, of how many


class Answerer(Protocol):
    """What is measured. Every method gives one Answer per sample, in order; what it is asked holds no truth but `likelihood`."""

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> Sequence[Answer]:
        """Writes an answer, greedily or by beams."""

    def rank(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """Gives the likeliest of `sample.choices`."""

    def likelihood(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """Gives the last assistant message itself with `nats`: what all its tokens cost, its end included."""


@dataclass(frozen=True)
class Setting:
    """How much is asked, and from what seed everything drawn follows."""

    split: Split = "test"
    samples: int = 500
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """One row per metric, the first the main one; examples are the first samples asked, not chosen ones."""

    rows: tuple[ReportRow, ...]
    examples: tuple[Example, ...]
    seconds: float


def silent(doing: str, step: int, steps: int) -> None:
    """Shows nothing."""


def evaluate(task: Task, model: Answerer, store: Store, setting: Setting = Setting(), progress: Progress = silent) -> Evaluation:
    """Measures the model on the first samples of a seeded permutation of the split, so that more samples extend fewer.

    Raises ValueError for an empty split.
    """
    began = time.monotonic()
    test = pick(task, store, setting)
    steps = 3 + len(task.ablations)
    progress(f"{task.name}: {len(test)} answers", 0, steps)
    answers = ask(task, model, test)
    rows = [task.score(sample, answer) for sample, answer in zip(test, answers, strict=True)]
    progress(f"{task.name}: baselines", 1, steps)
    baselines = _baselines(task, test, store)
    controls = []
    for place, (name, alter, chance) in enumerate(_alterations(task, test)):
        progress(f"{task.name}: {name}", 2 + place, steps)
        altered = alter(test, Random(f"{setting.seed} {task.name} {name}"))
        controls.append(_controls(task, model, altered, setting, (name, chance)))
    progress(f"{task.name}: done", steps, steps)
    table = _rows(task, rows, test, baselines, controls, setting)
    return Evaluation(table, _examples(task, test, answers, rows), time.monotonic() - began)


def pick(task: Task, store: Store, setting: Setting) -> list[Sample]:
    """The samples that are asked."""
    known = list(task.samples(setting.split, store))
    if not known:
        raise ValueError(f"task {task.name}: its {setting.split} split is empty; prepare its sources ({', '.join(task.sources)}) again")
    return Random(f"{setting.seed} {task.name}").sample(known, len(known))[: setting.samples]


def ask(task: Task, model: Answerer, samples: Sequence[Sample]) -> list[Answer]:
    """The model's answers: likelihoods where the task asks for them, else ranked where a sample has choices, else written."""
    if task.ask == "likelihood":
        return list(model.likelihood(samples))
    blind = [unanswered(sample) for sample in samples]
    ranked = [sample for sample in blind if sample.choices]
    free = [sample for sample in blind if not sample.choices]
    picked = iter(model.rank(ranked) if ranked else ())
    written = iter(model.answer(free, task.max_tokens) if free else ())
    return [next(picked if sample.choices else written) for sample in blind]


def _alterations(task: Task, test: Sequence[Sample]) -> list[tuple[str, Alter, float | None]]:
    ablations = [(ablation.name, ablation.alter, ablation.chance) for ablation in task.ablations]
    if len({sample.answer for sample in test}) < 2:  # nothing differs that could be swapped
        return ablations
    return [("swapped", task.control, None), *ablations]


def _controls(task: Task, model: Answerer, altered: Sequence[Sample], setting: Setting, named: tuple[str, float | None]) -> list[Control]:
    """One figure per metric."""
    rows = [task.score(sample, answer) for sample, answer in zip(altered, ask(task, model, altered), strict=True)]
    bounds = _bounds(task, rows, altered, setting)
    name, chance = named
    counted = [sum(map(metric.counts, rows)) for metric in task.metrics]
    figures = enumerate(zip(task.metrics, counted, bounds, strict=True))
    # the chance level that an ablation states is of the main metric
    return [Control(metric.of(rows), n, name, low, high, None if at else chance) for at, (metric, n, (low, high)) in figures]


def _bounds(task: Task, rows: Sequence[Row], samples: Sequence[Sample], setting: Setting) -> list[tuple[float, float]]:
    groups = [task.group(sample) or str(place) for place, sample in enumerate(samples)] if task.group else None
    return intervals(rows, task.metrics, groups, setting.resamples, np.random.default_rng(setting.seed))


def _baselines(task: Task, test: Sequence[Sample], store: Store) -> list[tuple[Baseline, ...]]:
    """Per metric. A baseline that is a figure, not answers, is one of the main metric."""
    found = task.baselines(list(task.samples("train", store)), test, store)
    rows: Mapping[str, list[Row]] = {
        name: [task.score(sample, Answer(said)) for sample, said in zip(test, answers, strict=True)]
        for name, answers in found.items()
        if not isinstance(answers, (int, float))
    }
    table = [[Baseline(name, metric.of(scored)) for name, scored in rows.items()] for metric in task.metrics]
    table[0] += [Baseline(name, float(figure)) for name, figure in found.items() if isinstance(figure, (int, float))]
    return [tuple(line) for line in table]


def _rows(
    task: Task,
    rows: Sequence[Row],
    test: Sequence[Sample],
    baselines: Sequence[tuple[Baseline, ...]],
    controls: Sequence[Sequence[Control]],
    setting: Setting,
) -> tuple[ReportRow, ...]:
    bounds = _bounds(task, rows, test, setting)
    table = []
    for place, (metric, (low, high)) in enumerate(zip(task.metrics, bounds, strict=True)):
        own = [control[place] for control in controls]
        control = next((c for c in own if c.name == "swapped"), None)
        table.append(
            ReportRow(
                task=task.name,
                split=setting.split,
                metric=metric.name,
                higher_is_better=metric.higher_is_better,
                value=metric.of(rows),
                low=low,
                high=high,
                n=sum(map(metric.counts, rows)),
                chance=metric.chance,
                baselines=baselines[place],
                control=control,
                ablations=tuple(c for c in own if c is not control),
                synthetic=task.synthetic,
                about=task.about,
            )
        )
    return tuple(table)


def _examples(task: Task, test: Sequence[Sample], answers: Sequence[Answer], rows: Sequence[Row]) -> tuple[Example, ...]:
    shown = zip(test[:SHOWN], answers, rows, strict=False)
    return tuple(_example(task, sample, answer, row) for sample, answer, row in shown)


def _example(task: Task, sample: Sample, answer: Answer, row: Row) -> Example:
    right = row.get("right")
    asked = "".join(message.text for message in unanswered(sample).messages)
    said = answer.text
    if task.ask == "likelihood" and answer.nats is not None:
        said = f"{answer.nats / math.log(2) / max(1, len(sample.answer.encode())):.2f} bits per byte"
    media = tuple((part.kind, part.value) for part in sample.media() if isinstance(part.value, str))
    return Example(task.name, asked, said, sample.answer, media, bool(right) if right is not None else None)
