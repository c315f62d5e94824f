"""Contrastive: what belongs together lies together. K = real tokens, N = documents, P = pairs, L = longest document, D = width."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import IGNORE, Batch, Stream
from duomo.objectives.cross_entropy import documents_of
from duomo.objectives.kind import Frozen
from duomo.objectives.loss import Loss, Objective

if TYPE_CHECKING:
    from duomo.model import Model


def contrastive(frozen: Frozen, temperature: float = 0.07) -> Objective:
    """Symmetric InfoNCE: each half of a pair is to find the other among those of the batch, by the cosine of their vectors
    (van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018; Radford et al., CLIP, 2021, 2.3).

    Documents 2i and 2i + 1, rows first and inside a row in their order, are the halves of pair i: rows 2i and 2i + 1, or packed. A
    pair's loss is the mean of both ways, in nats; a model that knows nothing loses the log of the number of pairs. Halves that read
    the same are not held against each other. A vector is the mean over its document's tokens: in an encoder all of them have seen
    the whole, and sentence vectors are read so too (`duomo.vectors`). The temperature is fixed: learned, it would be a weight that
    belongs to no model. Raises ValueError for one that is not above 0.

    The negatives of a pair are the other pairs of its micro-batch (and of its rank): more micro-batches have the same targets and
    the same divisor, but another, easier loss. As a pair's loss depends on others, gradients can not be told apart by sample.
    """

    if not temperature > 0:
        raise ValueError(f"objective contrastive: temperature is above 0, not {temperature}; 0.07 is usual")

    def objective(model: "Model", batch: Batch) -> Loss:
        stream = _whole(batch)
        number_K, count = numbered(stream)
        vector_ND = F.normalize(means(model.hidden(batch), stream, number_K, count).float(), dim=-1)
        score_PP = vector_ND[::2] @ vector_ND[1::2].T / temperature
        score_PP = score_PP.masked_fill(alike(stream, number_K, count), float("-inf"))
        truth_P = torch.arange(count // 2, device=score_PP.device)
        both = [F.cross_entropy(one_PP, truth_P, reduction="none") for one_PP in (score_PP, score_PP.T)]
        weight_P = _weights(batch, stream, number_K, count).unflatten(0, (-1, 2)).sum(1)
        return Loss((both[0] + both[1]) / 2 * weight_P, weight_P)

    return objective


def numbered(stream: Stream) -> tuple[Tensor, int]:
    """(K,): the number of each real token's document, and how many documents there are."""
    number_K, _ = documents_of(stream, stream.segment_BT != 0)
    known, number_K = number_K.unique(return_inverse=True)
    return number_K, len(known)


def means(hidden_BTD: Tensor, stream: Stream, number_K: Tensor, count: int) -> Tensor:
    """(N, D): the mean of each document's hidden states."""
    hidden_KD = hidden_BTD[stream.segment_BT != 0]
    sums_ND = hidden_KD.new_zeros(count, hidden_KD.shape[-1]).index_add(0, number_K, hidden_KD)
    return sums_ND / number_K.bincount(minlength=count)[:, None]


def alike(stream: Stream, number_K: Tensor, count: int) -> Tensor:
    """(P, P): whether two pairs have the same first or the same second half, word for word. A pair is not like itself.

    Where the batch has media, first halves are these and not words; what they show is not compared.
    """
    real_BT = stream.segment_BT != 0
    longest = int(stream.position_BT.max()) + 1
    ids_NL = torch.full((count, longest), -1, device=number_K.device)
    ids_NL[number_K, stream.position_BT[real_BT]] = stream.ids_BT[real_BT]
    text_N = ids_NL.unique(dim=0, return_inverse=True)[1]
    first_P, second_P = text_N[::2], text_N[1::2]
    same_PP = second_P[:, None] == second_P
    if not stream.media:
        same_PP = same_PP | (first_P[:, None] == first_P)
    return same_PP & ~torch.eye(count // 2, dtype=torch.bool, device=same_PP.device)


def _whole(batch: Batch) -> Stream:
    if batch.source is None or batch.target is not None:
        raise ValueError("contrastive compares whole documents, as only an encoder reads them; set model.shape=encoder")
    return batch.source


def _weights(batch: Batch, stream: Stream, number_K: Tensor, count: int) -> Tensor:
    """(N,): what the labels of each document count; a half's is its last token, and counts one half."""
    label_BT = (batch.labels_BT != IGNORE).float() * (1.0 if batch.weight_BT is None else batch.weight_BT)
    label_K = label_BT[stream.segment_BT != 0]
    return label_K.new_zeros(count).index_add(0, number_K, label_K)
