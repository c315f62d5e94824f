"""duomo merge RUN OUT: a run of adapters as a run of its own, whole, that needs no base any more."""

import shutil
from pathlib import Path

from duomo import checkpoint
from duomo import recipe as recipes
from duomo.data import lineage
from duomo.disk import whole_folder
from duomo.interchange.assemble import CARD
from duomo.report import Report


def run(folder: Path, out: Path) -> Report:
    """Adds the adapters to their base's weights and writes them as a new run. Raises ValueError where there is nothing to merge."""
    opened = checkpoint.open_run(folder)
    if opened.recipe.adapt is None:
        raise ValueError(f"{folder}: holds all its weights, there are no adapters to merge")
    if out.exists():
        raise ValueError(f"{out} exists; name another folder")
    recipe = recipes.parse(opened.recipe.model_dump(mode="json") | {"name": out.name, "adapt": None}, str(out))
    with whole_folder(out) as new:
        recipes.save(recipe, new / "recipe.json")
        for name in ("tokenizer.json", CARD, lineage.NAME):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, new / name)
        checkpoint.save(new / "checkpoints" / f"step-{opened.step}", opened.model, None, {"step": opened.step})
    size = sum(p.numel() for p in opened.model.parameters())
    return Report(f"merge {folder}", facts={"parameters": size}, lines=(f"{out}: {size:,} parameters, adapters merged",))
