"""Positions: rotary, learned, sinusoidal. B = rows, T = tokens, D = width, K = head width."""

import math

import torch
from torch import Tensor, nn

from duomo.recipe import BlockRecipe, RopeScaling


class Positions(nn.Module):
    """What a stack adds to its input, (B, T) -> (B, T, D); learned or sinusoidal."""

    def __init__(self, recipe: BlockRecipe, max_positions: int):
        super().__init__()
        if recipe.position == "learned":
            self.table = nn.Parameter(torch.empty(max_positions, recipe.dim))
        else:
            self.register_buffer("table", sinusoids(max_positions, recipe.dim), persistent=False)

    def forward(self, position_BT: Tensor) -> Tensor:
        return nn.functional.embedding(position_BT, self.table)


def sinusoids(length: int, dim: int) -> Tensor:
    """(length, dim): sine in even, cosine in odd columns, wavelengths from 2π to 10,000·2π ("Attention Is All You Need", 3.5)."""
    rate_D = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64) * (-math.log(10_000) / dim))
    angle_LD = torch.arange(length, dtype=torch.float64)[:, None] * rate_D
    return torch.stack([angle_LD.sin(), angle_LD.cos()], -1).flatten(1)[:, :dim].float()


def rotary_angles(recipe: BlockRecipe, head_dim: int) -> Tensor:
    """(K/2,): radians per position of each pair (RoFormer), stretched as the recipe says."""
    rate_K = recipe.theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    return (rate_K if recipe.scaling is None else _stretch(rate_K, recipe.scaling, recipe.theta, head_dim)).float()


def rotary_scale(recipe: BlockRecipe) -> float:
    """What cosine and sine are multiplied with: yarn makes attention sharper as the context grows (Peng et al. 2023, 3.4)."""
    if recipe.scaling is None or recipe.scaling.kind != "yarn":
        return 1.0
    return 0.1 * math.log(max(recipe.scaling.factor, 1.0)) + 1.0


def _stretch(rate_K: Tensor, scaling: RopeScaling, theta: float, head_dim: int) -> Tensor:
    slow_K = rate_K / scaling.factor
    if scaling.kind == "linear":
        return slow_K
    if scaling.kind == "llama3":  # long waves are slowed, short ones kept, those between blended
        turns_K = scaling.original_positions * rate_K / (2 * math.pi)
        keep_K = ((turns_K - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    else:  # yarn: the same idea, blended linearly in the pair's index

        def index(turns: float) -> float:
            return head_dim * math.log(scaling.original_positions / (turns * 2 * math.pi)) / (2 * math.log(theta))

        first, last = max(math.floor(index(scaling.high)), 0), min(math.ceil(index(scaling.low)), head_dim - 1)
        keep_K = 1 - ((torch.arange(head_dim // 2) - first) / max(last - first, 0.001)).clamp(0, 1)
    return keep_K * rate_K + (1 - keep_K) * slow_K
