"""Load: what a step is assumed to read where no data is at hand: full rows, all of it learned, the largest item of each sense in each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from duomo.batch import IGNORE, Batch, Patches
from duomo.data.collate import Mask, collate
from duomo.data.render import Rendered
from duomo.modalities import MODALITIES
from duomo.modalities.modality import tile
from duomo.model import cuts
from duomo.recipe import CutRecipe, Recipe, SenseRecipe


@dataclass(frozen=True)
class Load:
    """The micro-batches of a step; `told` says in one sentence what they are."""

    batches: tuple[Batch, ...]
    told: str


def placeholders(recipe: Recipe) -> dict[str, int]:
    """An id for each sense: which does not matter to what a step takes."""
    return {name: number for number, name in enumerate(recipe.model.senses)}


def assumed(recipe: Recipe, devices: int = 1, items: Mapping[str, int] | None = None) -> Load:
    """A step of full rows on one of so many devices. `items`: of each sense in a row; as many as are said, else one where it fits.

    Raises ValueError for a sense that the model does not have, and where the items do not fit into a row.
    """
    length = recipe.data.row_tokens if recipe.data.pack and recipe.model.shape != "encoder_decoder" else recipe.data.max_tokens
    length = min(length, recipe.model.max_positions)
    shown = _shown(recipe, length, items)
    row = _row(recipe, length, shown)
    rows = -(-recipe.train.rows // devices)
    size = -(-rows // recipe.train.micro_batches)
    sizes = [min(size, rows - at) for at in range(0, rows, size)]
    batches = tuple(collate([[row] for _ in range(count)], recipe.model.shape, _masked(recipe)) for count in sizes)
    seen = ", ".join(f"{count} {name}" for name, count in shown.items() if count)
    told = f"rows of {length:,} tokens, all of them full" + (f", each with {seen} of the largest size" if seen else "")
    return Load(batches, f"assumed: {told}; --data measures the recipe's own")


def _shown(recipe: Recipe, length: int, wanted: Mapping[str, int] | None) -> dict[str, int]:
    known = recipe.model.senses
    for name in wanted or ():
        if name not in known:
            raise ValueError(f"--items {name}: this model has no such sense; it has: {', '.join(known) or 'none'}")
    patches = _patches(recipe)
    if wanted is not None:
        needed = sum(count * patches[name].tokens for name, count in wanted.items())
        if needed > length:
            raise ValueError(f"--items: they make {needed:,} tokens, but a row has {length:,}; show fewer, or raise data.row_tokens")
        return dict(wanted)
    found, left = dict[str, int](), length - 8
    for name, one in patches.items():
        found[name] = int(one.tokens <= left)
        left -= one.tokens * found[name]
    return found


def _row(recipe: Recipe, length: int, shown: Mapping[str, int]) -> Rendered:
    """A document that fills a row; of an encoder-decoder half is read and half is written."""
    place, patches = placeholders(recipe), _patches(recipe)
    media = [(name, patches[name]) for name, count in shown.items() for _ in range(count)]
    ids = [place[name] for name, one in media for _ in range(one.tokens)]
    words = recipe.model.vocab_size - 1  # an id that is no placeholder
    turn = max(len(ids), length // 2) + 1 if recipe.model.shape == "encoder_decoder" else 1
    more = length + (recipe.model.shape == "decoder") - len(ids)
    learn = [False] * len(ids) + [True] * more
    return Rendered(ids + [words] * more, learn, media, turn)


def _patches(recipe: Recipe) -> dict[str, Patches]:
    """The largest item of each sense, empty; of one whose views are kept, what it has seen."""
    made = cuts(recipe.model)
    return {name: _largest(recipe, name, sense, made[name]) for name, sense in recipe.model.senses.items()}


def _largest(recipe: Recipe, name: str, sense: SenseRecipe, cut: CutRecipe) -> Patches:
    axes = MODALITIES[sense.modality or name].axes
    whole = tile(np.zeros((*cut.size[:axes], cut.features), np.float32), cut, 0.0)
    if not (sense.frozen and recipe.data.cache_senses):
        return whole
    seen_NF, place_NA = torch.zeros(whole.tokens, sense.block.dim * sense.join), torch.zeros(whole.tokens, 1, dtype=torch.long)
    return Patches(seen_NF, place_NA, whole.tokens, seen=True)


def _masked(recipe: Recipe) -> Mask:
    """Of an encoder that fills in hidden words, the share that is hidden; of another all, as where documents are compared."""
    every = round(1 / recipe.data.mask_share) if recipe.data.mask_words else 1

    def mask(item: Rendered) -> tuple[Rendered, list[int]]:
        return item, [id if number % every == 0 else IGNORE for number, id in enumerate(item.ids)]

    return mask
