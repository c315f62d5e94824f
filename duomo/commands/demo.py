"""duomo demo RECIPE: from nothing to a measured model that answers: fetch, prepare, train, evaluate, ask."""

import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from duomo import recipe as recipes
from duomo.checkpoint import open_run
from duomo.commands import compare, evaluate, fetch, train
from duomo.commands.ask import Assistant
from duomo.commands.ready import get_ready
from duomo.commands.resolve import resolve_recipe
from duomo.commands.show import console
from duomo.generate import Sampling
from duomo.recipe import Recipe
from duomo.report import Example, Report
from duomo.sources import SOURCES
from duomo.tasks import build

RUNS = Path("runs")
NEEDED = ("av", "soundfile", "soxr", "PIL", "sklearn", "sacrebleu", "jiwer", "rouge_score", "matplotlib")  # of the extra "demo"
SHORT = 300  # characters of an example that a terminal shows


@dataclass
class Clock:
    """How long each phase took, in the order in which they began."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Says that a phase begins, and adds its time when it ends."""
        console().print(f"── {name}", style="bold", highlight=False)
        began = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

    @property
    def told(self) -> str:
        """For people: every phase and the sum."""
        parts = ", ".join(f"{name} {_minutes(seconds)}" for name, seconds in self.seconds.items())
        return f"time: {parts}; together {_minutes(sum(self.seconds.values()))}"


def run(recipe: Recipe, runs: Path = RUNS) -> Report:
    """Trains the recipe anew and measures it; then the recipes that it names in `then`, the last two of which are compared.

    A model that only filled in masked words has no figures yet. Raises ValueError, before anything begins, for libraries that
    are missing.
    """
    _need(NEEDED, "demo")
    clock, followers = Clock(), [recipes.load(resolve_recipe(name)) for name in recipe.then]
    if any(one.adapt and one.adapt.rank for one in (recipe, *followers)):
        _need(("peft",), "adapt")
    reports = [_one(one, runs, clock) for one in (recipe, *followers)]
    lines = [line for report in reports for line in report.lines]
    if len(followers) > 1:
        with clock.phase("compare"):
            lines += ["", *compare.run(*(runs / one.name for one in followers[-2:])).lines]
    last = (recipe, *followers)[-1]
    return replace(reports[-1], lines=(*lines, "", clock.told, *_next(runs / last.name, Path(last.data.cache), reports[-1].examples)))


def _one(recipe: Recipe, runs: Path, clock: Clock) -> Report:
    """One recipe, from its sources to its answers."""
    folder = runs / recipe.name
    with clock.phase("fetch"):
        _fetch(recipe)
    with clock.phase("prepare"):
        get_ready(recipe)
    with clock.phase("train"):
        trained = train.run(recipe, fresh=True, runs=runs)
        recipe = recipes.load(folder / "recipe.json")  # with the steps that it settled on
    if recipe.data.mask_words and not recipe.evaluate.tasks:
        return replace(trained, lines=trained.lines[:1])
    with clock.phase("evaluate"):
        report = evaluate.run(recipe, runs)
    with clock.phase("ask"):
        assistant = Assistant(open_run(folder), Sampling(beams=recipe.evaluate.beams))
        own = [Example("", question, assistant.ask(question), "") for question in recipe.asks]
    firsts = {example.task: example for example in reversed(report.examples)}
    asked = [line for example in (*reversed(firsts.values()), *own) for line in _dialogue(example, Path(recipe.data.cache))]
    return replace(report, lines=(*trained.lines[:1], "", *asked, *report.lines))


def _fetch(recipe: Recipe) -> None:
    """All sources of the recipe, those of extra tasks and of weights included; what the cache holds is only verified."""
    names = dict.fromkeys((*recipe.data.tasks, *recipe.evaluate.tasks, *recipe.evaluate.extra))
    sources = {source for name in names for source in build(name, **recipe.data.options.get(name, {})).sources}
    begun = (recipe.train.start_from, recipe.train.teacher, *(sense.start_from for sense in recipe.model.senses.values()))
    sources |= {name for name in begun if name in SOURCES}
    if sources:
        fetch.run(sorted(sources), Path(recipe.data.cache))


def _dialogue(example: Example, root: Path) -> Iterator[str]:
    """One question, what was said, what is true."""
    yield " ".join([example.task or "asked", *(str(root / path) for _, path in example.media)])
    for name, text in (("question", example.question), ("answer", example.answer), ("truth", example.truth)):
        if text or name == "answer":
            yield f"  {name:<9}{' '.join(text.split())[:SHORT]}"
    yield ""


def _next(folder: Path, root: Path, examples: Iterable[Example]) -> Iterator[str]:
    """Commands to try: one for each set of senses that was asked through."""
    yield "next:"
    seen = set[str]()
    for example in examples:
        senses = " ".join(kind for kind, _ in example.media)
        if senses not in seen and (senses or example.question):
            seen.add(senses)
            files = [word for kind, path in example.media for word in (f"--{kind}", str(root / path))]
            question = [example.question] if example.question else []
            yield f"  {shlex.join(['duomo', 'ask', str(folder), *question, *files])}"
    yield f"  duomo chat {folder}"


def _need(names: Iterable[str], extra: str) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ValueError(f"the demo needs {', '.join(missing)}: pip install 'duomo[{extra}]'")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
