"""duomo evaluate RECIPE: measures a run on held-out data, and writes report.json and report.html beside its weights."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from duomo import report as reports
from duomo.batch import Patches
from duomo.checkpoint import Run, open_run
from duomo.commands import fetch, page
from duomo.commands.asked import Asked, Baselines
from duomo.commands.facts import facts
from duomo.commands.lineage import learned
from duomo.commands.prepare import prepared
from duomo.commands.show import bars
from duomo.data.prepare import digest, names
from duomo.data.processes import processes
from duomo.data.render import cut
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.run import Evaluation, Setting, evaluate
from duomo.generate import Said, Sampling, Speaker
from duomo.objectives import kind
from duomo.recipe import CutRecipe, Recipe
from duomo.report import Report
from duomo.sample import Part, Sample
from duomo.tasks import build
from duomo.tasks.task import Answer, Split, Task
from duomo.tasks.task import Store as Place

RUNS = Path("runs")


@dataclass(frozen=True)
class Answering:
    """A Speaker as what is measured."""

    speaker: Speaker

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> Sequence[Answer]:
        """Writes an answer to each."""
        return _answers(self.speaker.answer(samples, max_tokens))

    def rank(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """Picks one of each sample's choices."""
        return _answers(self.speaker.rank(samples))

    def likelihood(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """Gives each sample's own answer with what it cost."""
        return _answers(self.speaker.likelihood(samples))


def run(recipe: Recipe, runs: Path = RUNS, workers: int | None = None) -> Report:
    """Measures `runs/NAME` on every task that it learned, and on those of `recipe.evaluate`.

    With more than one worker (None: one per core) the baselines are computed beside the model. Raises ValueError where there is
    no run, and where the recipe's held-out data may have been trained on.
    """
    began, folder = time.monotonic(), runs / recipe.name
    opened = open_run(folder)
    _suits(recipe, opened)
    asked = list(_asked(recipe, workers))
    setting = Setting("test", recipe.evaluate.samples, recipe.evaluate.resamples, recipe.seed)
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    with _helper(workers or os.cpu_count() or 1) as helper:
        found = _measured(asked, speaker(opened, recipe), setting, helper)
    rows = tuple(row for one in found.values() for row in one.rows)
    examples = tuple(example for one in found.values() for example in one.examples)
    seconds = {name: round(one.seconds, 1) for name, one in found.items()} | {"all": round(time.monotonic() - began, 1)}
    report = Report(f"{recipe.name}: what it can do", rows, examples, facts(opened, recipe, seconds))
    reports.save(report, folder / "report.json")
    written = page.write(report, folder, Path(recipe.data.cache), learned(folder))
    table = scoreboard.text(scoreboard.merge({recipe.name: report}))
    return replace(report, lines=(*table.splitlines(), "", f"with examples to see and hear: {written}"))


def speaker(opened: Run, recipe: Recipe) -> Speaker:
    """The run's model, which answers greedily, or by beams where the recipe says so."""
    sampling = Sampling(beams=recipe.evaluate.beams)
    model = opened.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return Speaker(model, opened.tokenizer, Path(recipe.data.cache), sampling, recipe.evaluate.batch)


def _asked(recipe: Recipe, workers: int | None) -> Iterator[Asked]:
    """What to measure: the tasks of `evaluate.tasks`, or else all that was learned; and the extra tasks, whose sources are fetched.

    Raises ValueError where nothing of it is held out.
    """
    data, chosen, found = recipe.data, recipe.evaluate, prepared(recipe, workers)[0]
    root, held_out = Path(data.cache), {one.name: one.kept.get("test", 0) for one in found.lineage}
    learned = dict.fromkeys((*data.tasks, *names(data.files, data.tasks)))
    wanted = [*dict.fromkeys((*(chosen.tasks or (name for name in learned if held_out[name])), *chosen.extra))]
    if not wanted:
        raise ValueError(f"{recipe.name}: no data set holds anything out; give data.files a valid_share above 0 and train again")
    strange = {source for name in wanted if name not in learned for source in build(name, **data.options.get(name, {})).sources}
    if strange:
        fetch.run(sorted(strange), root)
    for name in wanted:
        options = None if name in learned and name not in data.tasks else data.options.get(name, {})
        yield Asked(name, options, root, found.folder / name if name in learned else None)


def _suits(recipe: Recipe, opened: Run) -> None:
    if digest(recipe) != digest(opened.recipe):
        raise ValueError(
            f"{opened.folder} learned from other data than this recipe names, so what is held out here may have been learned there; "
            f"give the run's own recipe: duomo evaluate {opened.folder}"
        )
    if kind(recipe.train.objective).reads == "halves" and not recipe.evaluate.tasks:
        raise ValueError(f"{opened.folder} learned what belongs together and answers nothing; `duomo find` looks for pictures with it")
    if recipe.data.mask_words and not recipe.evaluate.tasks:
        raise ValueError(f"{opened.folder} learned to fill in masked words and answers nothing yet; measure a run that starts from it")


def _measured(asked: Sequence[Asked], speaker: Speaker, setting: Setting, helper: Executor | None) -> dict[str, Evaluation]:
    tasks = [one.task() for one in asked]
    waiting = {one.name: helper.submit(one.baselines, setting) for one in asked} if helper else {}
    store, found = Store(speaker.root), dict[str, Evaluation]()
    with bars() as shown:
        bar = shown.add_task("evaluate", total=sum(3 + len(task.ablations) for task in tasks), note="")
        for task in tasks:
            before = shown.tasks[bar].completed
            tick = _ticking(lambda step, note, before=before: shown.update(bar, completed=before + step, note=note))  # type: ignore[misc]
            given = _given(task, waiting[task.name].result) if helper else task
            model = Answering(replace(speaker, cutter=_remembering()))
            found[task.name] = evaluate(given, model, store, setting, tick)
    return found


def _given(task: Task, baselines: Callable[[], Baselines]) -> Task:
    """The task with baselines that are computed elsewhere, from its training samples, which nobody else reads."""

    def samples(split: Split, store: Place) -> Any:
        return () if split == "train" else task.samples(split, store)

    return replace(task, samples=samples, baselines=lambda train, test, store: baselines())


@contextmanager
def _helper(workers: int) -> Iterator[Executor | None]:
    if workers < 2:
        yield None
        return
    with processes(1) as pool:
        yield pool


def _ticking(move: Callable[[int, str], None]) -> Callable[[str, int, int], None]:
    return lambda doing, step, steps: move(step, doing)


def _answers(said: Sequence[Said]) -> list[Answer]:
    return [Answer(one.text, one.nats, one.seconds) for one in said]


def _remembering() -> Callable[[Part, Mapping[str, CutRecipe], Path], Patches]:
    """Cuts each file once: controls and ablations show the same ones again."""
    known: dict[Part, Patches] = {}

    def cutter(part: Part, cuts: Mapping[str, CutRecipe], root: Path) -> Patches:
        if part not in known:
            known[part] = cut(part, cuts, root)
        return known[part]

    return cutter
