"""Start here: see the house work, and get data and weights."""

import os
import sys
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from duomo.cli.program import CacheFolder, Overrides, Panel, grouped, read_recipe, show
from duomo.cli.serving import wait_briefly
from duomo.cli.touring import Touring

PANEL = Panel("Start here")

FROM = "Take a source from here instead: its file, or a folder that holds its files."


@PANEL.verb("duomo demo")
@grouped
def demo(
    touring: Touring,
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", show_default=False, help="No tour: this one.")] = None,
    overrides: Overrides = None,
) -> None:
    """Take the tour: ask a shelf of files, then train a model from nothing.

    On a terminal a page opens in the browser; without one, or with --no-page, each step prints what came of it. What can not be downloaded
    is told and left out. With a RECIPE (or changes to four-senses): fetch its data, train it, score it, ask it.
    """
    if recipe is None:
        _tour(touring)
        return
    if "=" in recipe:  # only changes were given
        recipe, overrides = touring.teach, [recipe, *(overrides or ())]
    chosen = read_recipe(recipe, [*(overrides or ()), *([f"train.minutes={touring.minutes:g}"] if touring.minutes else [])])
    from duomo.commands import demo as command

    show(command.run(chosen))


def _tour(touring: Touring) -> None:
    chosen = read_recipe(touring.teach, [])
    wait_briefly()
    from duomo.commands import tour as command
    from duomo.commands import tour_page as page

    shown = touring.page and sys.stdout.isatty()
    if shown and not page.possible():
        print("note: without a page, for that needs pip install 'duomo[demo]'", file=sys.stderr)
    shown = shown and page.possible()
    threads = max(1, (os.cpu_count() or 1) - 1) if shown else None  # the page keeps a core
    lesson = command.lesson_of(touring.teach, chosen, touring.minutes, threads=threads)
    wanted = command.Wanted(lesson, touring.folder, Path(chosen.data.cache))
    show(page.run(wanted, touring.port, partial(_opened, touring.browser)) if shown else command.run(wanted))


def _opened(browser: bool, address: str) -> None:
    """Opens the page where there is a screen to open it on."""
    print(f"the tour: {address}  (Ctrl-C ends it)", flush=True)
    if browser and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(address)


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
