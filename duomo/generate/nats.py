"""Nats: what given tokens cost. B = rows, R = rows after continuations parted, T = tokens, D = width, N = targets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import IGNORE, Batch
from duomo.generate.reader import Reader, refuse_training

if TYPE_CHECKING:
    from duomo.model import Model

CHUNK = 2048  # targets whose logits are held at a time


@torch.inference_mode()
def label_nats(model: "Model", batch: Batch) -> Tensor:
    """(B,): -log p of each row's labels, of a batch that `collate` made."""
    refuse_training(model)
    here_BT = batch.labels_BT != IGNORE
    return _sums(model, model.hidden(batch), batch.labels_BT.where(here_BT, 0), here_BT)


@torch.inference_mode()
def continuation_nats(model: "Model", prompt: Batch, tails: Sequence[Sequence[list[int]]]) -> Tensor:
    """(R,): -log p of every continuation of every row, row after row; each prompt is read once."""
    reader = Reader(model, prompt, max(len(tail) for row in tails for tail in row))
    return tail_nats(reader, reader.hidden()[:, -1:], tails)


@torch.inference_mode()
def tail_nats(reader: Reader, last_B1D: Tensor, tails: Sequence[Sequence[list[int]]]) -> Tensor:
    """The same of prompts that were read already, `last_B1D` being what the reader gave last of each. The reader goes on by the tails."""
    flat = [tail for row in tails for tail in row]
    length, device = max(map(len, flat)), reader.target.ids_BT.device
    row_R = torch.tensor([r for r, row in enumerate(tails) for _ in row], device=device)
    ids_RT = torch.tensor([tail + [0] * (length - len(tail)) for tail in flat], device=device)
    real_RT = torch.arange(length, device=device) < torch.tensor([[len(tail)] for tail in flat], device=device)
    hidden_RTD = last_B1D[row_R]
    if length > 1:
        reader.select(row_R)
        reader.add(ids_RT[:, :-1], real_RT[:, 1:])  # the last token of each foretells nothing
        hidden_RTD = torch.cat([hidden_RTD, reader.hidden()], 1)
    return _sums(reader.model, hidden_RTD, ids_RT, real_RT)


def _sums(model: "Model", hidden_BTD: Tensor, ids_BT: Tensor, real_BT: Tensor) -> Tensor:
    chunks = zip(hidden_BTD[real_BT].split(CHUNK), ids_BT[real_BT].split(CHUNK), strict=True)
    nats_N = torch.cat([F.cross_entropy(model.logits(hidden).float(), ids, reduction="none") for hidden, ids in chunks])
    row_N = real_BT.nonzero()[:, 0]
    return nats_N.new_zeros(len(ids_BT)).index_add(0, row_N, nats_N)
