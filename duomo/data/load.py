"""Load: the batches of each step, made by background threads, in order."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from duomo.batch import Batch
from duomo.data.collate import Mask, Row, check, collate
from duomo.data.pack import Plan
from duomo.data.render import Rendered
from duomo.data.shards import Items
from duomo.recipe import Shape

T = TypeVar("T")


@dataclass(frozen=True)
class Loader:
    """Turns a plan into batches. It has no state: to resume, start at another step."""

    plan: Plan
    data: Sequence[Items]
    weights: Sequence[float]
    shape: Shape
    placeholder: dict[str, int]
    micro_batches: int = 1
    mask: Callable[[int], Mask] | None = None
    together: int = 1  # rows that stay in one micro-batch

    def step(self, step: int) -> list[Batch]:
        """The micro-batches of one optimizer step."""
        rows = [[self._weighed(d, i) for d, i in row] for row in self.plan.step(step)]
        masker = self.mask(step) if self.mask else None
        size = -(-len(rows) // self.micro_batches // self.together) * self.together
        return [check(collate(rows[at : at + size], self.shape, masker), self.placeholder) for at in range(0, len(rows), size)]

    def _weighed(self, d: int, i: int) -> Rendered:
        item = self.data[d][i]
        return replace(item, weight=item.weight * self.weights[d])

    def steps(self, first: int, last: int, workers: int = 1) -> Iterator[list[Batch]]:
        """Steps first … last - 1. Workers make the next ones while the model works; 0 makes each when asked."""
        return ahead((partial(self.step, step) for step in range(first, last)), workers)


def ahead(jobs: Iterator[Callable[[], T]], workers: int) -> Iterator[T]:
    """Results in order, the next ones already under way."""
    if not workers:
        yield from (job() for job in jobs)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[T]] = [pool.submit(job) for job in islice(jobs, 2 * workers)]
        while waiting:
            result = waiting.pop(0).result()
            waiting += [pool.submit(job) for job in islice(jobs, 1)]
            yield result


def fill_rate(batches: Sequence[Batch]) -> float:
    """The share of places that hold a token."""
    streams = [s for batch in batches for s in (batch.source, batch.target) if s is not None]
    return sum(int((s.segment_BT != 0).sum()) for s in streams) / max(sum(s.segment_BT.numel() for s in streams), 1)


def single(rows: Sequence[Row], shape: Shape, placeholder: dict[str, int], mask: Mask | None = None) -> Batch:
    """One checked batch of rows, for validation."""
    return check(collate(rows, shape, mask), placeholder)
