"""Lines: samples as JSON lines on disk."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from duomo.sample import Sample, from_json, to_json

EVERY = 200  # samples between two ticks

Tick = Callable[[str, int], None]  # data set, samples written since the last tick


def samples_in(path: Path) -> Iterator[Sample]:
    """The samples of a file that `write` wrote."""
    with path.open(encoding="utf-8") as lines:
        for one in lines:
            yield from_json(json.loads(one))


def write(samples: Iterable[Sample], path: Path, name: str, tick: Tick) -> None:
    """Writes samples of the data set `name`, and has them on the disk before it ends."""
    with path.open("w", encoding="utf-8") as file:
        for sample in ticking(samples, name, tick):
            file.write(line(sample))
        file.flush()
        os.fsync(file.fileno())


def ticking(samples: Iterable[Sample], name: str, tick: Tick) -> Iterator[Sample]:
    """The same samples, told to the bar of the data set `name` as they go by."""
    number = 0
    for number, sample in enumerate(samples, 1):
        yield sample
        if number % EVERY == 0:
            tick(name, EVERY)
    tick(name, number % EVERY)


def line(sample: Sample) -> str:
    """A sample as one line."""
    return json.dumps(to_json(sample), ensure_ascii=False) + "\n"
