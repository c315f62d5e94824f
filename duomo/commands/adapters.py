"""duomo import | export of adapters, in PEFT's format. What is written is read again, and stands only if it is the same."""

import shutil
from pathlib import Path

import torch

from duomo import checkpoint
from duomo import recipe as recipes
from duomo.commands.models import open_model, outside_of
from duomo.commands.resolve import resolve_model
from duomo.compress.lora import lora
from duomo.data import lineage
from duomo.disk import whole_folder
from duomo.interchange import adapters
from duomo.interchange.adapters import Adapters
from duomo.interchange.assemble import CARD, card_of, recipe_of
from duomo.recipe import AdaptRecipe
from duomo.report import Report


def send(model: str, out: Path | None = None) -> Report:
    """Writes the adapters of a run. Raises ValueError for a run that holds anything else, and for a place that is taken."""
    run = open_model(model)
    adapt, target = run.recipe.adapt, out or Path(f"{run.recipe.name}-{adapters.NAME}")
    if adapt is None or not adapt.rank:
        raise ValueError(f"{run.folder}: holds no adapters; export it whole, as hf")
    if adapt.train:
        raise ValueError(f"{run.folder}: trained {', '.join(adapt.train)} too, which is no adapter; export it whole, as hf")
    if target.exists():
        raise ValueError(f"{target}: is there already; name another place")
    made = Adapters(adapt.rank, adapt.share * adapt.alpha, checkpoint.own_tensors(run.folder))
    with whole_folder(target) as folder:
        adapters.write(made, run.recipe.model, str(run.recipe.train.start_from), folder)
        again = adapters.read(folder, run.recipe.model, run.model.state_dict())
        if again.weights.keys() != made.weights.keys() or not all(torch.equal(again.weights[n], t) for n, t in made.weights.items()):
            raise ValueError(f"{target}: read again, the adapters are not the same; nothing is written")
    size = sum(tensor.numel() for tensor in made.weights.values())
    told = f"{target}: {size:,} numbers in adapters of rank {adapt.rank}, for {run.recipe.train.start_from} in transformers"
    return Report(f"export {target}", facts={"to": adapters.NAME, "parameters": size}, lines=(told,))


def bring(source: Path, target: Path, base: str | None) -> Report:
    """Keeps adapters as a run on its base. Raises ValueError where no base is named, and as their reader does."""
    if base is None:
        raise ValueError(f"{source}: adapters lie on a base; name it, as in --base smollm2")
    run = checkpoint.open_run(resolve_model(base))
    found = adapters.read(source, run.recipe.model, run.model.state_dict())
    adapt = AdaptRecipe(rank=found.rank, alpha=found.alpha, targets=found.targets)
    train = run.recipe.train.model_copy(update={"start_from": base})
    name = recipe_of(outside_of(run, card_of(run.folder)), target.name).name  # a folder may have any name, a run not
    recipe = run.recipe.model_copy(update={"name": name, "adapt": adapt, "train": train})
    model = lora(run.model, adapt)  # where the source has none, an adapter's second map stays zero
    held = checkpoint.weights(model)
    for name, tensor in found.weights.items():
        held[name].copy_(tensor)
    own = [name for name in held if name.endswith(checkpoint.ADAPTER)]
    with whole_folder(target) as made:
        recipes.save(recipe, made / "recipe.json")
        for name in ("tokenizer.json", CARD, lineage.NAME):
            if (run.folder / name).is_file():
                shutil.copyfile(run.folder / name, made / name)
        lies = checkpoint.base_of(run.folder, target, adapt.alpha / adapt.rank, own)
        checkpoint.save(made / "checkpoints" / "step-0", model, None, {}, lies)
    told = f"{target}: adapters of rank {found.rank} on {run.folder}; use it: duomo chat {target}"
    return Report(f"import {target}", facts={"base": str(run.folder)}, lines=(told,))
