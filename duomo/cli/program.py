"""What every verb is made of: its panel of the help, its example, and the arguments that several share."""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duomo.commands.resolve import resolve_recipe

if TYPE_CHECKING:
    from duomo.recipe import Recipe
    from duomo.report import Report

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", show_default=False, help="A YAML file, or the name of a recipe that ships.")]
Int8 = Annotated[bool, typer.Option("--int8", help="Weights of 8 bits on the processor: sooner, a percent worse.")]
EngineName = Annotated[str, typer.Option("--engine", help="What says the words: torch, llama.cpp, or auto, which probes both.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="A run folder, or the name of a fetched model.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False, help="Changes to the recipe, as train.steps=200.")
]
CacheFolder = Annotated[Path, typer.Option(help="Where fetched files are kept.")]
Workers = Annotated[int | None, typer.Option(min=1, show_default=False, help="How many processes; one per core if not said.")]
Verb = Callable[..., None]


def _typer() -> typer.Typer:
    return typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class Panel:
    """A box of the help, with its verbs."""

    title: str
    verbs: typer.Typer = field(default_factory=_typer)

    def verb(self, example: str, **settings: Any) -> Callable[[Verb], Verb]:
        """Adds a function to the command line, with its one example."""

        def add(function: Verb) -> Verb:
            sentence = (function.__doc__ or "").strip().splitlines()[0]
            texts: dict[str, Any] = {"short_help": _short(sentence, example), "epilog": f"Example: [bold]{example}[/bold]"}
            return self.verbs.command(rich_help_panel=self.title, **texts, **settings)(function)

        return add

    def group(self, name: str, sentence: str, example: str) -> "Panel":
        """A word that verbs stand behind, as `data` in `duomo data show`."""
        inner = Panel(self.title)
        self.verbs.add_typer(inner.verbs, name=name, rich_help_panel=self.title, help=sentence, short_help=_short(sentence, example))
        return inner


def grouped(function: Verb) -> Verb:
    """Lets an argument that is a dataclass stand for its fields: each is an option of its own, and the verb is called with the record."""
    own = inspect.signature(function, eval_str=True).parameters.values()
    records: dict[str, Any] = {one.name: one.annotation for one in own if is_dataclass(one.annotation)}
    fields = {name: inspect.signature(record, eval_str=True).parameters for name, record in records.items()}
    options = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for record in fields.values() for option in record.values()]
    every = [*(one for one in own if one.name not in records), *options]

    def called(**given: Any) -> None:
        made = {name: records[name](**{option: given.pop(option) for option in known}) for name, known in fields.items()}
        function(**given, **made)

    called.__name__, called.__doc__, called.__module__ = function.__name__, function.__doc__, function.__module__
    called.__annotations__ = {one.name: one.annotation for one in every}
    called.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    return called


def _short(sentence: str, example: str) -> str:
    return f"{sentence}\n[dim]{example}[/dim]"


def show(report: "Report") -> None:
    """Prints what a command found; a terminal gets no sign that would steer it, and a name of a file that is no text loses what is none."""
    from duomo.commands.show import harmless

    for line in report.lines:
        print(harmless(line) if sys.stdout.isatty() else line.encode(errors="replace").decode())


def read_recipe(name: str, overrides: Sequence[str] | None) -> "Recipe":
    """The recipe of that name with its changes.

    Raises ValueError, one line per fault: the file, the key, the nearest right key.
    """
    path = resolve_recipe(name)
    from duomo import recipe  # here, so that help does not wait for pydantic

    return recipe.load(path, overrides or ())


def read_run(name: str, overrides: Sequence[str] | None) -> tuple["Recipe", Path]:
    """The recipe of that name with its changes, and the folder of its run's folder; of a run, wherever it was moved."""
    folder = Path(name).resolve()
    if not folder.is_dir():
        return read_recipe(name, overrides), Path("runs")
    return read_recipe(name, [*(overrides or ()), f"name={folder.name}"]), Path(os.path.relpath(folder.parent))
