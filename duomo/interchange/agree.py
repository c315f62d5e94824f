"""Agree: whether two programs compute the same from the same weights. T = tokens, V = vocabulary, D = width."""

from collections.abc import Sequence

import torch
from torch import Tensor

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.model import Model
from duomo.recipe import ModelRecipe

LENGTHS = (1, 5, 24)


def probes(recipe: ModelRecipe, seed: int = 0) -> list[list[int]]:
    """Rows of ids, of several lengths, drawn from the whole vocabulary."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(recipe.vocab_size, (min(length, recipe.max_positions),), generator=random).tolist() for length in LENGTHS]


@torch.inference_mode()
def outputs(model: Model, rows: Sequence[Sequence[int]]) -> list[Tensor]:
    """Logits (T, V) of each row; of an encoder, which speaks not, the hidden states (T, D)."""
    found = []
    for row in rows:
        hidden_1TD = model.hidden(prompt([Rendered(list(row), [False] * len(row))], model.recipe.shape))
        found.append((hidden_1TD if model.decoder is None else model.logits(hidden_1TD))[0].float())
    return found


def difference(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """The largest difference of any number, in standard deviations of those that are wanted; infinite where one is not finite."""
    deviation = float(torch.cat([one.flatten() for one in wanted]).std())
    apart = torch.cat([(a - b).abs().flatten() for a, b in zip(wanted, found, strict=True)])
    largest = float(apart.max())  # not a number where any is none, which Python's own max may pass over
    return largest / deviation if largest == largest and deviation > 0 else float("inf")
