"""Learn from your data: prepare it, train on it, score what came of it."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from duomo.cli.planning import Planning
from duomo.cli.program import ModelName, Overrides, Panel, RecipeName, Workers, grouped, read_recipe, read_run, show
from duomo.commands.resolve import resolve_model

PANEL = Panel("Learn from your data")


@PANEL.verb("duomo prepare tiny")
def prepare(recipe: RecipeName, overrides: Overrides = None, workers: Workers = None) -> None:
    """Read, clean, split and render the data of a recipe.

    Bad records are counted and put aside, with the reason; the rest goes on.
    """
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import ready as command

    show(command.run(chosen, workers))


@PANEL.verb("duomo train tiny train.steps=200")
def train(
    recipe: RecipeName,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of the run.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the run of this name and begin anew.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Tell of a few early steps where their time goes; write trace.json.")] = False,
) -> None:
    """Train the model of a recipe; Ctrl-C saves, --resume goes on.

    The run is kept in runs/ under the recipe's name: checkpoints, log and report.
    """
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import train as command

    try:
        show(command.run(chosen, resume, fresh, profile=profile))
    except KeyboardInterrupt as stop:  # names the very words to go on with
        raise KeyboardInterrupt(str(stop).replace("…", shlex.join([recipe, *(overrides or ())]))) from stop


@PANEL.verb("duomo plan tiny --machine this,h100 --price 2.5")
@grouped
def plan(recipe: RecipeName, planning: Planning, overrides: Overrides = None) -> None:
    """Tell what a run takes before it begins: memory, time, cost.

    Machines: this (measured in two seconds), laptop, h100, h100x8, h100x64. No weight is allocated.
    """
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import plan as command

    report = command.run(chosen, command.Wanted(**planning.wanted()))
    if planning.json:
        print(json.dumps(report.facts, indent=1))
    else:
        show(report)


@PANEL.verb("duomo evaluate runs/tiny evaluate.samples=200")
def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE|RUN", show_default=False, help="A recipe that was trained, or its run.")],
    overrides: Overrides = None,
    workers: Workers = None,
) -> None:
    """Score a run on held-out data, beside baselines and controls.

    Writes report.json and report.html into the run's folder.
    """
    chosen, runs = read_run(recipe, overrides)
    from duomo.commands import evaluate as command

    show(command.run(chosen, runs, workers))


@PANEL.verb("duomo merge runs/adapted runs/whole")
def merge(
    model: ModelName,
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False, help="The folder of the new run.")],
) -> None:
    """Make a run of adapters whole: its base's weights with them added."""
    path = resolve_model(model)
    from duomo.commands import merge as command

    show(command.run(path, out))
