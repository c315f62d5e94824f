"""Objectives: (model, batch) -> Loss. To add one: write its file, add its line."""

from duomo.objectives.cross_entropy import cross_entropy
from duomo.objectives.loss import Loss, Objective

__all__ = ["OBJECTIVES", "Loss", "Objective", "cross_entropy"]

OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": cross_entropy,
}
