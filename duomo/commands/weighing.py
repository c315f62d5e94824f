"""Weighing: how much memory a model will take once it is served, told before a weight of it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from duomo import recipe
from duomo.commands.resolve import RECIPE
from duomo.generate.room import NUMBER, cache_bytes
from duomo.generate.script import script_of
from duomo.interchange import read
from duomo.model import Model, Unfilled
from duomo.recipe import ModelRecipe
from duomo.tokenizer import Tokenizer


@dataclass(frozen=True)
class Weight:
    """Bytes of a model's weights, and of the caches that its answers take, both as they are in memory."""

    weights: int
    caches: int = 0


def weigh(folder: Path, rows: int, tokens: int, halved: Callable[[ModelRecipe], bool] = lambda made: False) -> Weight:
    """A model whose queue has so many rows, and so many tokens for all of them. `halved`: whether its numbers take half the room.

    Raises ValueError for what is no model.
    """
    made, tokenizer = _told(folder)
    with Unfilled(), torch.device("meta"):
        model = Model(made, {name: 0 for name in made.senses})
    numbers = sum(parameter.numel() for parameter in model.parameters())
    writes = made.decoder_depth > 0 and script_of(tokenizer) is None  # what only hears has no queue
    number = NUMBER // 2 if writes and halved(made) else NUMBER
    return Weight(numbers * number, cache_bytes(made, rows, tokens // rows, number) if writes else 0)


def _told(folder: Path) -> tuple[ModelRecipe, Tokenizer]:
    """What a run says of itself, or another program's file or folder."""
    if (folder / RECIPE).is_file():
        made = recipe.load(folder / RECIPE)
        return made.model, Tokenizer.load(folder / "tokenizer.json", made.tokenizer.chat)
    outside = read(folder)
    return outside.model, outside.tokenizer
