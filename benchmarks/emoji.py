"""Pictures found by words, and words by pictures, measured: emoji in an art style, and of things, that training never showed.

    python benchmarks/emoji.py [MODEL]

MODEL is a run that learned the task `emoji` by the contrastive objective (runs/emoji if not said). Writes report.json beside it.
Q = questions, C = candidates, L = learned, D = width.
"""

import argparse
import inspect
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from duomo.commands import fetch
from duomo.commands.gallery import finds_pictures
from duomo.commands.models import embedder, open_with_card
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.modalities.image import IMAGE
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.sample import Part
from duomo.tasks.emoji import STYLES, Emoji, colours, concepts, dealt, emoji
from duomo.tasks.task import Metric
from duomo.vectors import Embedder

CACHE = Path("cache")
KS, SEED = (1, 5, 10), 0
Scores = NDArray[np.float32]  # (Q, C): the truth of question i is candidate i


@dataclass(frozen=True)
class Asked:
    """One set of concepts, in one style, with how it is called and what the classical way may know."""

    title: str
    about: str
    shown: Sequence[Emoji]
    style: str


def model_scores(model: Embedder, asked: Asked, language: str) -> Scores:
    """Cosines of pictures (Q) and names (C)."""
    pictures_QD = model.read([model.shown(Part(IMAGE.name, one.pictures[asked.style])) for one in asked.shown])
    return pictures_QD @ model.embed([one.names[language] for one in asked.shown]).T


def classical(asked: Asked, learned: Sequence[Emoji], style: str, language: str) -> tuple[Scores, Scores]:
    """Pictures to names, and names to pictures, through what was learned: pixels from picture to picture, letters from name to name.

    A known concept's own name is its learned picture's; of an unseen one the nearest learned picture, or name, stands for it.
    """
    far_QL = distances([one.pictures[asked.style] for one in asked.shown], [one.pictures[style] for one in learned])
    place = {one.id: number for number, one in enumerate(learned)}
    if all(one.id in place for one in asked.shown):
        near_QC = -far_QL[:, [place[one.id] for one in asked.shown]]
        return near_QC, near_QC.T
    like_LC = letters([one.names[language] for one in learned], [one.names[language] for one in asked.shown])
    return like_LC[far_QL.argmin(1)], -far_QL.T[like_LC.argmax(0)]


def distances(asked: Sequence[bytes], known: Sequence[bytes]) -> Scores:
    """Squared, of all pixels' colours."""
    asked_QF, known_LF = (np.stack([colours(png).reshape(-1) for png in some]).astype(np.float32) / 255 for some in (asked, known))
    return (asked_QF**2).sum(1)[:, None] - 2 * asked_QF @ known_LF.T + (known_LF**2).sum(1)


def letters(names: Sequence[str], others: Sequence[str]) -> Scores:
    """Cosine of weighted runs of 1 to 4 characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True).fit([*names, *others])
    return (weigh.transform(names) @ weigh.transform(others).T).toarray().astype(np.float32)


def ranks(scores: Scores, shift: int = 0) -> NDArray[np.float64]:
    """How many candidates stand before the truth, half of those level with it; `shift`: asked with another question's input."""
    asked = np.roll(scores, shift, axis=0)
    truth = np.take_along_axis(asked, np.arange(len(asked))[:, None], 1)
    return (asked > truth).sum(1) + ((asked == truth).sum(1) - 1) / 2


def hits(ranked: Sequence[NDArray[np.float64]], k: int) -> list[dict[str, Any]]:
    """A row a question, one language after the other."""
    return [{"hit": bool(rank < k)} for one in ranked for rank in one]


def rows(asked: Asked, way: str, scores: Sequence[Scores], others: dict[str, Sequence[Scores]]) -> Iterator[ReportRow]:
    """One line of the scoreboard for each k; `scores` by language, bootstrapped over concepts."""
    groups, random = [one.id for _ in scores for one in asked.shown], np.random.default_rng(SEED)
    ranked, swapped = [ranks(one) for one in scores], [ranks(one, shift=1) for one in scores]
    beside = {name: [ranks(one) for one in other] for name, other in others.items()}
    for k in KS:
        metric = Metric(f"recall@{k}", lambda rows: statistics.fmean(row["hit"] for row in rows))
        found, blind = hits(ranked, k), hits(swapped, k)
        ((low, high),), ((below, above),) = (intervals(some, [metric], groups, 1000, random) for some in (found, blind))
        chance = k / len(asked.shown)
        control = Control(metric.of(blind), len(blind), low=below, high=above, chance=chance)
        baselines = tuple(Baseline(name, metric.of(hits(other, k))) for name, other in beside.items())
        about = f"{asked.about}: of {len(asked.shown)}, how often the right one is among the first {k}"
        task, figures = f"emoji, {asked.title}: {way}", (metric.of(found), low, high, len(found))
        yield ReportRow(task, "test", metric.name, True, *figures, chance, baselines, control, about=about)


def measured(model: Embedder, asked: Asked, learned: Sequence[Emoji], style: str, languages: Sequence[str]) -> Iterator[ReportRow]:
    """Both ways of one set."""
    scores = [model_scores(model, asked, language) for language in languages]
    other = [classical(asked, learned, style, language) for language in languages]
    name = "nearest picture by pixels" if asked.style != style else "nearest picture by pixels, name by letters"
    yield from rows(asked, "picture to name", scores, {name: [one for one, _ in other]})
    yield from rows(asked, "name to picture", [one.T for one in scores], {name: [one for _, one in other]})


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="runs/emoji")
    chosen = parser.parse_args()
    fetch.run([f"emoji_{style}" for style in STYLES], CACHE)
    opened = open_with_card(chosen.model)
    if not finds_pictures(opened[0]):
        raise SystemExit(f"{chosen.model}: did not learn pictures and words by contrast; `duomo train emoji` makes a run that did")
    began, model = time.monotonic(), embedder(*opened)
    options = inspect.signature(emoji).bind(**opened[0].recipe.data.options.get("emoji", {}))
    options.apply_defaults()
    style, other, languages = (options.arguments[name] for name in ("style", "other", "languages"))
    found = dealt(concepts(Store(CACHE)), options.arguments["valid"], options.arguments["unseen"])
    sets = (
        Asked("other style", f"known emoji drawn in the style {other}, which training never showed", found["train"], other),
        Asked("unseen things", f"emoji that training never showed, in its style {style}", found["test"], style),
    )
    table = tuple(row for asked in sets for row in measured(model, asked, found["train"], style, languages))
    facts = {
        "model": str(chosen.model),
        "concepts": {split: len(some) for split, some in found.items()},
        "languages": list(languages),
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "steps": opened[0].step,
        "torch": torch.__version__,
        "seconds": round(time.monotonic() - began, 1),
    }
    report = Report("emoji: what it finds", table, facts=facts)
    save(report, opened[0].folder / "report.json")
    print(scoreboard.text(scoreboard.merge({"emoji": report})))
    print(facts)


if __name__ == "__main__":
    main()
