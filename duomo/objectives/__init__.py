"""Objectives: (model, batch) -> Loss. To add one: write its file, add its line.

A file offers a factory `(frozen, **options) -> Objective`; the options are `train.options` of a recipe. `build` is the way in.
"""

import difflib
import inspect
from typing import Any

from duomo.objectives.contrastive import contrastive
from duomo.objectives.cross_entropy import cross_entropy
from duomo.objectives.distillation import distillation
from duomo.objectives.dpo import dpo
from duomo.objectives.grpo import grpo
from duomo.objectives.kind import Frozen, Kind, nothing
from duomo.objectives.loss import Loss, Objective

__all__ = ["OBJECTIVES", "Frozen", "Kind", "Loss", "Objective", "build", "cross_entropy", "kind"]

OBJECTIVES: dict[str, Kind] = {
    "cross_entropy": Kind(lambda frozen: cross_entropy),
    "contrastive": Kind(contrastive, reads="halves"),
    "dpo": Kind(dpo, reads="pairs", frozen="start"),
    "grpo": Kind(grpo, reads="rollouts", frozen="start", held_out=cross_entropy),
    "distillation": Kind(distillation, frozen="teacher"),
}


def kind(name: str) -> Kind:
    """The row of that name. Raises ValueError naming the nearest."""
    if name not in OBJECTIVES:
        raise ValueError(f"no objective {name!r}{_nearest(name, list(OBJECTIVES))}")
    return OBJECTIVES[name]


def build(name: str, frozen: Frozen = nothing, **options: Any) -> Objective:
    """The objective of that name with its options. Raises ValueError naming the nearest objective or option for anything unknown."""
    make = kind(name).make
    known = list(inspect.signature(make).parameters)[1:]
    for option in options:
        if option not in known:
            raise ValueError(f"objective {name} has no option {option!r}{_nearest(option, known)}")
    return make(frozen, **options)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}" if known else ""
