"""Relations, measured: triples of encyclopedia introductions against judgements by hand, and facts about countries against a table.

    python benchmarks/extract.py [--draw 40]

Fetches wiki and countries into `cache`; writes runs/extract/report.json. `triples_judged.jsonl` holds the judgements: the article, the
triple, whether the sentence says it. Patterns were made on articles of the training split; judged are articles of the test split.
`--draw` prints triples that are not judged yet, with their sentences, to judge by hand.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from duomo.commands import fetch
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.graph.english import NAME
from duomo.graph.merged import same
from duomo.graph.triples import Triple, triples
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.tasks.passages import Article, articles
from duomo.tasks.task import Metric

CACHE, OUT, JUDGED = Path("cache"), Path("runs/extract"), Path(__file__).parent / "triples_judged.jsonl"
SEED, DRAWN = 0, 200
Key = tuple[str, str, str, str]
Facts = dict[str, Any]
PRECISION = Metric("precision", lambda rows: sum(row["right"] for row in rows) / len(rows))


def drawn(test: Sequence[Article]) -> list[tuple[Article, Triple]]:
    """Triples of the test articles in a seeded order, the first to be judged."""
    found = [(article, triple) for article in test for triple in triples(article.text)]
    found.sort(key=lambda pair: hashlib.sha256("\t".join(key(*pair)).encode()).hexdigest())  # new patterns keep the order of old triples
    return found


def key(article: Article, triple: Triple) -> Key:
    """What a judgement is known by."""
    return article.title, triple.subject, triple.predicate, triple.object


def judgements() -> dict[Key, bool]:
    """What was judged by hand."""
    rows = [json.loads(line) for line in JUDGED.read_text(encoding="utf-8").splitlines()] if JUDGED.is_file() else []
    return {(row["id"], row["subject"], row["predicate"], row["object"]): row["right"] for row in rows}


def judged_rows(test: Sequence[Article]) -> tuple[list[ReportRow], Facts]:
    """Precision of the judged triples that are still found, all together and by predicate."""
    known, found = judgements(), drawn(test)
    rows = [{"right": known[name], "predicate": name[2], "title": name[0]} for pair in found if (name := key(*pair)) in known]
    counts = Counter(triple.predicate for _, triple in found)
    facts = {
        "triples found in the test articles": dict(counts.most_common()),
        "articles with one": len({article.title for article, _ in found}),
        "articles": len(test),
        "judged": len(known),
        "judged and no longer found": len(known) - len(rows),
        "right by predicate": {
            name: f"{sum(row['right'] for row in rows if row['predicate'] == name)} of {count}"
            for name, count in Counter(row["predicate"] for row in rows).most_common()
        },
    }
    about = "triples of unseen encyclopedia introductions that their sentence says, judged by hand"
    made = [_row("relations", PRECISION, rows, about)] if rows else []
    return made, facts


def country_rows(store: Store) -> tuple[list[ReportRow], Facts]:
    """Capitals and regions of the countries that have an article, held out by country."""
    trees = (json.loads(sample.answer) for sample in store.open("countries"))
    facts = {name: tree for tree in trees for name in (tree["name"], *tree["names"])}
    everything = [article for split in ("train", "valid", "test") for article in articles(split, store)]  # type: ignore[arg-type]
    known = [(article, facts[article.title]) for article in everything if article.title in facts and held_out(facts[article.title]["name"])]
    rows = []
    for name, of, plain in (("capital", capitals, guessed_capital), ("region", regions, lambda article: [common(known)])):
        shown = [_fact(name, truth, of(article)) for article, truth in known]
        other = [_fact(name, truth, of(known[(place + 1) % len(known)][0])) for place, (_, truth) in enumerate(known)]
        simple = [_fact(name, truth, plain(article)) for article, truth in known]
        for metric in (Metric("precision", _precision), Metric("recall", _recall)):
            about = f"the {name} of a country as its introduction tells it, against a table; recall over all countries with an article"
            rows.append(_row(f"countries: {name}", metric, shown, about, simple, other))
    told = sum(any(same(city) in same(article.text) for city in truth["capitals"]) for article, truth in known)
    return rows, {"countries with an article": len(known), "of which the text holds the capital's name": told}


def held_out(name: str) -> bool:
    """Half of the countries; patterns were tried on the others."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 0


def capitals(article: Article) -> list[str]:
    """What the patterns take for the capital of the country that an article is about."""
    told = triples(article.text, title=article.title)
    return [t.subject for t in told if t.predicate == "capital_of" and same(t.object) == same(article.title)]


def regions(article: Article) -> list[str]:
    """Where the patterns place the country."""
    return [t.object for t in triples(article.text, title=article.title) if t.predicate == "located_in"][:1]


def guessed_capital(article: Article) -> list[str]:
    """A simple guess: the first name behind the word capital."""
    import re

    found = re.search(rf"\bcapital\b.*?(?P<n>{NAME})", article.text, re.DOTALL)
    return [found["n"]] if found else []


def common(known: Iterable[tuple[Article, Facts]]) -> str:
    """The most frequent region."""
    return Counter(truth["region"] for _, truth in known).most_common(1)[0][0]


def _fact(name: str, truth: Facts, said: Sequence[str]) -> dict[str, int]:
    areas = [truth["region"], truth["subregion"], "America" if truth["region"] == "Americas" else "?"]
    right = {"capital": truth["capitals"], "region": areas}[name]
    hits = [one for one in said if any(_fits(name, same(one), same(true)) for true in right)]
    return {"said": len(said), "right": len(hits), "found": int(bool(hits))}


def _fits(name: str, said: str, true: str) -> bool:
    """Whether it is the right capital, or names the right region."""
    return bool(true) and (true in said if name == "region" else true == said)


def _precision(rows: Sequence[Any]) -> float:
    return sum(row["right"] for row in rows) / max(1, sum(row["said"] for row in rows))


def _recall(rows: Sequence[Any]) -> float:
    return sum(row["found"] for row in rows) / len(rows)


def _row(
    task: str, metric: Metric, rows: Sequence[Any], about: str, simple: Sequence[Any] = (), other: Sequence[Any] = ()
) -> ReportRow:
    groups = [row["title"] for row in rows] if "title" in rows[0] else None
    ((low, high),) = intervals(rows, [metric], groups, 1000, np.random.default_rng(SEED))
    baselines = (Baseline("a simple guess", metric.of(simple)),) if simple else ()
    control = None
    if other:
        ((below, above),) = intervals(other, [metric], None, 1000, np.random.default_rng(SEED))
        control = Control(metric.of(other), len(other), low=below, high=above)
    return ReportRow(task, "test", metric.name, True, metric.of(rows), low, high, len(rows), None, baselines, control, about=about)


def show(pairs: Iterable[tuple[Article, Triple]]) -> None:
    """Prints triples to judge."""
    for article, triple in pairs:
        row = dict(zip(("id", "subject", "predicate", "object"), key(article, triple), strict=True))
        print(json.dumps(row, ensure_ascii=False), "\n   ", " ".join(triple.evidence.sentence.split())[:300])


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", type=int, default=0, help="print so many of the first triples that are not judged yet")
    chosen = parser.parse_args()
    fetch.run(["wiki", "countries"], CACHE)
    store = Store(CACHE)
    test = articles("test", store)
    if chosen.draw:
        known = judgements()
        show([pair for pair in drawn(test)[:DRAWN] if key(*pair) not in known][: chosen.draw])
        return
    (precise, facts), (countries, more) = judged_rows(test), country_rows(store)
    report = Report("extract", (*precise, *countries), facts=facts | more)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"extract": report})))
    print(json.dumps(report.facts, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
