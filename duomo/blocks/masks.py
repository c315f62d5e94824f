"""Masks: who sees whom. B = rows, T = queries, S = keys, P = places of a packed stream laid out by like length."""

import torch
from torch import Tensor

from duomo.batch import Stream
from duomo.blocks.view import Packed, View


def self_mask(s: Stream) -> Tensor:
    """bool (B, 1, T, T): the one rule, dense: the same document, and groups up to one's own. The oracle of every other form."""
    return ((s.group_BT[:, None, :] <= s.group_BT[:, :, None]) & _same_segment(s, s))[:, None]


def cross_mask(query: Stream, key: Stream) -> Tensor:
    """bool (B, 1, T, S): a target token sees the source of its own document."""
    return _same_segment(query, key)[:, None]


def self_view(s: Stream, dense: bool = False) -> View:
    """The view of a stream on itself. `dense` forces the oracle."""
    if dense or s.layout.kind == "dense":
        return View(mask=self_mask(s))
    if s.layout.kind == "packed":
        return View(causal=s.layout.causal, packed=_packed(s))
    if s.layout.kind == "causal":
        return View(causal=True)  # padding comes last: nothing real can see it
    return View(mask=(s.segment_BT != 0)[:, None, None, :] if s.layout.padded else None)


def cross_view(query: Stream, key: Stream, dense: bool = False) -> View:
    """The view of a target on its source."""
    if dense or "packed" in (query.layout.kind, key.layout.kind) or key.layout.kind == "dense":
        return View(mask=cross_mask(query, key))
    return View(mask=(key.segment_BT != 0)[:, None, None, :] if key.layout.padded else None)


def _same_segment(query: Stream, key: Stream) -> Tensor:
    query_BT1, key_B1S = query.segment_BT[:, :, None], key.segment_BT[:, None, :]
    return (query_BT1 == key_B1S) | (query_BT1 == 0)  # padding sees all, so that no row is empty


def _packed(s: Stream) -> Packed:
    count = s.ids_BT.numel()
    flat_P = torch.cat([bucket.flatten() for bucket in s.layout.buckets])
    places_P = torch.arange(len(flat_P), device=flat_P.device)
    back_N = torch.full((count + 1,), len(flat_P), device=flat_P.device).scatter(0, flat_P % (count + 1), places_P)[:count]
    masks = tuple(None if s.layout.causal else _full(bucket) for bucket in s.layout.buckets)
    shapes = tuple((bucket.shape[0], bucket.shape[1]) for bucket in s.layout.buckets)
    return Packed(shapes, flat_P % (count + 1), back_N, masks, _starts(s), s.ids_BT.shape[1])


def _starts(s: Stream) -> Tensor | None:
    """Where documents begin. What is padded behind a causal document belongs to it: it comes last, so nothing real sees it."""
    if s.layout.padded and not s.layout.causal:
        return None
    begin_N = torch.cat([bucket[:, 0] for bucket in s.layout.buckets]).sort().values
    return torch.cat([begin_N, begin_N.new_full((1,), s.ids_BT.numel())]).int()


def _full(bucket_SL: Tensor) -> Tensor | None:
    there = bucket_SL >= 0
    return None if bool(there.all()) else there[:, None, None, :]
