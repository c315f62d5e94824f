"""Quarantine: bad records of a data set, counted with their reasons while the rest goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """One bad record. `record` is a line of a text file, else the record's number; both count from 1, 0 is the whole file."""

    file: str
    record: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.record}: {self.reason}" if self.record else f"{self.file}: {self.reason}"


Refuse = Callable[[Fault], None]


@dataclass
class Quarantine:
    """Counts faults and keeps the first `limit` of them. Call it with a fault."""

    limit: int = 20
    count: int = 0
    faults: list[Fault] = field(default_factory=list)

    def __call__(self, fault: Fault) -> None:
        self.count += 1
        if len(self.faults) < self.limit:
            self.faults.append(fault)


def strict(fault: Fault) -> None:
    """Stops at the first fault with a ValueError."""
    raise ValueError(str(fault))
