"""Kind: what an objective needs beside the model and the batch. This file is the contract."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from duomo.objectives.loss import Objective

Frozen = Callable[[], AbstractContextManager[Any]]  # opens a Model that is not trained, for as long as the block lasts


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    reads: whole samples; "pairs", in which rows 2i and 2i + 1 are the chosen and the rejected answer to one question; "halves", in
    which they are what is asked about and its answer, each a document of its own; or "rollouts", the model's own answers with their
    rewards. frozen: the model that `make` is given: none, the one that training starts from, or a teacher. held_out: what is shown of
    held-out data; None: the objective itself.
    """

    make: Callable[..., Objective]  # (frozen, **options)
    reads: Literal["samples", "pairs", "halves", "rollouts"] = "samples"
    frozen: Literal["none", "start", "teacher"] = "none"
    held_out: Objective | None = None


def nothing() -> AbstractContextManager[Any]:
    """The frozen model of an objective that wants none."""
    return nullcontext()
