"""Sight: what the families have in common that see and say nothing. Each is an image sense alone, for another model to take."""

from collections.abc import Mapping
from functools import partial
from math import isclose
from pathlib import Path
from typing import Any

import tokenizers
import torch
from tokenizers import models

from duomo.interchange.families.family import ACTIVATIONS, BIAS, WORDS, Config, Names, Place
from duomo.interchange.families.fields import Fields
from duomo.interchange.format import Lazy
from duomo.interchange.tensors import read_json
from duomo.modalities.image import IMAGE
from duomo.recipe import BlockRecipe, CutRecipe, ModelRecipe, Projection, SenseRecipe
from duomo.tokenizer import PLAIN, Tokenizer

EYES = IMAGE.name
SENSE = f"senses.{EYES}"
CONTROL = ("<|pad|>", "<|end|>", f"<|{EYES}|>")  # all the tokens that a model without words has
PROCESSORS = {"preprocessor_config.json": "", "processor_config.json": "image_processor"}  # file -> where in it pictures stand
MIDDLE = 0.5  # mean and deviation by which 0 to 1 becomes -1 to 1
SQUEEZED = "Pictures keep their aspect here, in the upper left of the frame; its makers squeezed them into it."


def recipe(fields: Fields, activation: str, eps: float, bias: tuple[Projection, ...] = BIAS, leading: int = 0) -> ModelRecipe:
    """A vision config -> recipe; the cut is of whole patches, as a convolution without padding reads them."""
    fields.only("num_channels", 3, 1)
    size, hop = _sides(fields, "image_size", 224), _sides(fields, "patch_size", 16)
    if min(size) < max(hop):
        raise ValueError(f"{fields.where}: image_size {size} is less than patch_size {hop}")
    whole = tuple(side // step * step for side, step in zip(size, hop, strict=True))
    block = BlockRecipe(
        dim=fields.whole("hidden_size", 768),
        heads=fields.whole("num_attention_heads", 12),
        ff_dim=fields.whole("intermediate_size", 3072),
        norm="layer",
        eps=fields.real("layer_norm_eps", eps),
        feedforward=fields.one("hidden_act", ACTIVATIONS, activation),
        position="none",
        bias=bias,
    )
    eyes = SenseRecipe(
        cut=CutRecipe(size=whole, hop=hop, merge=(1, 1), features=fields.whole("num_channels", 3)),
        front="patch",
        place="table",
        leading=leading,
        depth=fields.whole("num_hidden_layers", 12),
        block=block,
        project=False,
    )
    return ModelRecipe(shape="encoder", vocab_size=len(CONTROL), block=block, senses={EYES: eyes})


def config(recipe: ModelRecipe) -> Config:
    """Recipe -> the fields that its kinds of vision config share."""
    eyes = recipe.senses[EYES]
    block, cut = eyes.block, eyes.cut or IMAGE.default
    return {
        "hidden_size": block.dim,
        "num_hidden_layers": eyes.depth,
        "num_attention_heads": block.heads,
        "intermediate_size": block.ff_width,
        "hidden_act": WORDS[block.feedforward],
        "layer_norm_eps": block.eps,
        "image_size": _side(cut.size),
        "patch_size": _side(cut.hop),
        "num_channels": cut.features,
    }


def front(recipe: ModelRecipe, theirs: str) -> Names:
    """Where the map of a patch lies: outside it is a convolution."""
    eyes = recipe.senses[EYES]
    cut = eyes.cut or IMAGE.default
    return {
        f"{SENSE}.front.map.weight": Place(f"{theirs}.weight", shape=(eyes.block.dim, cut.features, *cut.hop)),
        f"{SENSE}.front.map.bias": Place(f"{theirs}.bias"),
    }


def without_words(recipe: ModelRecipe, held: Lazy) -> Lazy:
    """The same tensors, and zeros for the vectors of the control tokens: nothing reads them."""
    return Lazy({**held.made, "tokens.weight": partial(torch.zeros, recipe.vocab_size, recipe.block.dim)})


def wordless(folder: Path) -> tuple[Tokenizer, str]:
    """A tokenizer of control tokens alone, and what is to be said of the pictures.

    Raises ValueError where a file beside the model says that it wants them otherwise than from -1 to 1.
    """
    inner = tokenizers.Tokenizer(models.BPE())
    inner.add_special_tokens(list(CONTROL))
    told = [_values(folder / name, inside) for name, inside in PROCESSORS.items() if (folder / name).is_file()]
    note = "" if any(told) else "Nothing beside it says how its pictures are scaled; they are given from -1 to 1."
    return Tokenizer(inner, PLAIN), " ".join(filter(None, (SQUEEZED, note)))


def _values(path: Path, inside: str) -> bool:
    """Whether a file tells how pictures are scaled; if so, it is as here."""
    told: Any = read_json(path)
    told = told.get(inside) if inside else told
    if not isinstance(told, Mapping):
        return False
    wanted = {"do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255, "image_mean": MIDDLE, "image_std": MIDDLE}
    for name, value in wanted.items():
        given = told.get(name)
        numbers = given if isinstance(given, list) else [value if given is None else given]
        if not all(isinstance(number, int | float) and isclose(number, value, rel_tol=1e-3) for number in numbers):
            raise ValueError(f"{path}: {name} is {given!s:.60}, but pictures are given from -1 to 1: mean {MIDDLE}, deviation {MIDDLE}")
    return True


def _sides(fields: Fields, name: str, default: int) -> tuple[int, int]:
    """One number for both sides, or rows and columns."""
    given = fields.value(name, default)
    sides = tuple(given) if isinstance(given, list | tuple) else (given, given)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"{fields.where}: {name} is {given!s:.60}, but must be a whole number above 0, or rows and columns")
    return sides


def _side(sides: tuple[int, ...]) -> int | list[int]:
    return sides[0] if len(set(sides)) == 1 else list(sides)
