"""Start here: see the house work, and get data and weights."""

from pathlib import Path
from typing import Annotated

import typer

from duomo.cli.program import CacheFolder, Overrides, Panel, read_recipe, show

PANEL = Panel("Start here")

FROM = "Take a source from here instead: its file, or a folder that holds its files."


@PANEL.verb("duomo demo")
def demo(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="What to train; four senses by default.")] = "four-senses",
    overrides: Overrides = None,
) -> None:
    """Fetch real data, train a model from scratch, score it, ask it."""
    if "=" in recipe:  # only changes were given
        recipe, overrides = "four-senses", [recipe, *(overrides or ())]
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import demo as command

    show(command.run(chosen))


@PANEL.verb("duomo fetch hsk")
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME", show_default=False, help="Sources, as `duomo sources` lists them.")],
    cache: CacheFolder = Path("cache"),
    path: Annotated[Path | None, typer.Option("--from", metavar="FILE", show_default=False, help=FROM)] = None,
) -> None:
    """Get data or weights by name, checked by their hashes."""
    from duomo.commands import fetch as command

    show(command.run(names, cache, path))


@PANEL.verb("duomo sources")
def sources(cache: CacheFolder = Path("cache")) -> None:
    """List what can be fetched: size, licence, whether it is here."""
    from duomo.commands import sources as command

    show(command.run(cache))


@PANEL.verb("duomo import ./SmolLM2-135M smol", name="import")
def bring(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", show_default=False, help="A Hugging Face folder or name, a GGUF file, or what else is known."),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What to call the model here.")],
    cache: CacheFolder = Path("cache"),
    base: Annotated[str | None, typer.Option(metavar="MODEL", show_default=False, help="Of adapters: the model they lie on.")] = None,
) -> None:
    """Take an open model in, to use it, measure it or train it on.

    Only safetensors, GGUF, CTranslate2 and JSON are read; nothing that a file brings along is ever run.
    """
    from duomo.commands import interchange as command

    show(command.bring(source, name, cache, base))
