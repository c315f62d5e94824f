"""Pace: as many steps as fit into the time that a recipe gives them, found out before training begins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from duomo import recipe as recipes
from duomo.commands.show import console
from duomo.recipe import Recipe

LEAST = 10  # steps, however slow the machine
FAST, GAIN = "fast", 1.5  # the precision that is settled here; how many times float32's products those of bfloat16 must be


def paced(recipe: Recipe, seconds_a_step: Callable[[], float]) -> Recipe:
    """The recipe with the number of steps that fit into `train.minutes`, never more than it wants; without such a time as it is.

    What comes out names its steps and no time any more, so that from here on the run is a function of its recipe.
    """
    if recipe.train.minutes is None:
        return recipe
    seconds = seconds_a_step()
    steps = min(recipe.train.steps, max(LEAST, int(60 * recipe.train.minutes / seconds)))
    told = f"a step takes {seconds:.2f} s on this machine: {steps} of {recipe.train.steps} steps fit into {recipe.train.minutes:g} minutes"
    console().print(told, highlight=False)
    return with_steps(recipe, steps)


def precise(recipe: Recipe, gain: Callable[[], float]) -> Recipe:
    """The recipe with a precision in place of "fast" on a processor: bf16 where its products are `gain()` times as fast as float32's."""
    if recipe.train.precision != FAST:
        return recipe
    times = gain()
    chosen = "bf16" if times >= GAIN else "fp32"
    console().print(f"products of bfloat16 are {times:.2g} times as fast as float32's here: trained in {chosen}", highlight=False)
    return _with(recipe, precision=chosen)


def begun(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the number of steps and the precision that its run in `folder` settled on when it began."""
    if not (folder / "recipe.json").is_file():
        return recipe
    train = recipes.load(folder / "recipe.json").train
    recipe = recipe if recipe.train.minutes is None else with_steps(recipe, train.steps)
    return recipe if recipe.train.precision != FAST else _with(recipe, precision=train.precision)


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with so many steps, whatever time they take."""
    return _with(recipe, steps=steps, minutes=None)


def _with(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=changes)})
