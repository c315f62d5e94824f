"""Modality: how one kind of media is read, written and cut into patches. This file is the contract."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from duomo.batch import Patches
from duomo.recipe import CutRecipe


@dataclass(frozen=True)
class Modality:
    """A way to cut patches.

    `read(value, cut)` takes a path or a file's bytes; raises ValueError with the mend for what it can not read.
    `cut(raw, cut)` makes the Patches of one item, in raster order (last axis fastest), `tokens` already merged.
    `write(raw)` gives the bytes of a file that `read` reads back, `suffix` its ending.
    """

    name: str
    axes: int  # 1: time; 2: rows, columns; 3: time, rows, columns
    read: Callable[[Path | bytes, CutRecipe], Any]
    cut: Callable[[Any, CutRecipe], Patches]
    write: Callable[[Any], bytes]
    suffix: str
    default: CutRecipe
    suffixes: tuple[str, ...] = ()  # further endings that it reads, in lower case, by which folders are searched


def token_count(grid: tuple[int, ...], merge: tuple[int, ...]) -> int:
    """How many tokens the front makes of a grid of patches: each stride rounds up."""
    count = 1
    for side, step in zip(grid, merge, strict=True):
        count *= -(-side // step)
    return count


def tile(units: np.ndarray, recipe: CutRecipe, fill: float) -> Patches:
    """Cuts float32 units (*axes, features) into blocks of `recipe.hop`; what the last blocks lack is `fill`.

    Patches stand in raster order; inside a patch the numbers keep the order of the axes, features fastest.
    Coordinates count patches (int64).
    """
    sides = units.shape[:-1]
    grid = tuple(-(-side // hop) for side, hop in zip(sides, recipe.hop, strict=True))
    lack = [(0, count * hop - side) for count, hop, side in zip(grid, recipe.hop, sides, strict=True)]
    if any(after for _, after in lack):
        units = np.pad(units, [*lack, (0, 0)], constant_values=fill)
    axes = len(grid)
    blocks = units.reshape(*(n for pair in zip(grid, recipe.hop, strict=True) for n in pair), units.shape[-1])
    blocks = blocks.transpose(*range(0, 2 * axes, 2), *range(1, 2 * axes, 2), 2 * axes)  # all places, then what lies inside
    values_NF = np.ascontiguousarray(blocks.reshape(math.prod(grid), recipe.patch_features), dtype=np.float32)
    coords_NA = np.ascontiguousarray(np.indices(grid).reshape(axes, -1).T)
    return Patches(torch.from_numpy(values_NF), torch.from_numpy(coords_NA), token_count(grid, recipe.merge))
