"""Validate: held-out loss by data set, in nats per target."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from duomo.batch import Batch, move
from duomo.objectives.loss import Objective


@torch.no_grad()
def validate(model: nn.Module, held_out: Mapping[str, Sequence[Batch]], objective: Objective, device: torch.device) -> dict[str, float]:
    """The mean loss of each data set's fixed batches; the model is left in training mode if it was."""
    training = model.training
    model.eval()
    losses = {name: [objective(model, move(batch, device)) for batch in batches] for name, batches in held_out.items()}
    model.train(training)
    return {name: _mean(found) for name, found in losses.items()}


def _mean(losses: Sequence) -> float:  # noqa: ANN001
    total, count = sum(float(loss.total_B.sum()) for loss in losses), sum(float(loss.count_B.sum()) for loss in losses)
    return total / count
