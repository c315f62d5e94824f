"""Sense: front, stack, projector.

M = items, N = patches or tokens of the largest, T = these and what leads them, A = axes, D = width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.batch import Media
from duomo.blocks.fronts import ConvFront, Leading, PatchFront, Place, Table
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
        self.place: nn.Module = Table(_sides(recipe, cut), inner) if recipe.place == "table" else Place(len(cut.hop), inner)
        self.leading: nn.Module = Leading(recipe.leading, inner) if recipe.leading else nn.Identity()
        self.stack = Stack(recipe.block, recipe.depth)
        self.join = recipe.join
        self.project: nn.Module = nn.Linear(inner * recipe.join, dim) if recipe.project else nn.Identity()

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
        """What leads an item is read by its tokens and then left out: the cut promised these alone."""
        x_MTD = self.leading(x_MND)
        leading = x_MTD.shape[1] - x_MND.shape[1]
        seen_MT, position_MT = F.pad(real_MN.bool(), (leading, 0), value=True), F.pad(coords_MNA[..., 0].long(), (leading, 0))
        view = View(mask=None if bool(real_MN.all()) else seen_MT[:, None, None, :])
        x_MND = self.stack(x_MTD, position_MT, view)[:, leading:]
        if self.join > 1:
            x_MND, real_MN = _joined(x_MND, real_MN, self.join)
        return x_MND[real_MN.bool()]


def _joined(x_MND: Tensor, real_MN: Tensor, join: int) -> tuple[Tensor, Tensor]:
    """(M, N / join, join * D): runs of tokens side by side, zeros where an item has no more; and which of them hold a real one."""
    lack = -x_MND.shape[1] % join
    x_MND = F.pad(x_MND * real_MN[..., None], (0, 0, 0, lack))
    return x_MND.unflatten(1, (-1, join)).flatten(2), F.pad(real_MN, (0, lack))[:, ::join]


def _strides(recipe: SenseRecipe, cut: CutRecipe) -> tuple[tuple[int, ...], ...]:
    """Of the front, per layer and axis."""
    return recipe.strides if recipe.front == "conv" else ((1,) * len(cut.hop),)


def _sides(recipe: SenseRecipe, cut: CutRecipe) -> tuple[int, ...]:
    """Tokens of the stack along each axis, of the largest item."""
    merge = map(math.prod, zip(*_strides(recipe, cut), strict=True))
    return cut.model_copy(update={"merge": tuple(merge)}).sides


def _refuse_misfit(recipe: SenseRecipe, cut: CutRecipe, dim: int) -> None:
    """Raises ValueError where the front would make another number of tokens than the cut promises: answers would read shifted senses."""
    if not recipe.project and recipe.block.dim != dim:
        raise ValueError(f"a sense without a projector is as wide as the model: block.dim {dim}, not {recipe.block.dim}")
    axes, strides = len(cut.hop), _strides(recipe, cut)
    if recipe.join > 1 and (axes > 1 or not recipe.project):
        raise ValueError("a sense joins tokens along time alone, and projects what it has joined; leave join out")
    if recipe.front == "conv" and (len(recipe.channels) != len(strides) or recipe.channels[-1:] != (recipe.block.dim,)):
        raise ValueError(f"a sense wants one entry of channels per entry of strides, the last equal to its block.dim {recipe.block.dim}")
    merge = tuple(math.prod(steps) * recipe.join for steps in zip(*strides, strict=False))
    if any(len(step) != axes for step in strides) or merge != cut.merge:
        wanted = f"multiply to its cut.merge {tuple(cut.merge)}" + (f" with join {recipe.join}" if recipe.join > 1 else "")
        raise ValueError(f"a sense wants strides along {axes} axes that {wanted}, not {strides}")
