"""Prepare: every data set of a recipe, made once, in a folder that appears whole or not at all."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from duomo.data.lineage import NAME, Lineage, load, save
from duomo.data.lines import Tick, samples_in
from duomo.data.processes import processes
from duomo.disk import whole_folder
from duomo.recipe import FileData, Recipe
from duomo.sample import Sample

FORM = 1  # of what is written; raise it and everything is made anew

Job = Callable[[Path, Tick], Lineage]  # writes {train,valid,test}.jsonl into the folder


@dataclass(frozen=True)
class Prepared:
    """Where the prepared data lies and what became of the records."""

    folder: Path
    lineage: tuple[Lineage, ...]

    def path(self, data: str, split: str) -> Path:
        """The JSON lines of one data set and split."""
        return self.folder / data / f"{split}.jsonl"

    def samples(self, data: str, split: str) -> Iterator[Sample]:
        """The samples of one data set and split, in order."""
        return samples_in(self.path(data, split))


def digest(recipe: Recipe, code: str = "") -> str:
    """16 hex digits of all that prepared data depends on: tasks, their options, files (with size and time), cleaning, seed, code.

    Weights, row sizes and worker counts are not among it: changing them prepares nothing anew.
    """
    data = recipe.data
    tree = data.model_dump(mode="json", include={"options", "clean"})
    tree["files"] = [file.model_dump(mode="json", exclude={"weight"}) for file in data.files]
    tree |= {"tasks": sorted(data.tasks), "piece": data.max_tokens if data.files else 0, "seed": recipe.seed, "code": code, "form": FORM}
    tree["states"] = [_state(Path(file.path)) for file in data.files]
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


def prepare(target: Path, jobs: Mapping[str, Job], workers: int, tick: Tick) -> Prepared:
    """Does all jobs, each in its own folder under `target`; a target that exists is taken as it is.

    With more than one worker the jobs run in fresh processes and must be picklable; they tick once, when done.
    Whatever fails, nothing half made is left.
    """
    if not (target / NAME).is_file():
        with whole_folder(target, replace=False) as folder:
            for name in jobs:
                (folder / name).mkdir()
            run = _in_processes(jobs, folder, workers, tick) if min(workers, len(jobs)) > 1 else _in_turn(jobs, folder, tick)
            save(run, folder / NAME)
    return Prepared(target, load(target / NAME))


def names(files: Iterable[FileData], taken: Iterable[str] = ()) -> list[str]:
    """A name for each of the user's data sets: that of the file, numbered where it is taken."""
    given, used = list[str](), set(taken)
    for file in files:
        stem = Path(file.path).stem or "data"
        name, number = stem, 1
        while name in used:
            number += 1
            name = f"{stem}-{number}"
        used.add(name)
        given.append(name)
    return given


def _silent(name: str, count: int) -> None:
    """Ticks of another process go nowhere."""


def _in_turn(jobs: Mapping[str, Job], folder: Path, tick: Tick) -> list[Lineage]:
    return [job(folder / name, tick) for name, job in jobs.items()]


def _in_processes(jobs: Mapping[str, Job], folder: Path, workers: int, tick: Tick) -> list[Lineage]:
    done = dict[str, Lineage]()
    with processes(workers) as pool:
        waiting = {pool.submit(job, folder / name, _silent): name for name, job in jobs.items()}
        for future in as_completed(waiting):
            lineage = done[waiting[future]] = future.result()
            tick(lineage.name, sum(lineage.kept.values()))
    return [done[name] for name in jobs]


def _state(path: Path) -> list[tuple[str, int, int]]:
    """What tells one state of a file or folder from another: names, sizes, times of change."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return [(f.name if f == path else f.relative_to(path).as_posix(), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
