"""Loss: sums and counts, so that micro-batches, ranks, clients and steps add up exactly."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from duomo.batch import Batch


class Loss(NamedTuple):
    """Per sample (per document where rows are packed): the summed loss and the (weighted) number of targets."""

    total_B: Tensor
    count_B: Tensor

    @property
    def mean(self) -> float:
        """Loss per target."""
        return float(self.total_B.sum() / self.count_B.sum().clamp(min=1e-9))


Objective = Callable[[Any, Batch], Loss]  # of a Model, which may be wrapped: adapted, compiled, spread over machines
