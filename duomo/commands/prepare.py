"""Prepared: every data set of a recipe, fetched, read, cleaned and split, once."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from duomo import recipe as recipes
from duomo.commands.show import bars
from duomo.data.lineage import Lineage
from duomo.data.lines import Tick
from duomo.data.prepare import Job, Prepared, digest, names, prepare
from duomo.data.quarantine import Quarantine
from duomo.data.read import read
from duomo.data.splits import write_file, write_task
from duomo.data.store import Store
from duomo.recipe import CleanRecipe, FileData, Recipe
from duomo.sources import SOURCES
from duomo.sources import fetch as fetching
from duomo.tasks import build

STEPS = (
    "chats clean contamination content crawl encoding folders gutenberg inflate known language lines main_text markup near prepare quality "
    "read rows splits tables texts verify warc"
).split()
CODE = ("sample.py", "modalities/*.py", "sources/*.py", "tasks/*.py", *(f"data/{step}.py" for step in STEPS))  # what makes samples


def prepared(recipe: Recipe, workers: int | None = None) -> tuple[Prepared, dict[str, float]]:
    """The recipe's data, made where it does not stand yet, and the share of each data set.

    `workers` processes make several data sets at a time (None: one per core). Raises ValueError for what is missing or empty.
    """
    data, root = recipe.data, Path(recipe.data.cache)
    named = dict(zip(names(data.files, data.tasks), data.files, strict=True))
    shares = dict(data.tasks) | {name: file.weight for name, file in named.items()}
    if not shares:
        raise ValueError(f"recipe {recipe.name}: no data; name tasks in data.tasks, or your own files in data.files")
    for file in named.values():
        next(iter(read(file, Quarantine())))  # before anything is written: is it there, and is something good in it?
    target = root / "prepared" / digest(recipe, _code())
    if not target.is_dir():
        _fetch({source for name in data.tasks for source in build(name, **data.options.get(name, {})).sources}, root)
    jobs: dict[str, Job] = {name: partial(_task, name, data.options.get(name, {}), data.clean, root) for name in data.tasks}
    jobs |= {name: partial(_file, name, file, recipe, root) for name, file in named.items()}
    with _progress(jobs, target) as tick:
        return prepare(target, jobs, workers or os.cpu_count() or 1, tick), shares


def _task(name: str, options: Mapping[str, Any], clean: CleanRecipe, root: Path, target: Path, tick: Tick) -> Lineage:
    store = Store(root)
    task = build(name, **options)
    return write_task(name, lambda split: task.samples(split, store), store, clean, target, tick)  # type: ignore[arg-type]


def _file(name: str, file: FileData, recipe: Recipe, root: Path, target: Path, tick: Tick) -> Lineage:
    return write_file(name, file, Store(root), recipe.data, target, tick)


def _fetch(sources: Iterable[str], root: Path) -> None:
    wanted = [SOURCES[name] for name in sorted(sources)]
    if all(fetching.cached(source, root) for source in wanted):
        return
    fetching.need_room_for(wanted, root)
    with fetching.bars() as progress:
        for source in wanted:
            fetching.fetch(source, root, progress)


@contextmanager
def _progress(jobs: Iterable[str], target: Path) -> Iterator[Tick]:
    """A bar per data set; none where all stands already."""
    if target.is_dir():
        yield lambda name, count: None
        return
    with bars() as shown:
        rows = {name: shown.add_task(name, total=None, note="samples") for name in jobs}
        yield lambda name, count: shown.update(rows[name], advance=count)
        for row in rows.values():
            shown.update(row, total=shown.tasks[row].completed)


def _code() -> str:
    """A hash of the code that makes samples, so that a change of it is never hidden by old data."""
    total = hashlib.sha256()
    for file in (file for pattern in CODE for file in sorted(Path(recipes.__file__).parent.glob(pattern))):
        if not file.name.endswith("_test.py"):
            total.update(file.read_bytes())
    return total.hexdigest()
