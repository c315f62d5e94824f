"""Begin: what a run starts from. Weights of another model, and adapters on them."""

from pathlib import Path

from duomo import checkpoint
from duomo.commands.resolve import resolve_model
from duomo.compress.lora import lora
from duomo.model import Model
from duomo.recipe import Recipe


def begin(model: Model, recipe: Recipe, folder: Path) -> checkpoint.Base | None:
    """Puts the weights of `train.start_from` into the model, then adapters where the recipe wants them; these have a base.

    Raises ValueError where the weights are not there, or do not fit.
    """
    if recipe.train.start_from is None:
        return None
    run = checkpoint.open_run(resolve_model(recipe.train.start_from))
    checkpoint.take(model, run, some=recipe.adapt is not None)
    if recipe.adapt is None:
        return None
    theirs = checkpoint.weights(run.model).keys()
    lora(model, recipe.adapt)
    held = checkpoint.weights(model)
    trained = {name for name, p in zip(held, model.state_dict(keep_vars=True).values(), strict=True) if p.requires_grad}
    scale = recipe.adapt.alpha / max(recipe.adapt.rank, 1)
    return checkpoint.base_of(run.folder, folder, scale, trained | (held.keys() - theirs))
