"""Sense: front, stack, projector.

M = items, N = patches or tokens of the largest, A = axes, D = width.
"""

import math

import torch
from torch import Tensor, nn

from duomo.batch import Media
from duomo.blocks.fronts import ConvFront, PatchFront, Place, Table
from duomo.blocks.stack import Stack
from duomo.blocks.view import View
from duomo.recipe import CutRecipe, SenseRecipe


class Sense(nn.Module):
    """front -> Stack with a mutual mask -> projector; items are rows throughout."""

    def __init__(self, recipe: SenseRecipe, cut: CutRecipe, dim: int):
        super().__init__()
        _refuse_misfit(recipe, cut, dim)
        inner = recipe.block.dim
        if recipe.front == "conv":
            self.front: nn.Module = ConvFront(recipe, cut.patch_features)
        else:
            self.front = PatchFront(cut.patch_features, inner)
        self.place: nn.Module = Table(cut.sides, inner) if recipe.place == "table" else Place(len(cut.hop), inner)
        self.stack = Stack(recipe.block, recipe.depth)
        self.project: nn.Module = nn.Linear(inner, dim) if recipe.project else nn.Identity()

    def forward(self, media: Media) -> Tensor:
        """(tokens of all items in reading order, D)."""
        return self.project(self.see(media))

    def see(self, media: Media) -> Tensor:
        """(tokens of all items in reading order, width of the stack): what is projected; media may bring it along."""
        if media.seen:
            return media.values_MNF[torch.arange(media.values_MNF.shape[1], device=media.count_M.device) < media.count_M[:, None]]
        x_MND, coords_MNA, real_MN = self.front(media)
        return self._stacked(x_MND + self.place(coords_MNA), coords_MNA, real_MN)

    def read(self, x_MND: Tensor, coords_MNA: Tensor, real_MN: Tensor) -> Tensor:
        """Placed tokens of the front -> (tokens of all items in reading order, D)."""
        return self.project(self._stacked(x_MND, coords_MNA, real_MN))

    def _stacked(self, x_MND: Tensor, coords_MNA: Tensor, real_MN: Tensor) -> Tensor:
        whole = bool(real_MN.all())
        view = View(mask=None if whole else real_MN.bool()[:, None, None, :])
        return self.stack(x_MND, coords_MNA[..., 0].long(), view)[real_MN.bool()]


def _refuse_misfit(recipe: SenseRecipe, cut: CutRecipe, dim: int) -> None:
    """Raises ValueError where the front would make another number of tokens than the cut promises: answers would read shifted senses."""
    if not recipe.project and recipe.block.dim != dim:
        raise ValueError(f"a sense without a projector is as wide as the model: block.dim {dim}, not {recipe.block.dim}")
    axes, strides = len(cut.hop), recipe.strides if recipe.front == "conv" else ((1,) * len(cut.hop),)
    if recipe.front == "conv" and (len(recipe.channels) != len(strides) or recipe.channels[-1:] != (recipe.block.dim,)):
        raise ValueError(f"a sense wants one entry of channels per entry of strides, the last equal to its block.dim {recipe.block.dim}")
    if any(len(step) != axes for step in strides) or tuple(map(math.prod, zip(*strides, strict=True))) != tuple(cut.merge):
        raise ValueError(f"a sense wants strides along {axes} axes that multiply to its cut.merge {tuple(cut.merge)}, not {strides}")
