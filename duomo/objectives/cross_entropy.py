"""Cross-entropy: next token, masked token or sequence to sequence; the labels tell which. N = targets, D = width, V = vocabulary."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import IGNORE, Batch, Stream
from duomo.objectives.loss import Loss

if TYPE_CHECKING:
    from duomo.model import Model

CHUNK = 256  # targets whose logits are held at a time: few enough to stay in the processor's cache


def cross_entropy(model: "Model", batch: Batch) -> Loss:
    """Nats of every target, summed by document. The head runs only where labels are."""
    return summed(batch, label_nats(model, batch))


def label_nats(model: "Model", batch: Batch, temperature: float = 1.0) -> Tensor:
    """(N,): -log p of each label of a batch, at a temperature."""
    here_BT = batch.labels_BT != IGNORE
    return target_nats(model, model.hidden(batch)[here_BT], batch.labels_BT[here_BT], temperature)


def summed(batch: Batch, loss_N: Tensor) -> Loss:
    """The loss of every label, weighted as the batch says, summed by document."""
    here_BT = batch.labels_BT != IGNORE
    stream = batch.target if batch.target is not None else batch.source
    assert stream is not None
    weight_N = torch.ones_like(loss_N) if batch.weight_BT is None else batch.weight_BT[here_BT]
    document_N, documents = documents_of(stream, here_BT)
    zeros = loss_N.new_zeros(documents)
    return Loss(zeros.index_add(0, document_N, loss_N * weight_N), zeros.index_add(0, document_N, weight_N))


def target_nats(model: "Model", hidden_ND: Tensor, labels_N: Tensor, temperature: float = 1.0) -> Tensor:
    """(N,): -log p of each label, at a temperature."""
    chunks = zip(hidden_ND.split(CHUNK), labels_N.split(CHUNK), strict=True)
    nats = [F.cross_entropy(_cooled(model.logits(hidden).float(), temperature), labels, reduction="none") for hidden, labels in chunks]
    return torch.cat(nats) if nats else hidden_ND.new_zeros(0)


def _cooled(logits_NV: Tensor, temperature: float) -> Tensor:
    return logits_NV if temperature == 1 else logits_NV / temperature  # a pass over logits for nothing is a hundredth of a step


def documents_of(stream: Stream, here_BT: Tensor) -> tuple[Tensor, int]:
    """The document's number of each chosen token, and how many numbers there are; rows of one document number as rows."""
    rows, most = stream.segment_BT.shape[0], int(stream.segment_BT.max())
    row_BT = torch.arange(rows, device=here_BT.device)[:, None]
    return (row_BT * most + stream.segment_BT - 1)[here_BT], rows * most
