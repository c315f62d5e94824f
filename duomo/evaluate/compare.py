"""Comparison of two models over the same samples: how much better the second is, and whether that may be chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from duomo.evaluate.bootstrap import intervals
from duomo.evaluate.run import Answerer, Setting, ask
from duomo.sample import Sample
from duomo.tasks.task import Metric, Row, Task


@dataclass(frozen=True)
class Figure:
    """A value with the 95 % interval of its bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """One metric of two models, and second minus first, over the same resamples of the same samples."""

    task: str
    metric: str
    higher_is_better: bool
    n: int
    first: Figure
    second: Figure
    gain: Figure

    @property
    def sure(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return self.gain.low > 0 or self.gain.high < 0


def compare(task: Task, samples: Sequence[Sample], models: tuple[Answerer, Answerer], setting: Setting) -> list[Difference]:
    """Asks both models the same samples; one Difference per metric.

    The bootstrap is paired: each draw takes the same samples for both, so that what is hard for both does not count as noise.
    """
    answers = zip(samples, *(ask(task, model, samples) for model in models), strict=True)
    rows: list[Row] = [{"first": task.score(sample, one), "second": task.score(sample, other)} for sample, one, other in answers]
    groups = [task.group(sample) or str(place) for place, sample in enumerate(samples)] if task.group else None
    metrics = [view for metric in task.metrics for view in _views(metric)]
    bounds = intervals(rows, metrics, groups, setting.resamples, np.random.default_rng(setting.seed))
    figures = [Figure(metric.of(rows), low, high) for metric, (low, high) in zip(metrics, bounds, strict=True)]
    return [
        Difference(task.name, metric.name, metric.higher_is_better, _count(metric, rows), *figures[3 * place : 3 * place + 3])
        for place, metric in enumerate(task.metrics)
    ]


def _views(metric: Metric) -> tuple[Metric, Metric, Metric]:
    """The metric of the first, of the second, and what lies between, each over rows of both."""

    def first(rows: Sequence[Mapping[str, Row]]) -> float:
        return metric.of([row["first"] for row in rows])

    def second(rows: Sequence[Mapping[str, Row]]) -> float:
        return metric.of([row["second"] for row in rows])

    return replace(metric, of=first), replace(metric, of=second), replace(metric, of=lambda rows: second(rows) - first(rows))


def _count(metric: Metric, rows: Sequence[Row]) -> int:
    return sum(metric.counts(row["first"]) for row in rows)
