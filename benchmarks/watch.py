"""Films, measured: shot changes on films with known cuts and fades, memory of a long film, and finding what is said.

    python benchmarks/watch.py [--films 40] [--minutes 10] [--spoken 16]

Fetches fashion, digits, tuxpaint, hsk, espeak, e5 and whisper-base into `cache`; writes runs/watch/report.json. The films are put together
from real pictures; their movement, their changes and their voice are made.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import films
import numpy as np
import torch

from duomo.commands import fetch, find, watch
from duomo.commands.models import embedder, open_with_card
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.modalities.audio import AUDIO, RATE
from duomo.modalities.shots import Look, distance, segments
from duomo.modalities.video import shots
from duomo.recipe import CutRecipe
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.tasks.task import Metric

CACHE, OUT = Path("cache"), Path("runs/watch")
NEAR = 0.2  # seconds
SEED = 0
PRACTICE = 12  # further films, on which the baselines choose their one number
SECONDS = 30.0
THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 25))
Film = tuple[Path, list[films.Change]]
Times = Sequence[float]


def made(folder: Path, count: int, pictures: Sequence[np.ndarray], random: Random) -> list[Film]:
    """Films in a folder, with their changes."""
    found = list[Film]()
    for number in range(count):
        frames, changes = films.film(pictures, SECONDS, random)
        films.write(path := folder / f"{number}.mp4", frames)
        found.append((path, changes))
    return found


def matched(told: Times, true: Times) -> int:
    """How many of the true times are told within NEAR seconds, each by a time of its own."""
    left, count = sorted(told), 0
    for second in sorted(true):
        near = [other for other in left if abs(other - second) <= NEAR]
        if near:
            left.remove(min(near, key=lambda other, second=second: abs(other - second)))
            count += 1
    return count


def counted(told: Times, true: Sequence[films.Change]) -> dict[str, Any]:
    """What the figures need of one film."""
    by_kind = {kind: [change.second for change in true if change.kind == kind] for kind in ("cut", "dissolve", "black")}
    hits = {kind: matched(told, seconds) for kind, seconds in by_kind.items()}
    return {"hit": matched(told, [change.second for change in true]), "told": len(told), "true": len(true), "hits": hits} | {
        "of": {kind: len(seconds) for kind, seconds in by_kind.items()}
    }


def f1(rows: Sequence[dict[str, Any]]) -> float:
    """Over all films together."""
    return 2 * sum(row["hit"] for row in rows) / max(1, sum(row["told"] + row["true"] for row in rows))


def recall(*kinds: str) -> Callable[[Sequence[dict[str, Any]]], float]:
    """The share of changes of these kinds that are told."""

    def share(rows: Sequence[dict[str, Any]]) -> float:
        hit, of = (sum(row[name][kind] for row in rows for kind in kinds) for name in ("hits", "of"))
        return hit / max(1, of)

    return share


def ours(path: Path) -> list[float]:
    """The shot changes that Duomo finds."""
    return [segment.begin for segment in segments(shots(path, watch.KEPT)) if segment.change in ("cut", "fade")]


def steps(path: Path) -> list[tuple[float, float]]:
    """Each frame's second and its distance from the frame before."""
    found, before, start = list[tuple[float, float]](), None, 0.0
    for end, show in shots(path, CutRecipe(size=(1, 40, 40), hop=(1, 1, 1), merge=(1, 1, 1), features=3)):
        look = Look(start, show())
        found.append((start, distance(before, look) if before else 0.0))
        before, start = look, end
    return found


def fixed(stepped: Sequence[tuple[float, float]], threshold: float) -> list[float]:
    """A change wherever two frames differ by more than a threshold."""
    return [second for second, step in stepped if step > threshold]


def every(interval: float) -> list[float]:
    """A change every so many seconds."""
    return [float(second) for second in np.arange(interval, SECONDS, interval)]


