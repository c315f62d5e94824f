"""Asked: a task of a run, its samples as they were prepared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from duomo.data.lines import samples_in
from duomo.data.store import Store
from duomo.evaluate.run import Setting, pick
from duomo.sample import Sample
from duomo.tasks import build
from duomo.tasks.own import own
from duomo.tasks.task import Task

Baselines = Mapping[str, Sequence[str] | float]


@dataclass(frozen=True)
class Asked:
    """One task of a run as another process can make it: where its prepared samples lie, if it was learned, and its options.

    No options: a data set of the user's.
    """

    name: str
    options: Mapping[str, Any] | None
    root: Path
    folder: Path | None

    def task(self) -> Task:
        """The task, its samples read from where they were prepared, so that nothing is drawn or spoken anew."""
        if self.options is None:
            return own(self.name, self._read)
        task = build(self.name, **self.options)
        return task if self.folder is None else replace(task, samples=lambda split, store: self._read(split))

    def _read(self, split: str) -> Iterator[Sample]:
        return samples_in((self.folder or Path()) / f"{split}.jsonl")

    def baselines(self, setting: Setting) -> Baselines:
        """What classical methods say to the very samples that the model is asked."""
        task, store = self.task(), Store(self.root)
        return task.baselines(list(task.samples("train", store)), pick(task, store, setting), store)
