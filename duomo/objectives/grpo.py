"""GRPO: to do more of what was better than the group's mean. B = rows, T = tokens, N = targets, G = answers to one question."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from duomo.batch import IGNORE, Batch
from duomo.objectives.cross_entropy import label_nats, summed
from duomo.objectives.kind import Frozen
from duomo.objectives.loss import Loss, Objective

if TYPE_CHECKING:
    from duomo.model import Model


@dataclass(frozen=True, kw_only=True)
class Rollout(Batch):
    """Answers that the model gave, one a row, every token of them a label."""

    reward_B: Tensor
    advantage_B: Tensor  # how much better than its group
    nats_BT: Tensor | None = None  # -log p of each label when it was drawn; None: the model has not changed since
    temperature: float = 1.0  # at which it was drawn: that is the distribution whose probabilities count


def grpo(frozen: Frozen, clip: float = 0.2, kl: float = 0.0) -> Objective:
    """The advantage of each token's answer times the ratio of its probability to what it was, clipped to 1 ± clip
    (Shao et al., "DeepSeekMath", 2024, 4.1); `kl` times the divergence from the reference is added (their equation 4).

    Averaged over tokens, not first over each answer, so that long answers are not taught less (Yu et al., "DAPO", 2025).
    """

    if kl:
        frozen()  # what is missing is told before anything begins

    def objective(model: "Model", batch: Batch) -> Loss:
        assert isinstance(batch, Rollout)
        here_BT = batch.labels_BT != IGNORE
        nats_N = label_nats(model, batch, batch.temperature)
        before_N = nats_N.detach() if batch.nats_BT is None else batch.nats_BT[here_BT]
        advantage_N = batch.advantage_B[here_BT.nonzero()[:, 0]]
        ratio_N = (before_N - nats_N).exp()
        loss_N = -torch.minimum(ratio_N * advantage_N, ratio_N.clamp(1 - clip, 1 + clip) * advantage_N)
        if kl:
            with frozen() as reference, torch.no_grad():
                wanted_N = label_nats(reference, batch, batch.temperature)
            loss_N = loss_N + kl * divergence(nats_N - wanted_N)
        return summed(batch, loss_N)

    return objective


def divergence(gap_N: Tensor) -> Tensor:
    """(N,): what of KL(model || reference) one drawn token shows; never below 0, right on average (Schulman 2020, k3).

    `gap_N` is the log of the reference's probability over the model's.
    """
    return gap_N.exp() - gap_N - 1


def advantages(reward_B: Tensor, group: int) -> Tensor:
    """(B,): each reward less the mean of its group of consecutive rows, by the group's deviation; 0 where all are alike."""
    reward_PG = reward_B.double().unflatten(0, (-1, group))
    alike_P1 = reward_PG.amax(1, keepdim=True) == reward_PG.amin(1, keepdim=True)  # exactly: the mean of equals is rounded
    spread_P1 = reward_PG.std(1, keepdim=True, correction=0).masked_fill(alike_P1, 1.0)
    above_PG = (reward_PG - reward_PG.mean(1, keepdim=True)) / spread_P1
    return above_PG.masked_fill(alike_P1, 0.0).flatten().float()
