"""Splits: one data set, cleaned, its held-out part kept apart from its training part, written as JSON lines per split."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from duomo.data.clean import clean
from duomo.data.contamination import HeldOut, runs_of
from duomo.data.content import fingerprint, split_key
from duomo.data.lineage import Ledger, Lineage
from duomo.data.lines import Tick, line, samples_in, ticking, write
from duomo.data.quality import keep_quality
from duomo.data.read import fault_in, folder, read
from duomo.data.texts import pieces
from duomo.data.verify import verify
from duomo.modalities import MODALITIES
from duomo.recipe import CleanRecipe, DataRecipe, FileData
from duomo.sample import TEXT, Part, Sample

HELD_OUT = ("test", "valid")
SPLITS = ("train", *HELD_OUT)
BYTES_PER_TOKEN = 2  # fewer than a learned tokenizer packs, so that a piece fits whole


class Keep(Protocol):
    """What is asked of the store: a place for media, by content."""

    def keep(self, data: bytes, suffix: str) -> str:
        """Writes media under its content hash; gives the path inside the data root."""


def write_task(name: str, split: Callable[[str], Iterable[Sample]], store: Keep, recipe: CleanRecipe, target: Path, tick: Tick) -> Lineage:
    """A task's samples. Its held-out splits are written as they are; the training split is cleaned.

    A training sample that equals a held-out one, or shares a group with one, is dropped. Overlap of 8-grams is only counted.
    """
    ledger = Ledger(name)
    held, groups = dict[str, HeldOut](), set[str]()
    for part in HELD_OUT:
        kept = [_kept(sample, store) for sample in ledger.reading(split(part))]
        held[part] = HeldOut(kept)
        groups |= {s.origin.group for s in kept if s.origin and s.origin.group}
        write(ledger.keeping(kept, part), target / f"{part}.jsonl", name, tick)
    train = _good((_kept(sample, store) for sample in ledger.reading(split("train"))), recipe, ledger.dropped)
    train = clean(train, recipe, ledger.dropped)
    train = _drop_groups(_drop_overlap(train, held, ledger.dropped, by_runs=False), groups, ledger.dropped)
    write(ledger.keeping(train, "train"), target / "train.jsonl", name, tick)
    return ledger.close({part: index.report() for part, index in held.items()})


def write_file(name: str, data: FileData, store: Keep, recipe: DataRecipe, target: Path, tick: Tick) -> Lineage:
    """A data set of the user: bad records quarantined, the rest cleaned and split by content (or group, or piece of media).

    `valid_share` goes to valid and as much to test. Training samples that equal a held-out one or hold half of its 8-grams are dropped.
    Raises ValueError where no training sample is left.
    """
    ledger = Ledger(name)
    samples = ledger.reading(_readable(read(data, ledger.quarantine), data, store, ledger))
    samples = pieces(_good(samples, recipe.clean, ledger.dropped), recipe.max_tokens * BYTES_PER_TOKEN)
    samples = clean(samples, recipe.clean, ledger.dropped)
    _scatter(samples, lambda sample: split_of(sample, data.valid_share), target, name, tick)
    held = dict[str, HeldOut]()
    for part in HELD_OUT:
        held[part] = HeldOut(ledger.keeping(samples_in(target / f"{part}.jsonl"), part))
    train, pool = target / "train.jsonl", target / "pool.jsonl"
    train.rename(pool)
    apart = _drop_overlap(samples_in(pool), held, ledger.dropped, by_runs=True)
    write(ledger.keeping(apart, "train"), train, name, lambda name, count: None)
    pool.unlink()
    if not ledger.kept["train"]:
        fate = ", ".join(f"{reason}: {count}" for reason, count in [*ledger.dropped.items(), ("quarantined", ledger.quarantine.count)])
        first = "".join(f"; the first fault: {fault}" for fault in ledger.quarantine.faults[:1])
        raise ValueError(f"{data.path}: no training sample is left of {ledger.read} ({fate}){first}")
    return ledger.close({part: index.report() for part, index in held.items()})


def split_of(sample: Sample, share: float) -> str:
    """The split of a user's sample: the same for equal content, whatever the seed and the order."""
    place = int.from_bytes(split_key(sample)[:8], "big") / 2**64
    return "valid" if place < share else "test" if place < 2 * share else "train"


def _good(samples: Iterable[Sample], recipe: CleanRecipe, dropped: Counter[str]) -> Iterable[Sample]:
    """Whole documents, judged where the recipe says so."""
    return keep_quality(samples, dropped) if recipe.quality else samples


def _drop_overlap(samples: Iterable[Sample], held: Mapping[str, HeldOut], dropped: Counter[str], by_runs: bool) -> Iterator[Sample]:
    for sample in samples:
        key, runs = fingerprint(sample), runs_of(sample)
        equals = [index.equals(key) for index in held.values()]
        covers = [index.covers(runs) for index in held.values()]
        if any(equals):
            dropped["equals a held-out sample"] += 1
        elif by_runs and any(covers):
            dropped["8-grams of a held-out sample"] += 1
        else:
            yield sample


def _drop_groups(samples: Iterable[Sample], groups: set[str], dropped: Counter[str]) -> Iterator[Sample]:
    for sample in samples:
        if sample.origin and sample.origin.group in groups:
            dropped["group is held out"] += 1
        else:
            yield sample


def _readable(samples: Iterable[Sample], data: FileData, store: Keep, ledger: Ledger) -> Iterator[Sample]:
    """Those that can be learned from, their media kept in the store."""
    root = folder(data)
    for sample in samples:
        try:
            verify(sample, root)
        except ValueError as error:
            ledger.quarantine(fault_in(sample, data, str(error)))
        else:
            yield _kept(sample, store, root)


def _kept(sample: Sample, store: Keep, root: Path | None = None) -> Sample:
    """The sample with its media as paths in the store: bytes always; files of the user's, which lie under `root`."""
    if not any(sample.media()):
        return sample

    def keep(part: Part) -> Part:
        if part.kind == TEXT or (root is None and isinstance(part.value, str)):
            return part
        if isinstance(part.value, bytes):
            return Part(part.kind, store.keep(part.value, MODALITIES[part.kind].suffix))
        path = (root or Path()) / part.value
        return Part(part.kind, store.keep(path.read_bytes(), path.suffix.lower()))

    return replace(sample, messages=tuple(replace(m, parts=tuple(map(keep, m.parts))) for m in sample.messages))


def _scatter(samples: Iterable[Sample], place: Callable[[Sample], str], target: Path, name: str, tick: Tick) -> None:
    with ExitStack() as stack:
        files = {split: stack.enter_context((target / f"{split}.jsonl").open("w", encoding="utf-8")) for split in SPLITS}
        for sample in ticking(samples, name, tick):
            files[place(sample)].write(line(sample))