def boundaries(asked: Sequence[Film], practice: Sequence[Film]) -> list[ReportRow]:
    """Shot changes against both baselines, which choose their number on other films, and the changes of another film."""
    trained = [(steps(path), true) for path, true in practice]
    threshold = max(THRESHOLDS, key=lambda one: f1([counted(fixed(stepped, one), true) for stepped, true in trained]))
    intervals_ = [0.5 * step for step in range(1, 13)]
    interval = max(intervals_, key=lambda one: f1([counted(every(one), true) for _, true in practice]))
    told = [ours(path) for path, _ in asked]
    stepped = [steps(path) for path, _ in asked]
    truths = [true for _, true in asked]
    rows = [counted(one, true) for one, true in zip(told, truths, strict=True)]
    others = [counted(one, true) for one, true in zip(told, truths[1:] + truths[:1], strict=True)]
    stepping = [counted(fixed(one, threshold), true) for one, true in zip(stepped, truths, strict=True)]
    baselines = {
        f"threshold {threshold:g} on the difference of frames": stepping,
        f"every {interval:g} s": [counted(every(interval), true) for true in truths],
    }
    kinds = {"F1 of changes within 0.2 s": (f1, ("cut", "dissolve", "black"))}
    kinds |= {f"recall of {name}": (recall(*kind), kind) for name, kind in (("cuts", ("cut",)), ("fades", ("dissolve", "black")))}
    return [_row("shot changes", name, of, rows, others, baselines, kind) for name, (of, kind) in kinds.items()]


def _row(
    task: str,
    name: str,
    of: Callable[[Any], float],
    rows: Sequence[Any],
    others: Sequence[Any],
    baselines: dict[str, Any],
    kinds: Sequence[str],
) -> ReportRow:
    metric, random = Metric(name, of), np.random.default_rng(SEED)
    ((low, high),), ((below, above),) = (intervals(one, [metric], None, 1000, random) for one in (rows, others))
    n = sum(row["of"][kind] for row in rows for kind in kinds)
    return ReportRow(
        task=task,
        split="test",
        metric=name,
        higher_is_better=True,
        value=of(rows),
        low=low,
        high=high,
        n=n,
        baselines=tuple(Baseline(called, of(scored)) for called, scored in baselines.items()),
        control=Control(of(others), n, "changes of another film", below, above),
        synthetic=True,
        about="films of real pictures that stand, pan, zoom and cross, with known cuts, dissolves and fades through black",
    )


def memory(folder: Path, pictures: Sequence[np.ndarray], minutes: float) -> dict[str, float]:
    """Peak of proportional memory, in GiB, and seconds of a process that watches a long film."""
    frames, _ = films.film(pictures, 60 * minutes, Random(SEED))
    films.write(path := folder / "long.mp4", frames)
    began, peak = time.monotonic(), 0
    child = multiprocessing.get_context("spawn").Process(target=_watched, args=(path, folder / "long"))
    child.start()
    while child.is_alive():
        peak = max(peak, _proportional(child.pid or 0))
        child.join(0.2)
    if child.exitcode:
        raise ValueError(f"{path}: the watching process ended with {child.exitcode}")
    return {"GiB": peak / 2**20, "seconds": time.monotonic() - began, "minutes": minutes}


def _watched(path: Path, out: Path) -> None:
    torch.set_num_threads(1)
    watch.run([path], watch.Choices(out=out))


