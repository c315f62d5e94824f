"""duomo compare FIRST SECOND: asks two runs the same held-out samples, and says how much better the second is."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from duomo.checkpoint import Run, open_run
from duomo.commands.evaluate import Answering, asked, speaker
from duomo.commands.show import ticking
from duomo.data.store import Store
from duomo.evaluate.compare import Difference, Figure, compare
from duomo.evaluate.run import Setting, pick
from duomo.report import Report


def run(first: Path, second: Path) -> Report:
    """Measures both on every task that both learned, as many samples as the second's recipe says.

    Raises ValueError where there is no such task, or where the two learned it with other options and so hold out other samples.
    """
    runs = (open_run(first), open_run(second))
    names, recipe = common(*runs), runs[1].recipe
    setting = Setting("test", recipe.evaluate.samples, recipe.evaluate.resamples, recipe.seed)
    models = (Answering(speaker(runs[0], runs[0].recipe)), Answering(speaker(runs[1], recipe)))
    found = list[Difference]()
    tasks = [one.task() for one in asked(recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update={"tasks": names, "extra": ()})}))]
    with ticking("compare", len(tasks)) as tick:
        for task in tasks:
            found += compare(task, pick(task, Store(Path(recipe.data.cache)), setting), models, setting)
            tick(task.name, setting.samples)
    lines = [line for one in found for line in told(one, first.name, second.name)]
    return Report(f"{second.name} against {first.name}", facts={"differences": [asdict(one) for one in found]}, lines=tuple(lines))
