"""Cross-entropy: next token, masked token or sequence to sequence; the labels tell which. N = targets, D = width, V = vocabulary."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import IGNORE, Batch, Stream
from duomo.objectives.loss import Loss

if TYPE_CHECKING:
    from duomo.model import Model

CHUNK = 256  # targets whose logits are held at a time: few enough to stay in the processor's cache
WIDE_CHUNK = 2**15  # on a GPU, which many at once keep busy


def cross_entropy(model: "Model", batch: Batch) -> Loss:
    """Nats of every target, summed by document. The head runs only where labels are."""
    labelled = labelled_of(batch)
    return labelled.summed(labelled.nats(model, batch))


def label_nats(model: "Model", batch: Batch, temperature: float = 1.0) -> Tensor:
    """(N,): -log p of each label of a batch, at a temperature."""
    return labelled_of(batch).nats(model, batch, temperature)


def summed(batch: Batch, loss_N: Tensor) -> Loss:
    """The loss of every label, weighted as the batch says, summed by document."""
    return labelled_of(batch).summed(loss_N)


@dataclass(frozen=True)
class Labelled:
    """Where a batch's labels are. Found before the model reads it: a GPU tells what it counted only after all it was given before."""

    place_N: Tensor  # in the flattened batch
    label_N: Tensor
    weight_N: Tensor | None
    document_N: Tensor
    documents: int

    def nats(self, model: "Model", batch: Batch, temperature: float = 1.0) -> Tensor:
        """(N,): -log p of each label."""
        hidden_ND = model.hidden(batch).flatten(0, 1)
        if len(self.place_N) < len(hidden_ND):
            hidden_ND = hidden_ND.index_select(0, self.place_N)
        return target_nats(model, hidden_ND, self.label_N, temperature)

    def summed(self, loss_N: Tensor) -> Loss:
        """The loss of every label, weighted, summed by document."""
        weight_N = torch.ones_like(loss_N) if self.weight_N is None else self.weight_N
        zeros = loss_N.new_zeros(self.documents)
        return Loss(zeros.index_add(0, self.document_N, loss_N * weight_N), zeros.index_add(0, self.document_N, weight_N))


def labelled_of(batch: Batch) -> Labelled:
    """Where the labels of a batch are, and what they are."""
    stream = batch.target if batch.target is not None else batch.source
    assert stream is not None
    here_BT = batch.labels_BT != IGNORE
    place_N = here_BT.flatten().nonzero()[:, 0]
    weight_N = None if batch.weight_BT is None else batch.weight_BT.flatten()[place_N]
    return Labelled(place_N, batch.labels_BT.flatten()[place_N], weight_N, *documents_of(stream, here_BT))


def target_nats(model: "Model", hidden_ND: Tensor, labels_N: Tensor, temperature: float = 1.0) -> Tensor:
    """(N,): -log p of each label, at a temperature."""
    size, nats_of = (WIDE_CHUNK, _fused()) if hidden_ND.is_cuda else (CHUNK, _nats)
    chunks = zip(hidden_ND.split(size), labels_N.split(size), strict=True)
    nats = [nats_of(model.logits(hidden), labels, temperature) for hidden, labels in chunks]
    return torch.cat(nats) if nats else hidden_ND.new_zeros(0)


def _nats(logits_NV: Tensor, labels_N: Tensor, temperature: float) -> Tensor:
    logits_NV = logits_NV.float()
    if temperature != 1:  # a pass over logits for nothing is a hundredth of a step
        logits_NV = logits_NV / temperature
    return F.cross_entropy(logits_NV, labels_N, reduction="none")


@cache
def _fused() -> Callable[[Tensor, Tensor, float], Tensor]:
    """The same as one kernel, which reads half-precision logits once and never writes them in float32."""
    return torch.compile(_nats, dynamic=True) if find_spec("triton") else _nats


def documents_of(stream: Stream, here_BT: Tensor) -> tuple[Tensor, int]:
    """The document's number of each chosen token, and how many numbers there are; rows of one document number as rows."""
    rows, most = stream.segment_BT.shape[0], int(stream.segment_BT.max())
    row_BT = torch.arange(rows, device=here_BT.device)[:, None]
    return (row_BT * most + stream.segment_BT - 1)[here_BT], rows * most
