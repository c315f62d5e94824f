"""Spoken names of things, measured: written down in Spanish, French and Russian, and translated into English.

    python benchmarks/captions.py [--count 150] [--translated 100] [--threads 2]

Fetches whisper-base and tuxpaint_speech into `cache`; writes runs/captions/report.json. The language is told. Clips are drawn by a seed
among captions that differ in their words; the first of them are translated too. Whether the voices are human is not known. The English
caption is what people wrote under the same picture: a caption in another language says it more or less freely, and so bounds what any
translation can score. Beside it the same weights by faster-whisper, where it is installed.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from transcribe import CACHE, SEED, WER, Basic, Clip, listed, measured, row, scored, texts

from duomo.commands import fetch
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.sample import ask
from duomo.sources.tuxpaint import SPOKEN
from duomo.tasks import bitext
from duomo.tasks.baselines import donors, majority
from duomo.tasks.task import Answer, Row

MODEL, SOURCE, OUT = "whisper-base", "tuxpaint_speech", Path("runs/captions")
MOST = 600  # captions of a language: some differing ones must be left to guess from
CHRF = bitext.metrics("en")[0]


@dataclass(frozen=True)
class Caption:
    """A clip, what it says, and what the picture is called in English."""

    sound: bytes
    said: str
    english: str
    language: str


def captions(store: Store) -> list[Caption]:
    """All spoken captions."""
    found = []
    for sample in store.open(SOURCE):
        told, language = json.loads(sample.answer), sample.origin.group if sample.origin else ""
        found.append(Caption(bytes(next(sample.media()).value), told[language], told["en"], language))
    return found


def drawn(every: Sequence[Caption], language: str, count: int) -> tuple[list[Caption], list[Caption]]:
    """Captions of a language that differ in their words, and all others of that language, which say nothing that is asked."""
    own = [one for one in every if one.language == language]
    single = {Basic(one.said): one for one in reversed(own)}
    names = Random(f"captions {SEED} {language}").sample(sorted(single), min(count, len(single)))
    return [single[name] for name in names], [one for one in own if Basic(one.said) not in names]


def written(asked: Sequence[Caption], others: Sequence[Caption], said: Sequence[str], peer: Sequence[str] | None) -> ReportRow:
    """Errors per word, beside the most frequent other caption for all."""
    clips = [(one.sound, one.said, one.language) for one in asked]
    often = majority([one.said for one in others], len(asked))
    made = row(f"captions, base: {asked[0].language}", clips, said, peer)
    return replace(made, baselines=(*made.baselines, Baseline("most frequent caption", WER.of(scored(often, clips)))))


def translated(asked: Sequence[Caption], others: Sequence[Caption], said: Sequence[str], peer: Sequence[str] | None) -> ReportRow:
    """chrF against the English captions, beside the caption as it is and the most frequent English one."""
    guesses = {"copy of the caption": [one.said for one in asked]}
    guesses |= {"most frequent caption": majority([one.english for one in others], len(asked))}
    named = ({"faster-whisper": peer} if peer else {}) | guesses
    mine = _rows(said, asked)
    ((low, high),) = intervals(mine, [CHRF], None, 1000, np.random.default_rng(SEED))
    other = donors([one.english for one in asked], Random(SEED))
    control = Control(CHRF.of(_rows([said[place] for place in other], asked)), len(asked))
    baselines = tuple(Baseline(name, CHRF.of(_rows(guess, asked))) for name, guess in named.items())
    task = f"captions, base: {asked[0].language} to English"
    return ReportRow(task, "test", CHRF.name, True, CHRF.of(mine), low, high, len(asked), None, baselines, control)


def _rows(said: Sequence[str], asked: Sequence[Caption]) -> list[Row]:
    pairs = zip(said, asked, strict=True)
    return [bitext.score(ask("", answer=one.english), Answer(text), "en") for text, one in pairs]


def heard(asked: Mapping[str, Sequence[Caption]], translate: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both programs hear in each language, and all that is told of it."""
    every = [one for own in asked.values() for one in own]
    clips: list[Clip] = [(one.sound, one.english if translate else one.said, one.language) for one in every]
    found = measured(MODEL, clips, True, translate)
    places = {language: [at for at, one in enumerate(every) if one.language == language] for language in asked}
    said = {language: (texts(found["said"], own) or [], texts(found["peer"], own)) for language, own in places.items()}
    return said, {"seconds": found["seconds"], "texts": listed(clips, found)}


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="captions of each language that are written down")
    parser.add_argument("--translated", type=int, default=100, help="of these, how many are translated too")
    parser.add_argument("--threads", type=int, default=2, help="of both programs")
    chosen = parser.parse_args()
    if not 2 <= chosen.translated <= chosen.count <= MOST:
        parser.error(f"at least 2 are translated, as many as are written down at most, and those are {MOST} at most")
    torch.set_num_threads(chosen.threads)
    fetch.run([MODEL, SOURCE], CACHE)
    every = captions(Store(CACHE))
    both = {language: drawn(every, language, chosen.count) for language in SPOKEN}
    asked, others = ({language: pair[side] for language, pair in both.items()} for side in (0, 1))
    some = {language: own[: chosen.translated] for language, own in asked.items()}
    (said, told), (meant, meaning) = heard(asked, False), heard(some, True)
    made = [written(own, others[language], *said[language]) for language, own in asked.items()]
    made += [translated(own, others[language], *meant[language]) for language, own in some.items()]
    report = Report("captions", tuple(made), facts={"written down": told, "translated": meaning, "clips": len(every)})
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"captions": report})))
    print(f"seconds: {told['seconds']} written down, {meaning['seconds']} translated")


if __name__ == "__main__":
    main()
