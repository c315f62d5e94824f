"""Contest: the same work done by several programs, turn and turn about, and what the machine itself can do."""

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

OURS = "duomo"
LEAST, MOST = 3, 15  # rounds
SIDE, WORDS = 1024, 1 << 26  # of the square product; of the numbers that are read
Work = Callable[[], float]  # does one round, and gives how many units it did
Clock = Callable[[], float]


class Differ(ValueError):
    """Two programs that should compute the same do not, so their times can not be compared."""


@dataclass(frozen=True)
class Setting:
    """What a row is measured with."""

    threads: int
    seconds: float  # of rounds, for a row
    folder: Path  # where exports lie that peers open
    cache: Path  # where `duomo fetch` keeps models and packages
    clock: Clock = time.process_time


@dataclass(frozen=True)
class Contest:
    """The programs of one row, ready to work; the first is ours. Making one raises Differ where they do not compute the same.

    `agreed`: what was compared and found equal. `flops` and `bytes`: what a unit costs at least, for the share of the machine's
    ceilings. `absent`: peers that are not installed, and why. `facts`: anything else that was measured beside.
    """

    works: Mapping[str, Work]
    agreed: str
    flops: float = 0.0
    bytes: float = 0.0
    absent: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    clock: Clock | None = None  # where the setting's does not see the work


@dataclass(frozen=True)
class Aim:
    """What the row should reach: so many times a peer, or such a share of a ceiling ("sgemm", "read")."""

    against: str
    least: float


@dataclass(frozen=True)
class Row:
    """One row of the table: how its contest is made, and what it should show."""

    key: str
    title: str
    unit: str
    make: Callable[[Setting], Contest]
    headline: bool = True
    aims: tuple[Aim, ...] = ()
    weight: float = 1.0  # how much of a row's time it wants
    more: bool = True  # more is better


@dataclass(frozen=True)
class Ceilings:
    """What this machine does at best on this many threads, by the clock of the run."""

    sgemm: float  # FLOP/s of a square float32 product
    bgemm: float  # the same in bfloat16
    read: float  # bytes a second, summed from memory


@dataclass(frozen=True)
class Spread:
    """The median and the quartiles."""

    median: float
    low: float
    high: float
    n: int


def spread(values: list[float]) -> Spread:
    """Of at least one value."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0], len(values))
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), low, high, len(values))


def ceilings(clock: Clock, seconds: float = 1.0) -> Ceilings:
    """Measured for so many seconds each; the best of all repetitions."""
    numbers = torch.ones(WORDS)
    read = _best(lambda: numbers.sum(), 4 * WORDS, clock, seconds)
    products = [torch.ones(SIDE, SIDE, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    sgemm, bgemm = (_best(lambda a=a: a @ a, 2 * SIDE**3, clock, seconds) for a in products)
    return Ceilings(sgemm, bgemm, read)


def _best(work: Callable[[], object], size: float, clock: Clock, seconds: float) -> float:
    best, began = 0.0, clock()
    while clock() - began < seconds:
        start = clock()
        work()
        best = max(best, size / max(clock() - start, 1e-9))
    return best


def compete(contest: Contest, setting: Setting, weight: float = 1.0) -> dict[str, list[float]]:
    """Units a second of every round of every program, A B A B; the check before has made all of them warm."""
    rates: dict[str, list[float]] = {name: [] for name in contest.works}
    clock = contest.clock or setting.clock
    began, rounds = clock(), 0
    while rounds < LEAST or (rounds < MOST and clock() - began < setting.seconds * weight):
        for name, work in contest.works.items():
            start = clock()
            units = work()
            rates[name].append(units / max(clock() - start, 1e-9))
        rounds += 1
    return rates


def peak_megabytes() -> float:
    """The most memory that this process ever held; on Linux the kernel's own mark, for `getrusage` hands down the parent's."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def needed(modules: Mapping[str, str]) -> dict[str, str]:
    """Peers that can not be imported, and why: names of peers by the module that each needs."""
    import importlib

    absent = {}
    for peer, module in modules.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # a peer that is broken is as good as none, whatever it raises
            absent[peer] = f"{type(error).__name__}: {error}".splitlines()[0]
    return absent
