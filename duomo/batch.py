"""Batch: what the model reads.

B = rows, T = tokens, M = media items, N = patches of the largest item, F = numbers per patch, A = axes,
S = packed documents of like length, L = their longest.
"""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

IGNORE = -100  # the label of a token from which nothing is learned


@dataclass(frozen=True)
class Patches:
    """One item, cut. `coords_NA` counts patches along each axis; the front makes `tokens` of them."""

    values_NF: Tensor
    coords_NA: Tensor
    tokens: int
    seen: bool = False  # the values are what a frozen sense made of it: one row a token, as its projector reads them


@dataclass(frozen=True)
class Media:
    """All items of one modality in a batch, in reading order. Items are rows: nothing ever crosses from one to another."""

    values_MNF: Tensor
    coords_MNA: Tensor
    count_M: Tensor  # patches of each item; the rest of its row is padding
    row_M: Tensor  # the row of the batch that shows it
    seen: bool = False  # as of Patches


@dataclass(frozen=True)
class Layout:
    """What collate knows of the mask, so that no device is asked.

    causal: groups rise by one, padding only at the end. mutual: one group. packed: several documents in a row,
    `buckets` lists them by like length as places in the flattened (B*T) stream, -1 where shorter. dense: anything else.
    """

    kind: Literal["causal", "mutual", "packed", "dense"]
    causal: bool = True  # inside packed documents
    padded: bool = False
    buckets: tuple[Tensor, ...] = ()  # each (S, L)


@dataclass(frozen=True)
class Stream:
    """One sequence per row. A token sees every group up to its own, inside its own segment (0 is padding)."""

    ids_BT: Tensor
    group_BT: Tensor
    segment_BT: Tensor
    position_BT: Tensor
    media: dict[str, Media] = field(default_factory=dict)
    layout: Layout = Layout("dense")
    tokens: dict[str, int] = field(default_factory=dict)  # how many each modality's front will make


@dataclass(frozen=True)
class Batch:
    """`source` is read by the encoder, `target` by the decoder; labels belong to the target, or to the source of an encoder."""

    source: Stream | None
    target: Stream | None
    labels_BT: Tensor
    weight_BT: Tensor | None = None  # how much each label counts; None: all the same


def move(record: Any, device: torch.device | str) -> Any:
    """The same record with every tensor on `device`."""
    if isinstance(record, Tensor):
        return record.to(device, non_blocking=True)
    if isinstance(record, dict):
        return {key: move(value, device) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return type(record)(move(value, device) for value in record)
    if is_dataclass(record) and not isinstance(record, type):
        return replace(record, **{f.name: move(getattr(record, f.name), device) for f in fields(record)})
    return record
