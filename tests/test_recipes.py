"""Every recipe that ships can be run: its model builds, its tasks take their options, what it leads on to is there."""

import pytest
import torch

from duomo import recipe as recipes
from duomo.commands.resolve import recipe_folder, resolve_recipe
from duomo.modalities import MODALITIES
from duomo.model import Model
from duomo.objectives import OBJECTIVES
from duomo.sources import SOURCES
from duomo.tasks import build

SHIPPED = sorted(recipe_folder().glob("*.yaml"))
NAMES = {recipes.load(path).name for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_that_ships_can_be_run(path):
    recipe = recipes.load(path)
    assert recipe.name == path.stem.replace("_", "-") and recipe.about
    with torch.device("meta"):
        model = Model(recipe.model, {name: place for place, name in enumerate(MODALITIES)})
    assert sum(p.numel() for p in model.parameters()) > 0
    names = {*recipe.data.tasks, *recipe.evaluate.tasks, *recipe.evaluate.extra}
    tasks = [build(name, **recipe.data.options.get(name, {})) for name in names]
    assert tasks and {source for task in tasks for source in task.sources} <= SOURCES.keys()
    assert recipe.train.objective in OBJECTIVES
    assert all(resolve_recipe(name).samefile(path.with_name(f"{name}.yaml")) for name in recipe.then)
    begun = (recipe.train.start_from, recipe.train.teacher, *(sense.start_from for sense in recipe.model.senses.values()))
    assert all(name in SOURCES or name.removeprefix("runs/") in NAMES for name in begun if name)
