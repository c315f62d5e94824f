"""Inflated: the sense of pictures, with a time axis, as the sense of clips. M = items, N = tokens, D = width, A = axes."""

import math
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from duomo.batch import Media
from duomo.blocks.fronts import ConvFront, Place
from duomo.recipe import CutRecipe, SenseRecipe

if TYPE_CHECKING:
    from duomo.blocks.sense import Sense


class Inflated(nn.Module):
    """Every instant of a clip is seen with the pictures' own weights; what is learned here over time is added to them.

    It begins at zero: at first a clip is so many pictures (Carreira and Zisserman 2017, here with the weights kept shared).
    Convolution, place of rows and columns, stack and projector are the pictures'; the weights over time are this sense's.
    """

    def __init__(self, recipe: SenseRecipe, cut: CutRecipe, still: "Sense"):
        super().__init__()
        self.still = (still,)  # in a tuple: its weights are saved and trained once, as its own
        self.front = InflatedFront(recipe, cut, still)
        self.time = Place(1, still.stack.recipe.dim)

    def forward(self, media: Media) -> Tensor:
        """(tokens of all items in reading order, width of the model)."""
        (still,) = self.still
        x_MND, coords_MNA, real_MN = self.front(media)
        seconds_MN1, within_MNA = coords_MNA[..., :1], coords_MNA[..., 1:]
        return still.read(x_MND + self.time(seconds_MN1) + still.place(within_MNA), within_MNA, real_MN)


class InflatedFront(ConvFront):
    """Convolutions over time, rows and columns: a picture's filters at the present instant, plus what is learned."""

    def __init__(self, recipe: SenseRecipe, cut: CutRecipe, still: "Sense"):
        front = _convolutions(recipe, cut, still)
        steps = [(*time, *conv.stride) for time, conv in zip(recipe.strides, front.convs, strict=True)]
        _refuse_misfit(recipe, cut, steps)
        channels = tuple(conv.out_channels for conv in front.convs)
        super().__init__(
            recipe.model_copy(update={"channels": channels, "strides": tuple(steps), "norm": front.normed, "outside": front.outside}),
            cut.patch_features,
        )
        self.still = (front,)
        for conv in self.convs:
            nn.init.zeros_(conv.weight)

    def _convolve(self, x: Tensor, layer: int) -> Tensor:
        (still,) = self.still
        change, picture = self.convs[layer], still.convs[layer]
        weight = change.weight + F.pad(picture.weight[:, :, None], (0, 0, 0, 0, 1, 1))
        return F.conv3d(x, weight, change.bias + picture.bias, change.stride, padding=1)


def _convolutions(recipe: SenseRecipe, cut: CutRecipe, still: "Sense") -> ConvFront:
    if not isinstance(still.front, ConvFront) or still.front.axes != 2 or not isinstance(still.place, Place):
        raise ValueError(f"a sense can inflate only convolutions over rows and columns, placed by sines; {recipe.inflates} has none")
    if len(recipe.strides) != len(still.front.convs) or any(len(step) != 1 for step in recipe.strides):
        raise ValueError(f"a sense that inflates {recipe.inflates} wants {len(still.front.convs)} strides over time, as [[1], [2]]")
    if still.front.convs[0].in_channels != cut.patch_features:
        wanted = still.front.convs[0].in_channels
        raise ValueError(f"a sense that inflates {recipe.inflates} wants its {wanted} numbers per patch, not {cut.patch_features}")
    return still.front


def _refuse_misfit(recipe: SenseRecipe, cut: CutRecipe, steps: list[tuple[int, ...]]) -> None:
    merge = tuple(map(math.prod, zip(*steps, strict=True)))
    if merge != tuple(cut.merge):
        raise ValueError(f"a sense that inflates {recipe.inflates} with strides {steps} wants cut.merge {merge}, not {tuple(cut.merge)}")
