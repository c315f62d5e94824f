"""Software texts between English and Chinese, both ways over one split: menus, settings, messages, and the pages of a manual.

Placeholders stand by number: "{host} is %s" is learned and asked as "{1} is {2}", and `duomo translate` puts them back.
"""

from collections.abc import Iterator, Sequence

from duomo.retrieve.cut import sentences
from duomo.sample import Sample
from duomo.tasks import bitext
from duomo.tasks.baselines import swapped
from duomo.tasks.bitext import OTHER, Held, Pair
from duomo.tasks.placeholders import found
from duomo.tasks.split import origin_group
from duomo.tasks.task import Answer, Metric, Row, Store, Task
from duomo.tasks.translation import ablations

SOURCES = ("homeassistant", "jupyterlab_zh", "libreoffice_zh", "debian_reference")
VALID, TEST = 200, 1000
LONGEST = 160  # bytes of a text, in either language


def software_en_zh(train: int = 0, longest: int = LONGEST, memory: int = 0) -> Task:
    """English to Chinese, `train` pairs in training (0: all) of at most `longest` bytes; longer ones part into lines and sentences.

    Each question shows the `memory` training pairs that are most like it, none of which has a side of its own pair.
    """
    return _software("zh", train, longest, memory)


def software_zh_en(train: int = 0, longest: int = LONGEST, memory: int = 0) -> Task:
    """Chinese to English."""
    return _software("en", train, longest, memory)


def pairs(store: Store, train: int = 0, longest: int = LONGEST) -> Held:
    """The pairs of each split. A pair whose sides hold different placeholders is left out: one of them is wrong."""
    every = (pair for source in SOURCES for pair in map(bitext.pair, store.open(source)))
    kept = (part for pair in every for part in parts(pair, longest) if found(part.en) == found(part.zh))
    held = dict(bitext.held(kept, VALID, TEST))
    if train:
        held["train"] = sorted(held["train"], key=lambda pair: pair.origin.group if pair.origin else "")[:train]
    return held


def parts(pair: Pair, longest: int) -> Iterator[Pair]:
    """The pair where it is one short line; else its lines, then their sentences, where both languages have as many of them."""
    if all("\n" not in side and len(side.encode()) <= longest for side in (pair.zh, pair.en)):
        yield pair
        return
    for cut in (_lines, _sentences):
        zh, en = cut(pair.zh), cut(pair.en)
        if len(zh) == len(en) > 1:
            name = f"{pair.origin.source}/{pair.origin.id}" if pair.origin else ""
            for one, other in zip(zh, en, strict=True):
                yield from parts(Pair(one, other, pair.origin, pair.text or name), longest)
            return


def _software(target: str, train: int, longest: int, memory: int) -> Task:
    if train < 0 or longest < 8:
        raise ValueError("software: train is at least 0 (all), longest at least 8 bytes")
    shown, source = bitext.checked(memory), OTHER[target]
    return Task(
        name=f"software_{source}_{target}",
        samples=lambda split, store: bitext.samples(split, pairs(store, train, longest), target, shown),
        score=lambda sample, answer: _score(sample, answer, target),
        metrics=(*bitext.metrics(target), *_METRICS),
        baselines=lambda train, test, store: bitext.baselines(train, test, target, "translation memory"),
        control=swapped,
        ablations=ablations(shown),
        sources=SOURCES,
        group=origin_group,
        max_tokens=96,
        about=f"overlap of letters with one human translation of {source} texts of programs and a manual, 0 to 100; no general sentences",
    )


def _score(sample: Sample, answer: Answer, target: str) -> Row:
    """What overlaps; how many words (Chinese: signs) a translator still changes or moves; whether all placeholders are there."""
    said, wanted = answer.text.strip(), found(sample.answer)
    edits, _ = bitext.measure("ter", target)._extract_corpus_statistics([said], [[sample.answer]])[0]
    return {**bitext.score(sample, answer, target), "edits": edits, "kept": found(said) == wanted, "holds": bool(wanted)}


def _edits(rows: Sequence[Row]) -> float:
    return sum(row["edits"] for row in rows) / len(rows)


def _kept(rows: Sequence[Row]) -> float:
    holding = [row["kept"] for row in rows if row["holds"]]
    return sum(holding) / len(holding) if holding else 1.0


_METRICS = (
    Metric("edits per segment", _edits, higher_is_better=False),
    Metric("placeholders kept", _kept, counts=lambda row: row["holds"]),
)


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> list[str]:
    return [" ".join(text[begin:end].split()) for begin, end in sentences(text)]
