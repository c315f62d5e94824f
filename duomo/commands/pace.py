"""Pace: as many steps as fit into the time that a recipe gives them, found out before training begins."""

from collections.abc import Callable
from pathlib import Path

from duomo import recipe as recipes
from duomo.commands.show import console
from duomo.recipe import Recipe

LEAST = 10  # steps, however slow the machine


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


def begun(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the number of steps that its run in `folder` settled on when it began."""
    if recipe.train.minutes is None or not (folder / "recipe.json").is_file():
        return recipe
    return with_steps(recipe, recipes.load(folder / "recipe.json").train.steps)


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with so many steps, whatever time they take."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": steps, "minutes": None})})
