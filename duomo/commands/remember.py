"""Remember: a run whose frozen senses see each item once, and never again."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from duomo.batch import Media, move
from duomo.blocks import Sense
from duomo.checkpoint import weights_digest
from duomo.data.seen import Memory, Remembered
from duomo.data.shards import Items
from duomo.model import Model
from duomo.recipe import Recipe

if TYPE_CHECKING:
    from duomo.commands.ready import Ready


def remembering(ready: "Ready", model: Model, recipe: Recipe) -> "Ready":
    """The same data, with the media of frozen senses as these have seen them, where `data.cache_senses` wants it.

    A sense may train its projector, for that reads what is remembered. Raises ValueError where none is frozen so far.
    """
    if not recipe.data.cache_senses:
        return ready
    frozen = {name: sense for name, sense in model.senses.items() if isinstance(sense, Sense) and _frozen(sense)}
    if not frozen:
        raise ValueError("data.cache_senses: no sense is frozen but for its projector; freeze one, or set it to false")
    memories = {name: Memory(_folder(sense, name, recipe), _eye(sense)) for name, sense in frozen.items()}
    loader = replace(ready.loader, data=[Remembered(items, memories) for items in ready.loader.data])
    train, valid = (_all(split, memories) for split in (ready.train, ready.valid))
    return replace(ready, loader=loader, train=train, valid=valid)


def _all(split: Mapping[str, Items], memories: Mapping[str, Memory]) -> dict[str, Items]:
    return {name: Remembered(items, memories) for name, items in split.items()}


def _frozen(sense: Sense) -> bool:
    return not any(p.requires_grad for name, p in sense.named_parameters() if not name.startswith("project."))


def _folder(sense: Sense, name: str, recipe: Recipe) -> Path:
    """Named by all that what the sense makes of an item depends on: its weights and its recipe, not its projector."""
    total = hashlib.sha256(recipe.model.senses[name].model_dump_json().encode())
    for part in (sense.front, sense.place, sense.leading, sense.stack):
        total.update(weights_digest(part).encode())
    return Path(recipe.data.cache) / "seen" / total.hexdigest()[:16]


def _eye(sense: Sense) -> Callable[[Media], Tensor]:
    device = next(sense.parameters()).device

    def see(media: Media) -> Tensor:
        training = sense.training
        sense.eval()  # what is remembered drops nothing out
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            seen = sense.see(move(media, device))
        sense.train(training)
        return seen

    return see
