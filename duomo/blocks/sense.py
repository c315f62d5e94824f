"""Sense: front, stack, projector.

M = items, N = patches or tokens of the largest, F = numbers per patch, A = axes, C = channels, D = width.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.batch import Media
from duomo.blocks.stack import Stack
from duomo.blocks.view import View
from duomo.recipe import CutRecipe, SenseRecipe

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
        self.normed, self.outside = recipe.norm, recipe.outside
        conv: Any = CONV[len(recipe.strides[0])]
        widths = zip((features, *recipe.channels[:-1]), recipe.channels, recipe.strides, strict=True)
        convs = [conv(i, o, 3, stride=stride, padding=1) for i, o, stride in widths]
        for module in convs:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        self.convs: Iterable[Any] = nn.ModuleList(convs)

    def forward(self, media: Media) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (M, N, D), their coordinates (M, N, A), and which are real (M, N)."""
        x, real = canvas(media)
        whole = bool(real.all())  # items of one size leave nothing outside
        x = (x - self.outside) * real
        for conv in self.convs:
            steps = (slice(None), slice(None), *(slice(None, None, step) for step in conv.stride))
            x, real = conv(x), real[steps]
            if self.normed:
                x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPS)
            x = F.gelu(x) if whole else F.gelu(x) * real
        grid = torch.stack(torch.meshgrid(*(torch.arange(n, device=x.device) for n in x.shape[2:]), indexing="ij"), -1)
        coords_MNA = grid.flatten(0, -2).float().expand(len(x), -1, -1)
        return x.flatten(2).transpose(1, 2), coords_MNA, real.flatten(1)


def canvas(media: Media) -> tuple[Tensor, Tensor]:
    """Patches laid out by their coordinates: (M, F, *grid), and 1 where an item has a patch, (M, 1, *grid)."""
    items, patches, features = media.values_MNF.shape
    real_MN = torch.arange(patches, device=media.count_M.device) < media.count_M[:, None]
    grid = [int(side) + 1 for side in (media.coords_MNA * real_MN[..., None]).amax((0, 1))]
    cells = math.prod(grid)
    place_MN = media.coords_MNA[..., 0]
    for axis, side in enumerate(grid[1:], 1):
        place_MN = place_MN * side + media.coords_MNA[..., axis]
    place_MN1 = torch.where(real_MN, place_MN, cells)[..., None]  # one cell past the end takes the padding
    values = media.values_MNF.new_zeros(items, cells + 1, features).scatter(1, place_MN1.expand(-1, -1, features), media.values_MNF)
    real = media.values_MNF.new_zeros(items, cells + 1, 1).scatter(1, place_MN1, 1.0)
    return values[:, :cells].transpose(1, 2).unflatten(2, grid), real[:, :cells].transpose(1, 2).unflatten(2, grid)


class Sense(nn.Module):
    """front -> Stack with a mutual mask -> projector; items are rows throughout."""

    def __init__(self, recipe: SenseRecipe, cut: CutRecipe, dim: int):
        super().__init__()
        _refuse_misfit(recipe, cut)
        inner = recipe.block.dim
        if recipe.front == "conv":
            self.front: nn.Module = ConvFront(recipe, cut.patch_features)
        else:
            self.front = PatchFront(cut.patch_features, inner)
        self.place = Place(len(cut.hop), inner)
        self.stack = Stack(recipe.block, recipe.depth)
        self.project = nn.Linear(inner, dim)

    def forward(self, media: Media) -> Tensor:
        """(tokens of all items in reading order, D)."""
        x_MND, coords_MNA, real_MN = self.front(media)
        whole = bool(real_MN.all())
        view = View(mask=None if whole else real_MN.bool()[:, None, None, :])
        x_MND = self.stack(x_MND + self.place(coords_MNA), coords_MNA[..., 0].long(), view)
        return self.project(x_MND[real_MN.bool()])


def _refuse_misfit(recipe: SenseRecipe, cut: CutRecipe) -> None:
    """Raises ValueError where the front would make another number of tokens than the cut promises: answers would read shifted senses."""
    axes, strides = len(cut.hop), recipe.strides if recipe.front == "conv" else ((1,) * len(cut.hop),)
    if recipe.front == "conv" and (len(recipe.channels) != len(strides) or recipe.channels[-1:] != (recipe.block.dim,)):
        raise ValueError(f"a sense wants one entry of channels per entry of strides, the last equal to its block.dim {recipe.block.dim}")
    if any(len(step) != axes for step in strides) or tuple(map(math.prod, zip(*strides, strict=True))) != tuple(cut.merge):
        raise ValueError(f"a sense wants strides along {axes} axes that multiply to its cut.merge {tuple(cut.merge)}, not {strides}")
