"""Preview: a rendered sample as a person sees it in a terminal: tokens, what is learned of them, the media as small pictures."""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Protocol

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from duomo.batch import Patches
from duomo.recipe import CutRecipe

LEARNED, ASKED, CONTROL = "black on bright_green", "default", "dim cyan"
COLUMNS = 64  # of a terminal, for one piece of media
FRAMES = 4


class Rendered(Protocol):
    """What is previewed of a rendered sample."""

    ids: list[int]
    learn: list[bool]
    media: list[tuple[str, Patches]]


def preview(item: Rendered, readable: Callable[[int], str], cuts: Mapping[str, CutRecipe]) -> RenderableType:
    """The tokens, learned ones marked, then each piece of media as the model sees it. `readable` names one token."""
    shown: list[RenderableType] = [tokens(item, readable)]
    for kind, patches in item.media:
        grid = " x ".join(str(int(side) + 1) for side in patches.coords_NA.amax(0))
        shown.append(Text(f"{kind}: {grid} patches of {patches.values_NF.shape[1]} numbers, {patches.tokens} tokens", style="dim"))
        shown.append(blocks(picture(patches, cuts[kind])))
    return Group(*shown)


def tokens(item: Rendered, readable: Callable[[int], str]) -> Text:
    """The tokens with a thin line between them; runs of one placeholder as "<|image|> x 12"."""
    line = Text()
    for (id, learned), run in groupby(zip(item.ids, item.learn, strict=True)):
        count, name = len(list(run)), readable(id)
        control = name.startswith("<|") and name.endswith("|>")
        style = LEARNED if learned else CONTROL if control else ASKED
        words = [f"{name} x {count}"] if control and count > 1 else [name] * count
        for word in words:
            line.append(word.replace("\n", "↵\n"), style)
            line.append("·", "dim")
    return line


def picture(patches: Patches, recipe: CutRecipe) -> np.ndarray:
    """(H, W, C) of 0 … 1 out of patches: a picture itself, sound as its spectrum (low below), film as a few frames in a row."""
    units = assemble(patches, recipe)
    drawn = {1: _spectrum, 2: lambda still: still, 3: _frames}[units.ndim - 1](units)
    low, high = float(drawn.min()), float(drawn.max())
    return (drawn - low) / (high - low) if high > low else np.zeros_like(drawn)


def assemble(patches: Patches, recipe: CutRecipe) -> np.ndarray:
    """The inverse of cutting: units (*axes, features), padding included."""
    places = patches.coords_NA.numpy().astype(np.int64)
    grid, hop = places.max(axis=0) + 1, recipe.hop
    blocks = np.zeros((*grid, *hop, recipe.features), np.float32)
    blocks[tuple(places.T)] = patches.values_NF.float().numpy().reshape(-1, *hop, recipe.features)
    axes = len(hop)
    woven = blocks.transpose(*(axis for i in range(axes) for axis in (i, axes + i)), 2 * axes)
    return woven.reshape(*(int(g) * h for g, h in zip(grid, hop, strict=True)), recipe.features)


def blocks(drawn_HWC: np.ndarray, columns: int = COLUMNS) -> Text:
    """A picture of 0 … 1 as half-block characters, two rows of pixels a line."""
    small = _shrink(drawn_HWC, columns)
    if len(small) % 2:
        small = np.concatenate([small, np.zeros_like(small[:1])])
    levels = (small.clip(0, 1) * 255).astype(int)
    text = Text()
    for top, bottom in zip(levels[::2], levels[1::2], strict=True):
        for above, below in zip(top, bottom, strict=True):
            text.append("▀", f"{_colour(above)} on {_colour(below)}")
        text.append("\n")
    return text


def _spectrum(bands_TF: np.ndarray) -> np.ndarray:
    return bands_TF.T[::-1, :, None]


def _frames(film_LHWC: np.ndarray) -> np.ndarray:
    some = np.linspace(0, len(film_LHWC) - 1, min(FRAMES, len(film_LHWC))).round().astype(int)
    return np.concatenate([film_LHWC[i] for i in some], axis=1)


def _shrink(drawn: np.ndarray, columns: int) -> np.ndarray:
    """Means over blocks, so that the width fits; the shape is kept, for a half block is a square."""
    step = -(-drawn.shape[1] // columns)
    if step == 1:
        return drawn
    lack = [(0, -side % step) for side in drawn.shape[:2]]
    padded = np.pad(drawn, [*lack, (0, 0)], mode="edge")
    rows, width = padded.shape[0] // step, padded.shape[1] // step
    return padded.reshape(rows, step, width, step, -1).mean(axis=(1, 3))


def _colour(pixel: np.ndarray) -> str:
    red, green, blue = pixel if len(pixel) == 3 else [int(pixel.mean())] * 3
    return f"rgb({red},{green},{blue})"
