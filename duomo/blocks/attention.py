"""Attention. B = rows, T = queries, S = keys, D = width, H = heads, K = head width, N = tokens, P = packed places."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.blocks.cache import Cache, Slot
from duomo.blocks.product import mapped
from duomo.blocks.view import Packed, View
from duomo.recipe import BlockRecipe

Turn = tuple[Tensor, Tensor]  # cosine and sine, (B, 1, T, K/2)


class Attention(nn.Module):
    """softmax(Q Kᵀ / √K + M) V over H heads ("Attention Is All You Need", 3.2), with shared key/value heads where wanted."""

    def __init__(self, recipe: BlockRecipe):
        super().__init__()
        self.heads, self.kv_heads = recipe.heads, recipe.kv_heads or recipe.heads
        self.head_dim = recipe.head_width
        wide, narrow = self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.q = nn.Linear(recipe.dim, wide, bias="q" in recipe.bias)
        self.k = nn.Linear(recipe.dim, narrow, bias="k" in recipe.bias)
        self.v = nn.Linear(recipe.dim, narrow, bias="v" in recipe.bias)
        self.out = nn.Linear(wide, recipe.dim, bias="out" in recipe.bias)
        self.q_norm = nn.RMSNorm(self.head_dim, recipe.eps) if recipe.qk_norm else None
        self.k_norm = nn.RMSNorm(self.head_dim, recipe.eps) if recipe.qk_norm else None

    def forward(self, x_BTD: Tensor, view: View, turn: Turn | None = None, slot: Slot | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D): tokens read one another, and what was read before them where a cache keeps it."""
        q_BHTK, (k_BHSK, v_BHSK) = self._queries(x_BTD), self.keys(x_BTD)
        if turn is not None:
            q_BHTK, k_BHSK = rotate(q_BHTK, *turn), rotate(k_BHSK, *turn)
        if slot is not None:
            k_BHSK, v_BHSK = slot.extend(k_BHSK, v_BHSK)
        return self._read(q_BHTK, k_BHSK, v_BHSK, view)

    def read(self, x_BTD: Tensor, memory: tuple[Tensor, Tensor], view: View) -> Tensor:
        """(B, T, D) -> (B, T, D): tokens read a memory of keys and values, (B, H, S, K) each."""
        return self._read(self._queries(x_BTD), *memory, view)

    def keys(self, x_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, (B, H, S, K) each, before any rotation."""
        k_BHSK, v_BHSK = self._split(mapped(self.k, x_BSD), self.kv_heads), self._split(mapped(self.v, x_BSD), self.kv_heads)
        return (k_BHSK if self.k_norm is None else self.k_norm(k_BHSK)), v_BHSK

    def slot(self, cache: Cache) -> Slot:
        """Its place in a cache, kept in the precision in which it is computed."""
        weight, kind = self.k.weight, self.k.weight.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        return cache.slot(self, weight.new_empty(1, self.kv_heads, 0, self.head_dim, dtype=dtype))

    def _queries(self, x_BTD: Tensor) -> Tensor:
        q_BHTK = self._split(mapped(self.q, x_BTD), self.heads)
        return q_BHTK if self.q_norm is None else self.q_norm(q_BHTK)

    def _split(self, x_BTD: Tensor, heads: int) -> Tensor:
        return x_BTD.unflatten(-1, (heads, self.head_dim)).transpose(1, 2)

    def _read(self, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, view: View) -> Tensor:
        if view.packed is not None:
            y_BTHK = packed_attention(q_BHTK, k_BHSK, v_BHSK, view.packed, view.causal)
        else:
            y_BTHK = _kernel(q_BHTK, k_BHSK, v_BHSK, view.mask, view.causal).transpose(1, 2)
        return mapped(self.out, y_BTHK.flatten(2))


def rotate(x_BHTK: Tensor, cos_B1TK: Tensor, sin_B1TK: Tensor) -> Tensor:
    """Turns the two halves of each head against each other (the half-split order of Llama and Qwen)."""
    a, b = x_BHTK.chunk(2, -1)
    return torch.cat([a * cos_B1TK - b * sin_B1TK, b * cos_B1TK + a * sin_B1TK], -1).type_as(x_BHTK)


def packed_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, packed: Packed, causal: bool) -> Tensor:
    """(B, T, H, K): attention inside each document only, documents of like length together in one kernel call."""
    batch, _, length, _ = q_BHTK.shape
    flat = [x.transpose(1, 2).flatten(0, 1) for x in (q_BHTK, k_BHTK, v_BHTK)]
    if q_BHTK.is_cuda and packed.starts is not None and (q_BHTK.dtype.itemsize == 2 or torch.is_autocast_enabled("cuda")):
        return _any_length(flat, packed.starts, packed.longest, causal).unflatten(0, (batch, length))
    q_PHK, k_PHK, v_PHK = (_Rearrange.apply(x, packed.order_P, packed.back_N) for x in flat)
    sizes = [rows * width for rows, width in packed.shapes]
    pieces = []
    for q, k, v, shape, mask in zip(q_PHK.split(sizes), k_PHK.split(sizes), v_PHK.split(sizes), packed.shapes, packed.masks, strict=True):
        q_SHLK, k_SHLK, v_SHLK = (x.unflatten(0, shape).transpose(1, 2) for x in (q, k, v))
        pieces.append(_kernel(q_SHLK, k_SHLK, v_SHLK, mask, causal).transpose(1, 2).flatten(0, 1))
    return _Rearrange.apply(torch.cat(pieces), packed.back_N, packed.order_P).unflatten(0, (batch, length))


def _any_length(flat: Sequence[Tensor], starts: Tensor, longest: int, causal: bool) -> Tensor:
    """(N, H, K) of queries, keys and values alike: by one kernel that takes documents of any length, in half precision alone."""
    from torch.nn.attention.varlen import varlen_attn

    heads = flat[0].shape[1]
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else flat[0].dtype
    q_NHK, k_NHK, v_NHK = (x.to(dtype) if x.shape[1] == heads else x.to(dtype).repeat_interleave(heads // x.shape[1], 1) for x in flat)
    found = varlen_attn(q_NHK, k_NHK, v_NHK, starts, starts, longest, longest, window_size=(-1, 0 if causal else -1))
    assert isinstance(found, Tensor)
    return found


class _Rearrange(torch.autograd.Function):
    """Rows in another order, zeros where there is none. Each row is taken once, so the gradient is the way back: no sums."""

    @staticmethod
    def forward(ctx: Any, x_NF: Tensor, order_P: Tensor, back_N: Tensor) -> Tensor:
        ctx.save_for_backward(order_P, back_N)
        return _take(x_NF, order_P)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        order_P, back_N = ctx.saved_tensors
        return _Rearrange.apply(grads[0], back_N, order_P), None, None


def _take(x_NF: Tensor, index_P: Tensor) -> Tensor:
    return torch.cat([x_NF, x_NF.new_zeros(1, *x_NF.shape[1:])]).index_select(0, index_P)


def _kernel(q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    if q_BHTK.is_cuda and q_BHTK.shape[2] == 1 and mask is not None and torch.compiler.is_compiling():
        return _one_query(q_BHTK, k_BHSK, v_BHSK, mask)
    shared = q_BHTK.shape[1] != k_BHSK.shape[1]
    return F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, mask, is_causal=causal, enable_gqa=shared)


def _one_query(q_BH1K: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask_B11S: Tensor) -> Tensor:
    """(B, H, 1, K): the same as sums, which a compiler spreads over the keys; attention kernels spread their work over queries."""
    q_BHGK = q_BH1K[:, :, 0].unflatten(1, (k_BHSK.shape[1], -1)) * q_BH1K.shape[-1] ** -0.5
    score_BHGS = (q_BHGK[:, :, :, None].float() * k_BHSK[:, :, None].float()).sum(-1)
    p_BHGS = score_BHGS.masked_fill(~mask_B11S, -torch.inf).softmax(-1)
    y_BHGK = (p_BHGS[..., None] * v_BHSK[:, :, None].float()).sum(-2)
    return y_BHGK.flatten(1, 2)[:, :, None].to(v_BHSK.dtype)
