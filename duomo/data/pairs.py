"""Pairs: the chosen and the rejected answer to each question, as items 2i and 2i + 1 of shards, and rows 2i and 2i + 1 of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from duomo.data.pack import Pick, Plan
from duomo.data.render import Rendered
from duomo.data.shards import Items
from duomo.sample import Message, Sample, text, unanswered


def sides(sample: Sample, number: int) -> Iterator[Sample]:
    """The sample, and it with the answer that is rejected: its own, or one of its wrong choices, drawn by `number`.

    Nothing where it has neither.
    """
    wrong = sorted({choice for choice in sample.choices if choice != sample.answer})
    rejected = sample.rejected if sample.rejected is not None else Random(number).choice(wrong) if wrong else None
    if rejected is not None and sample.answer:
        yield sample
        yield replace(sample, messages=(*unanswered(sample).messages, Message("assistant", (text(rejected),))))


class Pairs:
    """Shards of pairs, whose labels have weights: those of a pair sum to 1, so that the targets of a step are its pairs."""

    def __init__(self, shards: Items):
        self.shards, self.lengths = shards, shards.lengths[::2] + shards.lengths[1::2]  # of both answers together

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> Rendered:
        item = self.shards[index]
        return replace(item, weight=0.5 / max(1, sum(item.learn[1:])))


@dataclass(frozen=True)
class PairPlan(Plan):
    """A plan over pairs; each of the two answers is a row."""

    def step(self, step: int) -> list[list[Pick]]:
        """The rows of a step, two and two."""
        return [[(d, 2 * i + side)] for row in super().step(step) for d, i in row for side in (0, 1)]
