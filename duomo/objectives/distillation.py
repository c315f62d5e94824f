"""Distillation: a student is to foretell what its teacher foretells. N = targets, V = vocabulary."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import IGNORE, Batch
from duomo.objectives.cross_entropy import CHUNK, summed
from duomo.objectives.kind import Frozen
from duomo.objectives.loss import Loss, Objective

if TYPE_CHECKING:
    from duomo.model import Model


def distillation(frozen: Frozen, temperature: float = 2.0, share: float = 0.5) -> Objective:
    """`share` of the divergence from the teacher, both softened by the temperature, and the rest cross-entropy, at every label
    (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, 2).
    """

    frozen()  # what is missing is told before anything begins

    def objective(model: "Model", batch: Batch) -> Loss:
        here_BT = batch.labels_BT != IGNORE
        labels_N, ours_ND = batch.labels_BT[here_BT], model.hidden(batch)[here_BT]
        with frozen() as teacher:
            with torch.no_grad():
                theirs_ND = teacher.hidden(batch)[here_BT]
            nats = [ours_ND.new_zeros(0)]
            for ours, theirs, labels in zip(*(x.split(CHUNK) for x in (ours_ND, theirs_ND, labels_N)), strict=True):
                logits_NV = model.logits(ours).float()
                with torch.no_grad():
                    wanted_NV = teacher.logits(theirs).float()
                hard_N = F.cross_entropy(logits_NV, labels, reduction="none")
                nats.append(share * divergence(wanted_NV, logits_NV, temperature) + (1 - share) * hard_N)
        return summed(batch, torch.cat(nats))

    return objective


def divergence(teacher_NV: Tensor, student_NV: Tensor, temperature: float) -> Tensor:
    """(N,): temperature² KL(teacher || student) of softened logits; the square keeps its gradient's size beside cross-entropy."""
    wanted_NV, given_NV = ((logits_NV / temperature).log_softmax(-1) for logits_NV in (teacher_NV, student_NV))
    return temperature**2 * F.kl_div(given_NV, wanted_NV, reduction="none", log_target=True).sum(-1)
