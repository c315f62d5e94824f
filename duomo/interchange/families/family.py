"""Family: an architecture of the field as a recipe and a correspondence of names. This file is the contract.

A family says `recipe` (config -> ModelRecipe), `names` (where each tensor of `Model.state_dict()` lies outside) and `config`
(ModelRecipe -> config). A recipe can be written as a family exactly when its config, read back, is the same recipe.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from duomo.interchange.families.fields import Fields
from duomo.interchange.format import Lazy
from duomo.recipe import ModelRecipe, Projection
from duomo.tokenizer import Tokenizer

Config = dict[str, Any]
BIAS: tuple[Projection, ...] = ("q", "k", "v", "out", "up", "down")
ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu_erf", "relu": "relu"}
WORDS = {"gelu_tanh": "gelu_new", "gelu_erf": "gelu", "relu": "relu", "swiglu": "silu"}


@dataclass(frozen=True)
class Place:
    """Where one of the house's tensors lies outside: in which tensor, and how.

    `turned`: kept as (in, out). `part` of `parts`: one of several of equal height that are kept as one (GPT-2's q, k and v).
    `shape`: kept as a convolution over patches of this shape, (outputs, features, *sides); here a patch has its features fastest.
    `lone`: kept with an axis of one before all others.
    """

    name: str
    turned: bool = False
    part: int = 0
    parts: int = 1
    shape: tuple[int, ...] = ()
    lone: bool = False


Names = dict[str, Place]


@dataclass(frozen=True)
class Family:
    """One architecture. Names outside stand without `prefix`, which a file may have or lack; those in `bare` never have it."""

    architecture: str
    model_type: str
    recipe: Callable[[Fields], ModelRecipe]  # honours every field that changes the mathematics, or refuses it
    names: Callable[[ModelRecipe], Names]
    config: Callable[[ModelRecipe], Config]
    prefix: str = ""
    bare: tuple[str, ...] = ()
    ignored: str = r"(?!)"  # tensors that may lie in a file and are no weights of ours; a pattern over names without prefix
    older: Mapping[str, str] = field(default_factory=dict)  # ends of names as early files have them -> as they are today
    again: Mapping[str, str] = field(default_factory=dict)  # tensors that may lie in a file a second time -> what each then equals
    note: str = ""  # what of it stays out
    tokenizer: Callable[[Path, int], Tokenizer] | None = None  # reads tokenizer.json for a vocabulary of this size; None: as it is
    wordless: Callable[[Path], tuple[Tokenizer, str]] | None = None  # of a model without words: control tokens; a note on its folder
    joined: Callable[[ModelRecipe, Lazy], Lazy] | None = None  # tensors of ours out of those that lie in several outside
    parted: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None  # the inverse of `joined`


def layers(depth: int, ours: str, theirs: str, parts: Mapping[str, Place]) -> dict[str, Place]:
    """The parts of one layer, for every layer: `ours` and `theirs` hold the layer's number as {}."""
    return {
        f"{ours.format(layer)}.{name}": replace(p, name=f"{theirs.format(layer)}.{p.name}")
        for layer in range(depth)
        for name, p in parts.items()
    }


def both(ours: str, theirs: str, turned: bool = False, part: int = 0, parts: int = 1) -> dict[str, Place]:
    """A map's weight and bias."""
    return {
        f"{ours}.weight": Place(f"{theirs}.weight", turned, part, parts),
        f"{ours}.bias": Place(f"{theirs}.bias", False, part, parts),
    }


def inward(family: Family, recipe: ModelRecipe, tensors: Mapping[str, Tensor], where: str) -> Lazy:
    """The house's tensors out of a file's, each made when asked for. Raises ValueError for names that are missing or left over."""
    names = family.names(recipe)
    found = _found(family, tensors, where)
    wanted = {place.name for place in names.values()}
    extra = {name for name in found.keys() - wanted if not re.fullmatch(family.ignored, name)}
    extra -= {name for name in extra if _said_again(family, name, tensors, found)}
    if missing := sorted(wanted - found.keys()):
        raise ValueError(f"{where}: {_some(missing)} missing, which {family.architecture} has")
    if extra:
        raise ValueError(f"{where}: {_some(sorted(extra))} left over, which {family.architecture} has not; nothing is loaded in part")
    held = Lazy({ours: partial(_inward, place, tensors, found[place.name], where) for ours, place in names.items()})
    return family.joined(recipe, held) if family.joined else held


def outward(family: Family, recipe: ModelRecipe, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors out of the house's."""
    weights = family.parted(weights) if family.parted else weights
    grouped: dict[str, list[tuple[Place, str]]] = {}
    for ours, place in family.names(recipe).items():
        grouped.setdefault(place.name, []).append((place, ours))
    return {
        name if name in family.bare else family.prefix + name: _outward([(place, weights[ours]) for place, ours in parts])
        for name, parts in grouped.items()
    }


def _found(family: Family, tensors: Iterable[str], where: str) -> dict[str, str]:
    """Names as the family has them -> names as the file has them."""
    found: dict[str, str] = {}
    for name in tensors:
        plain = name if name in family.bare else name.removeprefix(family.prefix)
        end = next((end for end in family.older if plain.endswith(end)), "")
        plain = plain.removesuffix(end) + family.older.get(end, "")
        if plain in found:
            raise ValueError(f"{where}: {found[plain]} and {name} are the same tensor; take one of them out")
        found[plain] = name
    return found


def _said_again(family: Family, name: str, tensors: Mapping[str, Tensor], found: Mapping[str, str]) -> bool:
    """Whether a tensor only says what another says, as programs write it that know no tied ones."""
    first = family.again.get(name)
    return first is not None and first in found and torch.equal(tensors[found[name]], tensors[found[first]])


def _inward(place: Place, tensors: Mapping[str, Tensor], name: str, where: str) -> Tensor:
    tensor = tensors[name]
    if tensor.ndim == 0 or (place.turned and tensor.ndim > 2):
        raise ValueError(f"{where}: {name} has {tensor.ndim} axes, which no weight of this kind has")
    if place.shape:
        if tuple(tensor.shape) != place.shape:
            raise ValueError(f"{where}: {name} has the shape {tuple(tensor.shape)}, not {place.shape}")
        tensor = tensor.movedim(1, -1).flatten(1)
    if place.lone:
        if tensor.ndim < 2 or len(tensor) != 1:
            raise ValueError(f"{where}: {name} has the shape {tuple(tensor.shape)}, but its first axis must be of one")
        tensor = tensor[0]
    if place.turned:
        tensor = tensor.t()
    if len(tensor) % place.parts:
        raise ValueError(f"{where}: {name} has {len(tensor)} outputs, which are not {place.parts} equal parts")
    return tensor.chunk(place.parts)[place.part] if place.parts > 1 else tensor


def _outward(parts: list[tuple[Place, Tensor]]) -> Tensor:
    ordered = sorted(parts, key=lambda pair: pair[0].part)
    place, tensor = ordered[0][0], torch.cat([tensor for _, tensor in ordered])
    tensor = tensor.t() if place.turned else tensor
    if place.shape:
        outputs, features, *sides = place.shape
        tensor = tensor.reshape(outputs, *sides, features).movedim(-1, 1)
    return (tensor[None] if place.lone else tensor).contiguous()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"
