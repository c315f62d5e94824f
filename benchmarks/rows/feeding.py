"""Feeding: how long a training step waits for its batch."""

from itertools import count, islice

import torch
from contest import OURS, Aim, Contest, Row, Setting, Work

from duomo import recipe as recipes
from duomo.commands.ready import Ready, get_ready
from duomo.model import Model
from duomo.objectives.cross_entropy import cross_entropy
from duomo.recipe import Recipe
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer

STEPS = 4  # of a round


def waits(setting: Setting) -> Contest:
    """The share of a step of four senses that goes by before its batch is there; made by the same thread, and by another one ahead."""
    recipe = recipes.load("recipes/four_senses.yaml", [f"data.cache={setting.cache}"])
    ready, waited = get_ready(recipe, 1), [0.0]
    works = {
        OURS: trained(recipe, ready, 0, waited),
        "duomo, a thread ahead": trained(recipe, ready, 1, waited),
    }
    return Contest(works, "the same batches: they follow from seed and step", clock=lambda: waited[0])


def trained(recipe: Recipe, ready: Ready, workers: int, waited: list[float]) -> Work:
    """Steps that add to `waited`, and give the seconds that they took in all."""
    torch.manual_seed(recipe.seed)
    model = Model(recipe.model, ready.tokenizer.placeholders(recipe.model.senses)).train()
    batches = ready.loader.steps(0, recipe.train.steps, workers)
    steps = loop(model, batches, cross_entropy, optimizer(model, recipe.train), lambda step: 1.0, clip=recipe.train.clip)
    rounds = (list(islice(steps, STEPS)) for _ in count())

    def work() -> float:
        found = next(rounds)
        waited[0] += sum(step.waited for step in found)
        return sum(step.seconds for step in found)

    work()
    return work


ROWS = (Row("wait", "waiting for the batch, four senses", "of a step", waits, headline=False, aims=(Aim("at most", 0.02),), more=False),)
