"""duomo lineage RUN: what a run learned from."""

from pathlib import Path

from duomo import recipe as recipes
from duomo.commands.draw import drawn
from duomo.commands.resolve import place_of
from duomo.data import lineage
from duomo.report import Report


def run(folder: Path) -> Report:
    """Sources, licences, counts and drops of a run or of prepared data. Raises ValueError where it has none."""
    found = learned(folder)
    warnings = [
        f"{p.source}: {p.licence} is share-alike: what you publish of this model may have to carry the same terms"
        for p in sorted({p for one in found for p in one.provenance if p.share_alike}, key=lambda p: p.source)
    ]
    lines = (*drawn(lineage.tables(found)), *dict.fromkeys(warnings))
    return Report(f"lineage of {folder}", facts={"licences": list(lineage.licences(found))}, lines=lines)


def learned(folder: Path) -> tuple[lineage.Lineage, ...]:
    """What a run learned from, and before it the run whose weights it took; or what prepared data consists of."""
    own, recipe = lineage.load(folder / lineage.NAME), folder / "recipe.json"
    begun = recipes.load(recipe).train.start_from if recipe.is_file() else None
    before = (place_of(begun) or Path(begun)) if begun else None
    return own if before is None or not (before / lineage.NAME).is_file() else (*learned(before), *own)
