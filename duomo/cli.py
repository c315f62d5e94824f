"""The command line: one verb per command, imported inside its verb, so that help comes without torch."""

import errno
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duomo.commands.resolve import is_recipe, resolve_model, resolve_recipe
from duomo.disk import FULL

if TYPE_CHECKING:
    from duomo.recipe import Recipe
    from duomo.report import Report

START, LEARN, USE, LOOK = "Start here", "Learn from your data", "Use a model", "Look closely"

app = typer.Typer(
    name="duomo",
    help="One transformer that reads text, images, sound and video and answers in text, trained on your data and your machine.",
    epilog="RECIPE: a YAML file, or the name of one that ships (tiny). MODEL: a run folder, or a fetched name. More: duomo VERB --help",
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
tokenizer = typer.Typer(rich_markup_mode="rich")
data = typer.Typer(rich_markup_mode="rich")

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", show_default=False, help="A YAML file, or the name of a recipe that ships.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="A run folder, or the name of a fetched model.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False, help="Changes to the recipe, as train.steps=200.")
]
CacheFolder = Annotated[Path, typer.Option(help="Where fetched files are kept.")]
FROM = "Take a source from here instead: its file, or a folder that holds its files."
Workers = Annotated[int | None, typer.Option(min=1, show_default=False, help="How many processes; one per core if not said.")]
Verb = Callable[..., None]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line of `duomo`; gives its exit code."""
    return run(app, sys.argv[1:] if argv is None else argv)


def run(program: typer.Typer, words: Sequence[str]) -> int:
    """Runs one command line. Gives the exit code: 0; 2 for a fault that the user can mend; 130 after Ctrl-C."""
    debug, words = "--debug" in words, [word for word in words if word != "--debug"]
    try:
        command = typer.main.get_command(program)
        with command.make_context("duomo", words or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except KeyboardInterrupt as stop:
        print(f"interrupted: {stop}" if str(stop) else "interrupted: the same command begins again, from what is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `duomo sources | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        lines = explain(error)
        if debug or not lines:
            raise
        print(*(f"error: {line}" for line in lines), sep="\n", file=sys.stderr)
        return 2
    return 0


def explain(error: Exception) -> list[str]:
    """What a user reads of an error, one line per fault; nothing for a fault of our own."""
    if hasattr(error, "format_message"):  # the parser's own, whose class is not public
        context = getattr(error, "ctx", None)
        return [f"{' '.join(error.format_message().split()).rstrip('.')} (see `{context.command_path if context else 'duomo'} --help`)"]
    if isinstance(error, OSError):
        return [_explain_system(error)]
    if isinstance(error, ValueError):
        return str(error).splitlines()
    if isinstance(error, ImportError) and not (error.name or "").startswith("duomo"):
        return [" ".join(str(error).split()) if "install" in str(error) else f"{error}; install it: pip install 'duomo[demo]'"]
    return []


def _explain_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    mends = {
        errno.ENOENT: "no such file or directory",
        errno.EACCES: "permission denied; change its rights, or work in another folder",
        **dict.fromkeys(FULL, "no space left on the disk; free some, or keep data.cache and runs on another disk"),
        errno.EROFS: "a read-only file system; work in another folder",
        errno.EISDIR: "is a folder; name a file",
        errno.ENOTDIR: "a file stands where a folder is needed",
    }
    return where + mends.get(error.errno or 0, error.strerror or str(error))


def show(report: "Report") -> None:
    """Prints what a command found."""
    for line in report.lines:
        print(line)


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


def verb(panel: str, example: str, parent: typer.Typer = app, **settings: Any) -> Callable[[Verb], Verb]:
    """Adds a function to the command line, with its one example."""

    def add(function: Verb) -> Verb:
        sentence = (function.__doc__ or "").strip().splitlines()[0]
        short = f"{sentence}\n[dim]{example}[/dim]"
        return parent.command(rich_help_panel=panel, short_help=short, epilog=f"Example: [bold]{example}[/bold]", **settings)(function)

    return add


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


@verb(START, "duomo demo")
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


@verb(START, "duomo fetch hsk")
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME", show_default=False, help="Sources, as `duomo sources` lists them.")],
    cache: CacheFolder = Path("cache"),
    path: Annotated[Path | None, typer.Option("--from", metavar="FILE", show_default=False, help=FROM)] = None,
) -> None:
    """Get data or weights by name, checked by their hashes."""
    from duomo.commands import fetch as command

    show(command.run(names, cache, path))


@verb(START, "duomo sources")
def sources(cache: CacheFolder = Path("cache")) -> None:
    """List what can be fetched: size, licence, whether it is here."""
    from duomo.commands import sources as command

    show(command.run(cache))


@verb(LEARN, "duomo prepare tiny")
def prepare(recipe: RecipeName, overrides: Overrides = None, workers: Workers = None) -> None:
    """Read, clean, split and render the data of a recipe.

    Bad records are counted and put aside, with the reason; the rest goes on.
    """
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import ready as command

    show(command.run(chosen, workers))


@verb(LEARN, "duomo train tiny train.steps=200")
def train(
    recipe: RecipeName,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of the run.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the run of this name and begin anew.")] = False,
) -> None:
    """Train the model of a recipe; Ctrl-C saves, --resume goes on.

    The run is kept in runs/ under the recipe's name: checkpoints, log and report.
    """
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import train as command

    try:
        show(command.run(chosen, resume, fresh))
    except KeyboardInterrupt as stop:  # names the very words to go on with
        raise KeyboardInterrupt(str(stop).replace("…", shlex.join([recipe, *(overrides or ())]))) from stop


@verb(LEARN, "duomo evaluate runs/tiny evaluate.samples=200")
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


@verb(USE, 'duomo ask runs/four-senses "what is this?" --image x.png', context_settings={"ignore_unknown_options": True})
def ask(
    model: ModelName,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION --SENSE FILE", show_default=False, help="The question, and files by their sense."),
    ] = None,
) -> None:
    """Ask one question about text, pictures, sound or video.

    Files stand behind the name of their sense: --image x.png, --audio x.wav, --video x.mp4; each may be repeated. A question may be spoken.

    Sampling, too: --max-tokens 200, --temperature 0.8, --top-k 40, --top-p 0.9, --min-p 0.05, --seed 1, --beams 4, --stop TEXT.
    """
    path, (question, media) = resolve_model(model), read_question(words or [])
    from duomo.commands import ask as command

    show(command.run(path, question, media))


def read_question(words: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """`["what?", "--image", "x.png"]` gives the question and the files by sense, in their order.

    Raises ValueError for a sense without its file.
    """
    rest, question, media = list(words), list[str](), list[tuple[str, str]]()
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            question.append(word)
            continue
        name, equals, path = word[2:].partition("=")
        if not equals and not rest:
            raise ValueError(f"{word} needs a file, as in {word} FILE")
        media.append((name, path if equals else rest.pop(0)))
    return " ".join(question), media


@verb(USE, "duomo chat runs/four-senses")
def chat(model: ModelName) -> None:
    """Talk with a model, in several turns."""
    path = resolve_model(model)
    from duomo.commands import chat as command

    show(command.run(path))


@verb(LOOK, "duomo scoreboard runs/*")
def scoreboard(
    models: Annotated[list[str], typer.Argument(metavar="RUN", show_default=False, help="Runs that were evaluated, or their report.json.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table in Markdown.")] = False,
) -> None:
    """Merge the scores of several runs into one table."""
    paths = [Path(model) if Path(model).is_file() else resolve_model(model) for model in models]
    from duomo.commands import scoreboard as command

    show(command.run(paths, markdown))


@verb(LOOK, "duomo compare runs/bert-scratch runs/bert-tuned")
def compare(
    first: ModelName,
    second: Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="The run that may be better.")],
) -> None:
    """Ask two runs the same held-out samples: what lies between them?"""
    paths = (resolve_model(first), resolve_model(second))
    from duomo.commands import compare as command

    show(command.run(*paths))


@verb(LOOK, "duomo lineage runs/four-senses")
def lineage(model: ModelName) -> None:
    """List what a model learned from: sources, licences, drops."""
    path = resolve_model(model)
    from duomo.commands import lineage as command

    show(command.run(path))


@verb(LOOK, 'duomo tokenizer show runs/four-senses "你好, world"', tokenizer, name="show")
def tokenizer_show(
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="A run folder, a fetched name, or a tokenizer.json.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False, help="A text to cut; none: figures by language.")] = "",
) -> None:
    """Print tokens as readable text, with bytes and characters per token."""
    path = Path(model) if Path(model).is_file() else resolve_model(model)
    from duomo.commands import tokenizer as command

    show(command.show(path, text))


@verb(LOOK, "duomo tokenizer learn tiny", tokenizer, name="learn")
def tokenizer_learn(recipe: RecipeName, overrides: Overrides = None) -> None:
    """Learn the tokenizer of a recipe from its training text."""
    chosen = read_recipe(recipe, overrides)
    from duomo.commands import tokenizer as command

    show(command.learn(chosen))


@verb(LOOK, "duomo data show my.csv -n 2 question=title answer=body", data, name="show")
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


@verb(LOOK, "duomo data check my.csv question=title answer=body", data, name="check")
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


def group(program: typer.Typer, name: str, sentence: str, example: str) -> None:
    """Adds verbs of two words to the command line."""
    app.add_typer(program, name=name, rich_help_panel=LOOK, help=sentence, short_help=f"{sentence}\n[dim]{example}[/dim]")


group(tokenizer, "tokenizer", "Learn a tokenizer, or look at one.", "duomo tokenizer show runs/four-senses")
group(data, "data", "Preview a recipe's samples, or check a data set.", "duomo data check my.csv")
