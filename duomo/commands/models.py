"""Models by whatever name they go: a run, a fetched name, or a file or folder of another program."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from duomo import checkpoint, recipe
from duomo.checkpoint import Run, open_run
from duomo.commands.resolve import RECIPE, resolve_model
from duomo.data import lineage
from duomo.data.lineage import Lineage, Provenance
from duomo.disk import whole_folder
from duomo.interchange import Card, Outside, read
from duomo.interchange.assemble import CARD, card_of, model_of, recipe_of
from duomo.vectors import Embedder


def open_model(name: str | Path) -> Run:
    """A model ready to answer: of a run the newest checkpoint, of an outside file or folder what it holds, as a run of step 0.

    Raises ValueError with the nearest name, and as `open_run` and the format's reader do.
    """
    return open_with_card(name)[0]


def open_with_card(name: str | Path) -> tuple[Run, Card]:
    """The same, and what a user should know of it; the card of a run that was trained here says its name alone."""
    place = resolve_model(name)
    if (place / RECIPE).is_file() or (place / "checkpoints").is_dir():
        return open_run(place), card_of(place)
    outside = read(place)
    called = place.stem if place.is_file() else place.name  # a folder's may hold a dot
    return Run(place, recipe_of(outside, called), outside.tokenizer, model_of(outside), 0), outside.card


def embedder(run: Run, card: Card, unknown: float = 0.2) -> Embedder:
    """What turns texts into vectors with this model, as its card says. Raises ValueError for a model that is no encoder."""
    return Embedder(run.model, run.tokenizer, card.prefixes or {}, card.pooling, card.longest, unknown)


def keep(outside: Outside, folder: Path, beside: Mapping[str, str] | None = None) -> Path:
    """Writes a folder laid out like a run (its one checkpoint is step 0), with the card and where the weights come from.

    `beside`: texts by the names of the files that they become there.
    """
    model = model_of(outside)
    with whole_folder(folder) as made:
        recipe.save(recipe_of(outside, folder.name), made / "recipe.json")
        outside.tokenizer.save(made / "tokenizer.json")
        (made / CARD).write_text(json.dumps(asdict(outside.card), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        origin = Provenance(outside.card.title, outside.card.licence, synthetic=False, samples=0)
        lineage.save([Lineage(f"weights of {folder.name}", (origin,), 0, {}, {})], made / lineage.NAME)
        for name, text in (beside or {}).items():
            (made / name).write_text(text, encoding="utf-8")
        checkpoint.save(made / "checkpoints" / "step-0", model, None, {})
    return folder


def outside_of(run: Run, card: Card) -> Outside:
    """A run on its way out."""
    return Outside(run.recipe.model, checkpoint.weights(run.model), run.tokenizer, run.recipe.tokenizer.chat, card)
