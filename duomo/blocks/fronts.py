"""Fronts: what a sense does first. Patches become tokens, and tokens get their place.

M = items, N = patches or tokens of the largest, F = numbers per patch, A = axes, C = channels, D = width.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.batch import Media
from duomo.recipe import SenseRecipe

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
EPS = 1e-5
FREQUENCIES = 8  # wavelengths of 4 to 512 tokens


class Place(nn.Module):
    """(…, A) coordinates in tokens -> (…, D), by sines of several frequencies."""

    def __init__(self, axes: int, dim: int):
        super().__init__()
        self.map = nn.Linear(2 * FREQUENCIES * axes, dim, bias=False)
        nn.init.normal_(self.map.weight, std=(2 * FREQUENCIES * axes) ** -0.5)

    def forward(self, coords_NA: Tensor) -> Tensor:
        rate = (math.pi / 2) * 0.5 ** torch.arange(FREQUENCIES, device=coords_NA.device)
        angle = (coords_NA[..., None] * rate).flatten(-2)
        return self.map(torch.cat([angle.sin(), angle.cos()], -1).to(self.map.weight.dtype))


class Table(nn.Module):
    """(…, A) coordinates in tokens -> (…, D): one vector for each place of the largest item, in raster order."""

    def __init__(self, sides: Sequence[int], dim: int):
        super().__init__()
        self.sides = tuple(sides)
        self.table = nn.Parameter(torch.empty(math.prod(sides), dim))
        nn.init.normal_(self.table, std=0.02)

    def forward(self, coords_NA: Tensor) -> Tensor:
        return F.embedding(raster(coords_NA.long(), self.sides), self.table)


class Leading(nn.Module):
    """(M, N, D) -> (M, L + N, D): learned vectors before each item's tokens, as ViT's class token. Their place is part of them."""

    def __init__(self, count: int, dim: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(count, dim))
        nn.init.normal_(self.table, std=0.02)

    def forward(self, x_MND: Tensor) -> Tensor:
        return torch.cat([self.table.to(x_MND.dtype).expand(len(x_MND), -1, -1), x_MND], 1)


class PatchFront(nn.Module):
    """Each patch alone: one linear map."""

    def __init__(self, features: int, dim: int):
        super().__init__()
        self.map = nn.Linear(features, dim)

    def forward(self, media: Media) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (M, N, D), their coordinates (M, N, A), and which are real (M, N)."""
        real_MN = torch.arange(media.values_MNF.shape[1], device=media.count_M.device) < media.count_M[:, None]
        return self.map(media.values_MNF), media.coords_MNA.float(), real_MN


class ConvFront(nn.Module):
    """Convolutions over the grid of patches of each item; what lies outside an item is zero at every layer.

    So an item's tokens are the same alone or beside larger ones. One axis, strides 1 and 2: Whisper's front, without norm.
    """

    def __init__(self, recipe: SenseRecipe, features: int):
        super().__init__()
        self.axes, self.normed, self.outside = len(recipe.strides[0]), recipe.norm, recipe.outside
        conv: Any = CONV[self.axes]
        widths = zip((features, *recipe.channels[:-1]), recipe.channels, recipe.strides, strict=True)
        convs = [conv(i, o, 3, stride=stride, padding=1) for i, o, stride in widths]
        for module in convs:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        self.convs: Sequence[Any] = nn.ModuleList(convs)  # type: ignore[assignment]  # a list, and seen as modules

    def forward(self, media: Media) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (M, N, D), their coordinates (M, N, A), and which are real (M, N)."""
        x, real = canvas(media)
        whole = bool(real.all())  # items of one size leave nothing outside
        x = (x - self.outside) * real
        for layer, conv in enumerate(self.convs):
            steps = (slice(None), slice(None), *(slice(None, None, step) for step in conv.stride))
            x, real = self._convolve(x, layer), real[steps]
            if self.normed:
                x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPS)
            x = F.gelu(x) if whole else F.gelu(x) * real
        grid = torch.stack(torch.meshgrid(*(torch.arange(n, device=x.device) for n in x.shape[2:]), indexing="ij"), -1)
        coords_MNA = grid.flatten(0, -2).float().expand(len(x), -1, -1)
        return x.flatten(2).transpose(1, 2), coords_MNA, real.flatten(1)

    def _convolve(self, x: Tensor, layer: int) -> Tensor:
        return self.convs[layer](x)


def canvas(media: Media) -> tuple[Tensor, Tensor]:
    """Patches laid out by their coordinates: (M, F, *grid), and 1 where an item has a patch, (M, 1, *grid)."""
    items, patches, features = media.values_MNF.shape
    real_MN = torch.arange(patches, device=media.count_M.device) < media.count_M[:, None]
    grid = [int(side) + 1 for side in (media.coords_MNA * real_MN[..., None]).amax((0, 1))]
    cells = math.prod(grid)
    place_MN1 = torch.where(real_MN, raster(media.coords_MNA, grid), cells)[..., None]  # one cell past the end takes the padding
    values = media.values_MNF.new_zeros(items, cells + 1, features).scatter(1, place_MN1.expand(-1, -1, features), media.values_MNF)
    real = media.values_MNF.new_zeros(items, cells + 1, 1).scatter(1, place_MN1, 1.0)
    return values[:, :cells].transpose(1, 2).unflatten(2, grid), real[:, :cells].transpose(1, 2).unflatten(2, grid)


def raster(coords_NA: Tensor, sides: Sequence[int]) -> Tensor:
    """(…, A) whole coordinates -> (…): places in a grid of these sides, the last axis fastest."""
    place_N = coords_NA[..., 0]
    for axis, side in enumerate(sides[1:], 1):
        place_N = place_N * side + coords_NA[..., axis]
    return place_N
