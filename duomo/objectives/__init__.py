"""Objectives: (model, batch) -> Loss. To add one: write its file, add its line."""

from collections.abc import Callable

from duomo.batch import Batch
from duomo.model import Model
from duomo.objectives.cross_entropy import cross_entropy
from duomo.objectives.loss import Loss

Objective = Callable[[Model, Batch], Loss]

OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": cross_entropy,
}
