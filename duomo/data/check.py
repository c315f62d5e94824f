"""Check: every fault of a data set, with its place, and what the rest looks like, before any training."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from duomo.data.content import fingerprint
from duomo.data.quarantine import Fault, Quarantine
from duomo.data.read import fault_in, folder, read
from duomo.data.verify import verify
from duomo.recipe import FileData
from duomo.sample import Sample


@dataclass(frozen=True)
class Findings:
    """`records` counts good ones; `faults` are the first, `fault_count` is all; `facts` describe the good ones."""

    records: int
    faults: tuple[Fault, ...]
    fault_count: int
    facts: Mapping[str, str]


def check(data: FileData, limit: int = 50) -> Findings:
    """Reads the whole data set, decodes all its media, and keeps the first `limit` faults."""
    quarantine = Quarantine(limit)
    good = list[_Measure]()
    try:
        good += (_measure(sample) for sample in _sound(data, quarantine))
    except ValueError as error:
        if not quarantine.count:
            quarantine(Fault(data.path, 0, str(error).removeprefix(f"{data.path}: ")))
    return Findings(len(good), tuple(quarantine.faults), quarantine.count, _facts(good))


@dataclass(frozen=True)
class _Measure:
    turns: int
    asked: int
    answer: str
    media: tuple[str, ...]
    key: bytes


def _sound(data: FileData, quarantine: Quarantine) -> Iterator[Sample]:
    root = folder(data)
    for sample in read(data, quarantine):
        try:
            verify(sample, root)
        except ValueError as error:
            quarantine(fault_in(sample, data, str(error)))
        else:
            yield sample


def _measure(sample: Sample) -> _Measure:
    asked = sum(len(m.text) for m in sample.messages if m.role != "assistant")
    return _Measure(len(sample.messages), asked, sample.answer, tuple(p.kind for p in sample.media()), fingerprint(sample))


def _facts(good: Sequence[_Measure]) -> dict[str, str]:
    if not good:
        return {}
    answers = Counter(m.answer for m in good)
    kinds = Counter(kind for m in good for kind in m.media)
    common = ", ".join(f"{answer[:40]!r} {count / len(good):.0%}" for answer, count in answers.most_common(5))
    return {
        "records": f"{len(good):,}",
        "messages a record": f"mean {mean(m.turns for m in good):.1f}, most {max(m.turns for m in good)}",
        "characters asked": _spread([m.asked for m in good]),
        "characters answered": _spread([len(m.answer) for m in good]),
        "media": ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "none",
        "exact duplicates": f"{len(good) - len({m.key for m in good}):,}",
        "distinct answers": f"{len(answers):,}; most common: {common}",
    }


def _spread(lengths: Sequence[int]) -> str:
    return f"median {median(lengths):,.0f}, mean {mean(lengths):,.0f}, longest {max(lengths):,}"
