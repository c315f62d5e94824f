"""Pairs: what is learned two by two, as items 2i and 2i + 1 of shards, and rows 2i and 2i + 1 of a batch.

They are the chosen and the rejected answer to a question, or the two halves of a sample.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from duomo.data.pack import Pick, Plan
from duomo.data.render import Rendered
from duomo.data.shards import Items
from duomo.sample import TEXT, Message, Sample, text, unanswered


def sides(sample: Sample, number: int) -> Iterator[Sample]:
    """The sample, and it with the answer that is rejected: its own, or one of its wrong choices, drawn by `number`.

    Nothing where it has neither.
    """
    wrong = sorted({choice for choice in sample.choices if choice != sample.answer})
    rejected = sample.rejected if sample.rejected is not None else Random(number).choice(wrong) if wrong else None
    if rejected is not None and sample.answer:
        yield sample
        yield replace(sample, messages=(*unanswered(sample).messages, Message("assistant", (text(rejected),))))


def halves(sample: Sample, number: int) -> Iterator[Sample]:
    """What the sample asks about, and its answer, each alone and as a user gives it: media if it has any, else the question's words.

    The words beside media are left out: they ask, and would tell the answer's language. Nothing where either half is missing.
    """
    asked = [part for message in unanswered(sample).messages for part in message.parts]
    shown = tuple(part for part in asked if part.kind != TEXT) or tuple(asked)
    if shown and sample.answer.strip():
        yield replace(sample, messages=(Message("user", shown),))
        yield replace(sample, messages=(Message("user", (text(sample.answer),)),))


TWO: Mapping[str, Callable[[Sample, int], Iterator[Sample]]] = {"pairs": sides, "halves": halves}  # by what an objective reads


class Pairs:
    """Shards of pairs, whose labels have weights: those of a pair sum to 1, so that the targets of a step are its pairs.

    Of a document from which no token is learned, as a half is, the last one stands for it.
    """

    def __init__(self, shards: Items):
        self.shards, self.lengths = shards, shards.lengths[::2] + shards.lengths[1::2]  # of both answers together

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> Rendered:
        item = self.shards[index]
        learned = sum(item.learn[1:])
        learn = item.learn if learned else [False] * (len(item.ids) - 1) + [True]
        return replace(item, learn=learn, weight=0.5 / max(1, learned))


@dataclass(frozen=True)
class PairPlan(Plan):
    """A plan over pairs; each of the two is a row."""

    def step(self, step: int) -> list[list[Pick]]:
        """The rows of a step, two and two."""
        return [[(d, 2 * i + side)] for row in super().step(step) for d, i in row for side in (0, 1)]
