"""DPO: to prefer one answer to another, held to a reference. B = rows, T = tokens, P = pairs, N = targets."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import IGNORE, Batch
from duomo.objectives.cross_entropy import label_nats
from duomo.objectives.kind import Frozen
from duomo.objectives.loss import Loss, Objective

if TYPE_CHECKING:
    from duomo.model import Model


def dpo(frozen: Frozen, beta: float = 0.1) -> Objective:
    """-log sigmoid of beta times how much more the chosen answer has gained than the rejected one (Rafailov et al. 2023, 4).

    Rows 2i and 2i + 1 are the two answers to one question; a pair counts what the weights of its labels sum to. A larger `beta`
    keeps the model nearer to the reference. The loss of the reference itself is log 2.
    """

    frozen()  # what is missing is told before anything begins

    def objective(model: "Model", batch: Batch) -> Loss:
        with frozen() as reference, torch.no_grad():
            before_B = answer_nats(reference, batch)
        gain_P2 = (before_B - answer_nats(model, batch)).unflatten(0, (-1, 2))
        count_P = _weight(batch)
        return Loss(-F.logsigmoid(beta * (gain_P2[:, 0] - gain_P2[:, 1])) * count_P, count_P)

    return objective


def answer_nats(model: "Model", batch: Batch) -> Tensor:
    """(B,): -log p of each row's labels together."""
    here_BT = batch.labels_BT != IGNORE
    nats_N = label_nats(model, batch)
    return nats_N.new_zeros(len(here_BT)).index_add(0, here_BT.nonzero()[:, 0], nats_N)


def _weight(batch: Batch) -> Tensor:
    """(P,): what each pair counts; 1 where labels have no weights."""
    here_BT = batch.labels_BT != IGNORE
    if batch.weight_BT is None:
        return torch.ones(len(here_BT) // 2, device=here_BT.device)
    return (batch.weight_BT * here_BT).sum(1).unflatten(0, (-1, 2)).sum(1)