def _proportional(process: int) -> int:
    """KiB of memory that are a process's own, its share of what is shared included."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def spoken(folder: Path, store: Store, pictures: Sequence[np.ndarray], count: int) -> list[ReportRow]:
    """Films that say three sentences each, one a shot; asked for by the Chinese original, and by the sentence itself."""
    random, speak = Random(SEED), store.open("espeak")
    pairs = [(sample.messages[0].text, sample.answer) for sample in store.open("hsk") if 5 <= len(sample.answer.split()) <= 12]
    chosen = random.sample(pairs, 3 * count)
    truth: list[tuple[str, float, float]] = []
    for number in range(count):
        voices = [AUDIO.read(speak(english, "en-us"), AUDIO.default) for _, english in chosen[3 * number : 3 * number + 3]]
        parts = [np.pad(voice, (RATE // 2, RATE)) for voice in voices]
        ends = np.cumsum([len(part) / RATE for part in parts])
        truth += [(f"{number}.mp4", float(end - len(part) / RATE), float(end)) for end, part in zip(ends, parts, strict=True)]
        shown = [films.still(random.choice(pictures), random) for _ in parts]
        frames = (shot(0.0) for shot, part in zip(shown, parts, strict=True) for _ in range(round(len(part) / RATE * films.RATE)))
        films.write(folder / f"{number}.mp4", frames, (np.concatenate(parts) * 32767).astype(np.int16))
    watch.run([folder], watch.Choices(whisper="whisper-base"))
    places = find.places(folder)
    about = f"of {len(places)} places in {count} films with a made voice, how often the first found is the right clip and second"
    rows = []
    for task, questions in (("find: by the same words", [e for _, e in chosen]), ("find: asked in Chinese", [c for c, _ in chosen])):
        scores = {name: [find.found(one, places, model) for one in questions] for name, model in _finders().items()}
        rows.append(_found(task, scores, places, truth, about))
    return rows


def _finders() -> dict[str, Any]:
    return {"vectors and words": embedder(*open_with_card("e5"), unknown=1.0), "words alone": None}


def _found(task: str, scores: dict[str, list[np.ndarray]], places: Sequence[find.Place], truth: Sequence[Any], about: str) -> ReportRow:
    def rows(name: str, shift: int = 0) -> list[dict[str, bool]]:
        best = [places[int(one.argmax())] for one in np.roll(np.stack(scores[name]), shift, axis=0)]
        pairs = zip(best, truth, strict=True)
        return [{"hit": place.clip == clip and begin - 0.5 <= place.second <= end} for place, (clip, begin, end) in pairs]

    metric = Metric("recall@1", lambda found: statistics.mean(row["hit"] for row in found))
    first, random, hits, swapped = next(iter(scores)), np.random.default_rng(SEED), rows(next(iter(scores))), rows(next(iter(scores)), 1)
    ((low, high),), ((below, above),) = (intervals(one, [metric], None, 1000, random) for one in (hits, swapped))
    baselines = tuple(Baseline(name, metric.of(rows(name))) for name in scores if name != first)
    chance = 1 / len(places)
    control = Control(metric.of(swapped), len(swapped), low=below, high=above, chance=chance)
    value, n = metric.of(hits), len(hits)
    return ReportRow(task, "test", "recall@1", True, value, low, high, n, chance, baselines, control, synthetic=True, about=about)


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=40, help="films of half a minute whose changes are looked for")
    parser.add_argument("--minutes", type=float, default=10, help="length of the film whose memory is measured")
    parser.add_argument("--spoken", type=int, default=16, help="films with a voice; 0: none")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    fetch.run(["fashion", "digits", "tuxpaint", "hsk", "espeak"] + (["e5", "whisper-base"] if chosen.spoken else []), CACHE)
    store, random = Store(CACHE), Random(f"films {SEED}")
    pictures = films.pictures(store, 150, random)
    with TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("practice", "test", "long", "spoken")]
        for folder in folders:
            folder.mkdir()
        practice = made(folders[0], PRACTICE, pictures[:150], Random("practice"))
        rows = boundaries(made(folders[1], chosen.films, pictures[150:], Random("test")), practice)
        facts = {"memory": memory(folders[2], pictures, chosen.minutes)}
        rows += spoken(folders[3], store, pictures, chosen.spoken) if chosen.spoken else []
    report = Report("watch", tuple(rows), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"watch": report})))
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
