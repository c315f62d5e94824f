"""Summaries, measured: one sentence of a text against what its editors wrote above it, in English and in Chinese.

    python benchmarks/summarise.py [--count 500] [--threads 1]

Fetches wiki, people_daily, e5 and smollm2 into `cache`; writes runs/summarise/report.json. English: introductions of an encyclopedia
against its editors' short descriptions, articles of the test split. Chinese, longer: newspaper texts against their headings, found by
their form; a third of them, by the hash of the text, is not measured, for the weights in duomo/retrieve/summary.py were chosen there.
Vectors and the language model are measured on a part, beside the words on the same part.
"""

import argparse
import hashlib
import json
import re
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from duomo.commands import fetch
from duomo.commands.models import embedder, open_with_card
from duomo.commands.summarise import Choices, way, write
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.retrieve.cut import sentences
from duomo.retrieve.summary import Embed, summarise
from duomo.retrieve.words import SIGN
from duomo.sample import ask
from duomo.tasks.passages import articles, description
from duomo.tasks.split import key
from duomo.tasks.task import Answer, Metric, Row

CACHE, OUT, SEED = Path("cache"), Path("runs/summarise"), 0
OVERLAP = description(100_000)
HEADING = re.compile(r"[^（(●■▲◆\[［]{6,32}(?<![。！？；：，、”）)…》])")  # a short line without a stop
BYLINE = re.compile("记者|通讯员|作者|本报|日电")
SHORT, LONG = 40, 400  # characters of a line of text at least, of a text below a heading at least
FILE = 5_000_000  # bytes of the text that is timed
Say = Callable[[str], str]


@dataclass(frozen=True)
class Told:
    """A text, and what its editors wrote above it. `group`: texts of one are drawn together."""

    text: str
    truth: str
    group: str


def english(store: Store) -> list[Told]:
    """Introductions of the test split that have a description and more than one sentence."""
    known = [Told(one.text, one.description, one.origin.group) for one in articles("test", store) if one.description]
    return _drawn(one for one in known if len(list(sentences(one.text))) > 1)


def chinese(store: Store) -> list[Told]:
    """Texts of a newspaper below their headings; each text once, those left out by which the weights were chosen."""
    lines = [sample.messages[0].text for sample in store.open("people_daily")]
    found, at = dict[str, Told](), 0
    while at < len(lines):
        head, end = lines[at], at + 1
        if HEADING.fullmatch(head) and not BYLINE.search(head):
            while end < len(lines) and (len(lines[end]) >= SHORT or lines[end][-1] in "。！？”"):
                end += 1
            text = "\n".join(lines[at + 1 : end])
            if len(text) >= LONG and int(hashlib.sha256(text.encode()).hexdigest(), 16) % 3:
                found.setdefault(key(text), Told(text, head, ""))
        at = max(end - 1, at + 1)
    return _drawn(found.values())


def lead(text: str) -> str:
    """The first sentence."""
    begin, end = next(sentences(text))
    return text[begin:end]


def anywhere(text: str) -> str:
    """One sentence, whichever."""
    begin, end = Random(f"{SEED} {text}").choice(list(sentences(text)))
    return text[begin:end]


def ours(embed: Embed | None = None) -> Say:
    """The sentence that stands for the text best."""

    def say(text: str) -> str:
        return "\n".join(text[one.begin : one.end] for one in summarise(text, 1, embed))

    return say


def score(told: Told, said: str) -> Row:
    """Token F1 and ROUGE-L; Chinese characters count as words."""
    return OVERLAP.score(ask("", answer=spelled(told.truth)), Answer(spelled(said)))


def spelled(text: str) -> str:
    """Every Chinese character as a word of its own in letters, for both scores cut words by letters and digits alone."""
    return SIGN.sub(lambda found: f" u{ord(found[0]):x} ", text)


def measured(name: str, about: str, told: Sequence[Told], say: Say, others: dict[str, Say]) -> Iterator[ReportRow]:
    """Our sentence beside others, and beside our sentence of another text."""
    said = [say(one.text) for one in told]
    rows = [score(one, words) for one, words in zip(told, said, strict=True)]
    swapped = [score(one, said[_other(told, place)]) for place, one in enumerate(told)]
    found = {other: [score(one, by(one.text)) for one in told] for other, by in others.items()}
    groups = [one.group or str(place) for place, one in enumerate(told)]
    bounds, below = (intervals(some, OVERLAP.metrics, groups, 1000, np.random.default_rng(SEED)) for some in (rows, swapped))
    for metric, (low, high), (under, over) in zip(OVERLAP.metrics, bounds, below, strict=True):
        baselines = tuple(Baseline(other, metric.of(some)) for other, some in found.items())
        control = Control(metric.of(swapped), len(swapped), low=under, high=over)
        yield _row(name, metric, metric.of(rows), (low, high), len(rows), baselines=baselines, control=control, about=about)


def timed(text: str) -> dict[str, float]:
    """Processor seconds of a file of 5 MB, and the largest memory of this program so far, in GiB."""
    began = time.process_time()
    summarise(text, 5)
    seconds = round(time.process_time() - began, 2)
    return {"seconds": seconds, "MB": len(text.encode()) / 1e6, "GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)}


def _drawn(known: Any) -> list[Told]:
    found = list(known)
    Random(SEED).shuffle(found)
    return found


def _other(told: Sequence[Told], place: int) -> int:
    """The next text with another truth."""
    return next(other % len(told) for other in range(place + 1, place + len(told)) if told[other % len(told)].truth != told[place].truth)


def _row(name: str, metric: Metric, value: float, bounds: tuple[float, float], n: int, **more: Any) -> ReportRow:
    return ReportRow(f"summary, {name}", "test", metric.name, True, value, *bounds, n, **more)


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="texts of each language at most; a fifth by vectors, a tenth worded")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    fetch.run(["wiki", "people_daily", "e5", "smollm2"], CACHE)
    store, began = Store(CACHE), time.perf_counter()
    kinds = {
        "English introductions": (english(store)[: chosen.count], "words that one sentence shares with the editors' description, 0 to 1"),
        "Chinese newspaper": (chinese(store)[: chosen.count], "characters that one sentence shares with the heading, 0 to 1"),
    }
    simple: dict[str, Say] = {"lead sentence": lead, "random sentence": anywhere}
    encoder = embedder(*open_with_card("e5"), unknown=1.0)
    writer = way("smollm2").writer
    assert writer is not None
    rows = list[ReportRow]()
    for name, (told, about) in kinds.items():
        rows += measured(name, about, told, ours(), simple)
        part = told[: max(2, chosen.count // 5)]
        rows += measured(f"{name}, by vectors", about, part, ours(encoder.embed), simple | {"by words": ours()})
    told, about = kinds["English introductions"]
    part, others = told[: max(2, chosen.count // 10)], simple | {"by words": ours()}
    rows += measured("English introductions, by SmolLM2", about, part, lambda text: write(text, writer, Choices(1)), others)
    whole = {name: "\n\n".join(sample.messages[0].text for sample in store.open(name)) for name in ("wiki", "people_daily")}
    facts = {
        "texts": {name: len(told) for name, (told, _) in kinds.items()},
        "characters": {name: round(statistics.fmean(len(one.text) for one in told)) for name, (told, _) in kinds.items()},
        "5 MB": {name: timed(text.encode()[:FILE].decode(errors="ignore")) for name, text in whole.items()},
        "seconds": round(time.perf_counter() - began, 1),
    }
    report = Report("summarise", tuple(rows), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"summarise": report})))
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
