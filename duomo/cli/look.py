"""Look closely: at scores, data, tokens, and at what a model learned from."""

from pathlib import Path
from typing import Annotated

import typer

from duomo.cli.program import ModelName, Overrides, Panel, RecipeName, read_recipe, show
from duomo.commands.resolve import is_recipe, resolve_model, resolve_report

PANEL = Panel("Look closely")
tokenizer = PANEL.group("tokenizer", "Learn a tokenizer, or look at one.", "duomo tokenizer show runs/four-senses")
data = PANEL.group("data", "Preview a recipe's samples, or check a data set.", "duomo data check my.csv")


@PANEL.verb("duomo scoreboard runs/*")
def scoreboard(
    models: Annotated[list[str], typer.Argument(metavar="RUN", show_default=False, help="Runs that were evaluated, or their report.json.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table in Markdown.")] = False,
) -> None:
    """Merge the scores of several runs into one table."""
    paths = [resolve_report(model) for model in models]
    from duomo.commands import scoreboard as command

    show(command.run(paths, markdown))


@PANEL.verb("duomo compare runs/bert-scratch runs/bert-tuned")
def compare(
    first: ModelName,
    second: Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="The run that may be better.")],
) -> None:
    """Ask two runs the same held-out samples: what lies between them?"""
    paths = (resolve_model(first), resolve_model(second))
    from duomo.commands import compare as command

    show(command.run(*paths))


@PANEL.verb("duomo lineage runs/four-senses")
def lineage(model: ModelName) -> None:
    """List what a model learned from: sources, licences, drops."""
    path = resolve_model(model)
    from duomo.commands import lineage as command

    show(command.run(path))


@tokenizer.verb('duomo tokenizer show runs/four-senses "你好, world"', name="show")
def tokenizer_show(
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="A run folder, a fetched name, or a tokenizer.json.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False, help="A text to cut; none: figures by language.")] = "",
) -> None:
    """Print tokens as readable text, with bytes and characters per token."""
    path = Path(model) if Path(model).is_file() else resolve_model(model)
    from duomo.commands import tokenizer as command

    show(command.show(path, text))


@tokenizer.verb("duomo tokenizer learn tiny", name="learn")
def tokenizer_learn(recipe: RecipeName, overrides: Overrides = None) -> None:
    """Learn the tokenizer of a recipe from its training text."""
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import tokenizer as command

    show(command.learn(chosen))


@data.verb("duomo data show my.csv -n 2 question=title answer=body", name="show")
def data_show(
    what: Annotated[str, typer.Argument(metavar="RECIPE|PATH", show_default=False, help="A recipe, or a data set of your own.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False, help="Changes to the recipe, or the data set's form.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many samples of each data set.")] = 5,
) -> None:
    """Preview rendered samples: tokens, what is learned of them, media."""
    chosen = read_recipe(what, overrides) if is_recipe(what) else None
    from duomo.commands import data as command

    show(command.show(chosen, n) if chosen else command.show_file(Path(what), overrides or (), n))


@data.verb("duomo data check my.csv question=title answer=body", name="check")
def data_check(
    path: Annotated[Path, typer.Argument(metavar="PATH", show_default=False, help="A data set of your own.")],
    choices: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False, help="Its form, as question=title answer=body.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv, sharegpt, text, …; found by the look of it if not said.")] = "auto",
    limit: Annotated[int, typer.Option(min=1, help="How many faults to show.")] = 50,
) -> None:
    """Find every fault of a data set, with file and line, before training."""
    from duomo.commands import data as command

    show(command.check(path, (f"format={form}", *(choices or ())), limit))
