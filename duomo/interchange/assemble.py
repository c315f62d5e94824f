"""Assemble: an outside model becomes a Model, with its recipe and its card."""

import json
import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from duomo.interchange.format import Card, Outside
from duomo.model import Model, Unfilled
from duomo.recipe import Recipe, TokenizerRecipe

CARD = "card.json"


def model_of(outside: Outside) -> Model:
    """The model, its memory taken tensor by tensor. Raises ValueError for tensors that are missing, left over or of another shape."""
    try:
        with Unfilled():
            model = Model(outside.model, outside.tokenizer.placeholders(outside.model.senses))
    except (RuntimeError, OverflowError) as error:
        raise ValueError(f"{outside.card.title}: claims sizes that no machine has ({' '.join(str(error).split()):.80})") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for told, names in (("missing", wanted.keys() - outside.weights.keys()), ("left over", outside.weights.keys() - wanted.keys())):
        if names:
            raise ValueError(f"{outside.card.title}: {min(names)} is {told} ({len(names)} in all); nothing is loaded in part")
    for name, shape in wanted.items():
        try:
            tensor = outside.weights[name]
        except (RuntimeError, IndexError, TypeError) as error:
            raise ValueError(f"{outside.card.title}: {name} can not be made ({' '.join(str(error).split()):.120})") from error
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{outside.card.title}: {name} has the shape {tuple(tensor.shape)}, but its config says {shape}")
        path, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(path), leaf, nn.Parameter(tensor.detach().to(torch.float32).contiguous()))
    return model.eval()


def card_of(folder: Path) -> Card:
    """The card of an imported model; of a run no more than its name. Raises ValueError for a damaged card."""
    if not (folder / CARD).is_file():
        return Card(folder.name)
    try:
        told = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return replace(Card(**told), languages=tuple(told.get("languages", ())))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{folder / CARD}: can not be read ({error}); import the model again") from error


def recipe_of(outside: Outside, name: str) -> Recipe:
    """The recipe under which an outside model goes on here: its sizes and its chat format, everything else by default."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-") or "model"
    return Recipe(name=plain, about=outside.card.title, model=outside.model, tokenizer=TokenizerRecipe(chat=outside.chat))
