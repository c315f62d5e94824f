"""Attention. B = rows, T = queries, S = keys, D = width, H = heads, K = head width, N = tokens, P = packed places."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.blocks.cache import Cache
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

    def forward(self, x_BTD: Tensor, view: View, turn: Turn | None = None, cache: Cache | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D): tokens read one another."""
        q_BHTK, (k_BHSK, v_BHSK) = self._queries(x_BTD), self.keys(x_BTD)
        if turn is not None:
            q_BHTK, k_BHSK = rotate(q_BHTK, *turn), rotate(k_BHSK, *turn)
        if cache is not None:
            k_BHSK, v_BHSK = cache.extend(self, k_BHSK, v_BHSK)
        return self._read(q_BHTK, k_BHSK, v_BHSK, view)

    def read(self, x_BTD: Tensor, memory: tuple[Tensor, Tensor], view: View) -> Tensor:
        """(B, T, D) -> (B, T, D): tokens read a memory of keys and values, (B, H, S, K) each."""
        return self._read(self._queries(x_BTD), *memory, view)

    def keys(self, x_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, (B, H, S, K) each, before any rotation."""
        k_BHSK, v_BHSK = self._split(self.k(x_BSD), self.kv_heads), self._split(self.v(x_BSD), self.kv_heads)
        return (k_BHSK if self.k_norm is None else self.k_norm(k_BHSK)), v_BHSK

    def _queries(self, x_BTD: Tensor) -> Tensor:
        q_BHTK = self._split(self.q(x_BTD), self.heads)
        return q_BHTK if self.q_norm is None else self.q_norm(q_BHTK)

    def _split(self, x_BTD: Tensor, heads: int) -> Tensor:
        return x_BTD.unflatten(-1, (heads, self.head_dim)).transpose(1, 2)

    def _read(self, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, view: View) -> Tensor:
        if view.packed is not None:
            y_BTHK = packed_attention(q_BHTK, k_BHSK, v_BHSK, view.packed, view.causal)
        else:
            y_BTHK = _kernel(q_BHTK, k_BHSK, v_BHSK, view.mask, view.causal).transpose(1, 2)
        return self.out(y_BTHK.flatten(2))


def rotate(x_BHTK: Tensor, cos_B1TK: Tensor, sin_B1TK: Tensor) -> Tensor:
    """Turns the two halves of each head against each other (the half-split order of Llama and Qwen)."""
    a, b = x_BHTK.chunk(2, -1)
    return torch.cat([a * cos_B1TK - b * sin_B1TK, b * cos_B1TK + a * sin_B1TK], -1)


def packed_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, packed: Packed, causal: bool) -> Tensor:
    """(B, T, H, K): attention inside each document only, documents of like length together in one kernel call."""
    batch, _, length, _ = q_BHTK.shape
    flat = (x.transpose(1, 2).flatten(0, 1) for x in (q_BHTK, k_BHTK, v_BHTK))
    q_PHK, k_PHK, v_PHK = (_Rearrange.apply(x, packed.order_P, packed.back_N) for x in flat)
    sizes = [rows * width for rows, width in packed.shapes]
    pieces = []
    for q, k, v, shape, mask in zip(q_PHK.split(sizes), k_PHK.split(sizes), v_PHK.split(sizes), packed.shapes, packed.masks, strict=True):
        q_SHLK, k_SHLK, v_SHLK = (x.unflatten(0, shape).transpose(1, 2) for x in (q, k, v))
        pieces.append(_kernel(q_SHLK, k_SHLK, v_SHLK, mask, causal).transpose(1, 2).flatten(0, 1))
    return _Rearrange.apply(torch.cat(pieces), packed.back_N, packed.order_P).unflatten(0, (batch, length))


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
    shared = q_BHTK.shape[1] != k_BHSK.shape[1]
    return F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, mask, is_causal=causal, enable_gqa=shared)
