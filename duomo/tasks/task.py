"""Task: samples to learn or answer, how an answer is scored, and what it is compared with. This file is the contract."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Protocol

from duomo.sample import Sample

Split = Literal["train", "valid", "test"]
Row = Mapping[str, Any]  # what the metrics need of one answer


class Store(Protocol):
    """What a task may ask of the machine: opened sources, and a place for media."""

    def open(self, source: str) -> Any:
        """The source's samples (or its voice), fetched before."""

    def keep(self, data: bytes, suffix: str) -> str:
        """Writes media under its content hash; gives the path inside the data root."""

    def bytes(self, path: str) -> bytes:
        """What was kept."""


@dataclass(frozen=True)
class Answer:
    """What the model said; for likelihood tasks the truth itself, with what it cost in nats."""

    text: str
    nats: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Metric:
    """A figure of the whole set of rows (not a mean of per-row figures unless it is one)."""

    name: str
    of: Callable[[Sequence[Row]], float]
    higher_is_better: bool = True
    chance: float | None = None
    counts: Callable[[Row], bool] = lambda row: True  # which rows it is about: its n


@dataclass(frozen=True)
class Ablation:
    """The test asked with altered inputs, e.g. one sense taken away; `chance` is the best that a blind guess reaches on it."""

    name: str
    alter: Callable[[Sequence[Sample], Random], Sequence[Sample]]
    chance: float | None = None


@dataclass(frozen=True)
class Task:
    """One job: one file, one row of the table.

    `samples(split, store)`: splits share no content hash and no group. `baselines(train, test, store)`: name -> one answer
    per test sample, or for likelihood tasks name -> figure. `control(test, random)`: the same questions, each with the
    input of a sample whose answer differs.
    """

    name: str
    samples: Callable[[Split, Store], Iterable[Sample]]
    score: Callable[[Sample, Answer], Row]
    metrics: tuple[Metric, ...]
    baselines: Callable[[Sequence[Sample], Sequence[Sample], Store], Mapping[str, Sequence[str] | float]]
    control: Callable[[Sequence[Sample], Random], Sequence[Sample]]
    sources: tuple[str, ...] = ()
    ask: Literal["answer", "likelihood"] = "answer"
    ablations: tuple[Ablation, ...] = ()
    group: Callable[[Sample], str] | None = None  # rows of one group are resampled together by the bootstrap
    max_tokens: int = 48
    synthetic: bool = False
    about: str = ""  # one sentence on what its number means for a user
    knows: str = ""  # of a task that shows pictures: what a model that learned it can name
