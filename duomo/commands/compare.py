"""duomo compare FIRST SECOND: asks two runs the same held-out samples, and says how much better the second is."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from duomo.checkpoint import open_run
from duomo.commands.asked import Asked
from duomo.commands.evaluate import Answering, speaker
from duomo.commands.prepare import prepared
from duomo.commands.show import ticking
from duomo.data.store import Store
from duomo.evaluate.compare import Difference, Figure, compare
from duomo.evaluate.run import Setting, pick
from duomo.recipe import Recipe
from duomo.report import Report


def run(first: Path, second: Path) -> Report:
    """Measures both on every task that both learned, as many samples of it as the second's recipe says.

    Raises ValueError where there is no such task, and where the two hold out other samples of it.
    """
    one, other = open_run(first), open_run(second)
    recipe = other.recipe
    names, root, folder = common(one.recipe, recipe), Path(recipe.data.cache), prepared(recipe)[0].folder
    models = (Answering(speaker(one, one.recipe)), Answering(speaker(other, recipe)))
    setting = Setting("test", recipe.evaluate.samples, recipe.evaluate.resamples, recipe.seed)
    found = list[Difference]()
    with ticking("compare", len(names)) as tick:
        for name in names:
            task, store = Asked(name, recipe.data.options.get(name, {}), root, folder / name).task(), Store(root)
            found += compare(task, pick(task, store, setting), models, setting)
            tick(name, setting.samples)
    lines = tuple(line for difference in found for line in told(difference, first.name, second.name))
    return Report(f"{second.name} against {first.name}", facts={"differences": [asdict(one) for one in found]}, lines=lines)


def common(first: Recipe, second: Recipe) -> list[str]:
    """The tasks that both learned, in the second's order. Raises ValueError as `run` says."""
    names = [name for name in second.data.tasks if name in first.data.tasks]
    if not names:
        raise ValueError(f"{first.name} and {second.name} learned no task in common, so there is nothing to compare; choose other runs")
    for name in names:
        if _held_out(first, name) != _held_out(second, name):
            raise ValueError(f"{first.name} and {second.name} hold out other samples of {name}; train both with the same data.options")
    return names


def told(found: Difference, first: str, second: str) -> Iterator[str]:
    """Four lines for the terminal."""
    width = max(len(first), len(second), len("difference"))
    yield f"{found.task}, {found.metric} {'↑' if found.higher_is_better else '↓'}, {found.n:,} samples, 95 % of a paired bootstrap"
    for name, figure, sign in ((first, found.first, ""), (second, found.second, ""), ("difference", found.gain, "+")):
        yield f"  {name:<{width}}  {_figure(figure, sign)}" + ("" if found.sure or not sign else "  may be chance: the interval holds 0")


def _held_out(recipe: Recipe, name: str) -> object:
    return recipe.data.options.get(name, {}), recipe.data.clean


def _figure(figure: Figure, sign: str) -> str:
    places = 1 if max(map(abs, (figure.value, figure.low, figure.high))) >= 10 else 3
    return f"{figure.value:{sign}.{places}f} [{figure.low:{sign}.{places}f}, {figure.high:{sign}.{places}f}]"
