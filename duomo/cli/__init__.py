"""The command line: one verb per command, imported inside its verb, so that help comes without torch."""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from duomo.cli import apply, learn, look, start, use
from duomo.cli.faults import run

app = typer.Typer(
    name="duomo",
    help="One transformer that reads text, images, sound and video and answers in text, trained on your data and your machine.",
    epilog="RECIPE: a YAML file, or the name of one that ships (tiny). MODEL: a run folder, or a fetched name. More: duomo VERB --help",
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line of `duomo`; gives its exit code."""
    return run(app, sys.argv[1:] if argv is None else argv)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"duomo {metadata.version('duomo')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from. May stand anywhere.")] = False,
) -> None:
    """Options of every verb; `run` reads `--debug` itself, wherever it stands."""


for page in (start, learn, use, apply, look):
    app.add_typer(page.PANEL.verbs)
