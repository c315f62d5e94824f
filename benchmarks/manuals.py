"""Real questions to real manuals: is the section found that answers, and is nothing said where none does?

    python benchmarks/manuals.py [--threads 2]

The questions are titles of sections in the FAQs of programs, as users asked them; an index holds the sections without their titles. The
judge of questions is fitted on four FAQs (`program_faqs`) and tested on a fifth in English and Chinese (`debian_faq`); the judge across
languages on the chapters of that fifth but for one in five, and tested on that one. Strangers are questions of other texts: of the other
FAQs, in Chinese sentences of `hsk` that ask. Fetches e5 and these sources into `cache`; writes runs/manuals/report.json.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from shelf import FIRST, MODEL, NDCG, RECALL, RIGHT, Asked, balanced, line, regression, retrieval, shelf_of
from shelf_questions import SEED, Question, manuals

from duomo.commands import fetch
from duomo.commands.models import embedder, open_with_card
from duomo.commands.shelf import embedding
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.report import Report, ReportRow, save
from duomo.retrieve.confidence import ACROSS, CALIBRATIONS, NAME, NAMED, Calibration
from duomo.retrieve.search import LOOKS, PLAIN
from duomo.retrieve.words import SAY_NOTHING, is_chinese, is_question, searcher

CACHE, OUT = Path("cache"), Path("runs/manuals")
SHARE = CALIBRATIONS[f"{MODEL}{NAME}"].share
FOLDS, STRANGERS = 5, 400
Files = Sequence[tuple[str, str]]  # names and texts
Asking = Callable[[str, Sequence[Question], str, Files], Asked]  # a name, questions, the index that is asked and its files
SIDES = ("kept", "refused, its section taken out", "refused, a question of another text")
Looks = NDArray[np.float64]


@dataclass(frozen=True)
class Manual:
    """How the finds look, one row each: of questions with their section there, with it taken out, and of strangers."""

    asked: Asked
    looks: tuple[Looks, Looks, Looks]

    @property
    def chapters(self) -> tuple[NDArray[np.int64], ...]:
        """The fold of each of these rows: of a question that of its chapter."""
        own = np.array([int(question.file.partition(".")[0]) % FOLDS for question in self.asked.questions])
        return own, own, np.arange(len(self.looks[2])) % FOLDS


def manual(asked: Asked, strangers: Asked) -> Manual:
    """Asks all questions."""
    finds = [(asked, False), (asked, True), (strangers, False)]
    seen = [[one.find(number, SHARE, gone) for number in range(len(one.questions))] for one, gone in finds]
    there, gone, strange = (np.array([[getattr(find, look) for look in LOOKS] for find in some]) for some in seen)
    return Manual(asked, (there, gone, strange))


def fit(parts: Sequence[tuple[Looks, ...]], least: int = 0) -> Calibration:
    """Logistic regression over all finds whose question has more than `least` words; the threshold keeps as large a share of what is
    there as it refuses of strangers: a question whose section was taken out is often half answered by another one."""
    there, gone, strange = (
        np.concatenate([part[side][part[side][:, LOOKS.index("asked")] > least] for part in parts]) for side in range(3)
    )
    seen, is_there = np.concatenate([there, gone, strange]), np.repeat([True, False], [len(there), len(gone) + len(strange)])
    weights, bias = regression(seen * [look in PLAIN for look in LOOKS], is_there)
    made = Calibration(weights[: len(PLAIN)], bias, 0.5, SHARE)
    sure, clear = sureness(made, np.concatenate([there, strange])), np.repeat([True, False], [len(there), len(strange)])
    return replace(made, threshold=round(balanced(sure, clear), 3))


def sureness(judge: Calibration, looks: Looks) -> NDArray[np.float64]:
    """Of each find."""
    return np.array([judge.sureness(one) for one in looks])


def answered(looks: Looks, judge: Calibration, by_name: Calibration | None = None) -> NDArray[np.bool_]:
    """Which finds are answered; those of few words by the judge of names, where there is one."""
    kept = sureness(judge, looks) >= judge.threshold
    if by_name is None:
        return kept
    return np.where(looks[:, LOOKS.index("asked")] > NAMED, kept, sureness(by_name, looks) >= by_name.threshold)


def rows(one: Manual, kept: Sequence[NDArray[np.bool_]], others: dict[str, Sequence[NDArray[np.bool_]]]) -> Iterator[ReportRow]:
    """Found, kept, refused."""
    about = "of all sections of a manual, how often the one that answers a question is found"
    yield from retrieval(one.asked, SHARE, about, (RECALL, FIRST, NDCG))
    for side, name in enumerate(SIDES):
        right = [{"right": bool(answer) == (side == 0)} for answer in kept[side]]
        beside = {other: float((made[side] == (side == 0)).mean()) for other, made in others.items()}
        blind = float(np.concatenate([made == (side == 0) for number, made in enumerate(kept) if (number == 0) != (side == 0)]).mean())
        about = f"of questions to a manual, the share that is {name}"
        yield line(f"manual, {one.asked.name}: {name}", RIGHT, right, about, baselines=beside, chance=blind)


def across(manuals: Sequence[Manual]) -> Iterator[tuple[Manual, list[NDArray[np.bool_]], Calibration]]:
    """What is answered across languages, each chapter judged by what was fitted on the others; and the weights fitted on all."""
    made = [[np.zeros(len(side), bool) for side in one.looks] for one in manuals]
    for fold in range(FOLDS):
        kept = [tuple(side[at != fold] for side, at in zip(one.looks, one.chapters, strict=True)) for one in manuals]
        judge = fit(kept)
        for one, answers in zip(manuals, made, strict=True):
            for side, (looks, at) in enumerate(zip(one.looks, one.chapters, strict=True)):
                answers[side][at == fold] = answered(looks[at == fold], judge)
    whole = fit([one.looks for one in manuals])
    yield from ((one, answers, whole) for one, answers in zip(manuals, made, strict=True))


def measured(store: Store, asking: Asking) -> tuple[list[ReportRow], dict[str, Calibration]]:
    """All rows, and what was fitted."""
    learned, tests = manuals(store, "program_faqs"), manuals(store, "debian_faq")
    told = {sample.messages[0].text for sample in store.open("hsk")}
    strangers = {"en": [one for _, some in learned.values() for one in some], "zh": [Question(text, "") for text in sorted(told)]}
    strangers["zh"] = [one for one in strangers["zh"] if is_chinese(one.text) and is_question(one.text)]
    for some in strangers.values():
        Random(SEED).shuffle(some)

    def manual_of(name: str, asked: Sequence[Question], of: str, files: Files, strange: Sequence[Question]) -> Manual:
        return manual(asking(name, asked, of, files), asking("", [Question(one.text, "") for one in strange], of, files))

    programs = list[Manual]()
    for name, (files, asked) in learned.items():
        others = [one for one in strangers["en"] if one not in asked]
        programs.append(manual_of(name, asked, name, files, others[: len(asked)]))
    judge, by_name = fit([one.looks for one in programs], NAMED), CALIBRATIONS[f"{MODEL}{NAME}"]
    found, fitted, both = list[ReportRow](), {MODEL: judge}, list[Manual]()
    for asks, of in (("en", "en"), ("zh", "zh"), ("zh", "en"), ("en", "zh")):
        name = f"{asks} asks {of}"
        one = manual_of(name, tests[asks][1], of, tests[of][0], strangers[asks][:STRANGERS])
        if asks != of:
            both.append(one)
            continue
        kept = [answered(side, judge, by_name) for side in one.looks]
        found += rows(one, kept, {"judged as a question by name": [answered(side, by_name) for side in one.looks]})
    for one, answers, whole in across(both):
        fitted[f"{MODEL}{ACROSS}"] = whole
        found += rows(one, answers, {})
    return found, fitted


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    torch.set_num_threads(parser.parse_args().threads)
    fetch.run([MODEL, "program_faqs", "debian_faq", "hsk"], CACHE)
    words, say, model = searcher(), searcher(SAY_NOTHING), embedder(*open_with_card(MODEL))
    ask_ = embedding(model, "query")

    def asking(name: str, asked: Sequence[Question], of: str, files: Files) -> Asked:
        shelf = shelf_of(f"manual-{of}", files, words, model)
        return Asked(name, tuple(asked), shelf, say, ask_([one.text for one in asked]))

    found, fitted = measured(Store(CACHE), asking)
    facts = {"fitted": {name: asdict(one) for name, one in fitted.items()}}
    facts |= {"in the code": {name: asdict(CALIBRATIONS[name]) for name in fitted if name in CALIBRATIONS}}
    report = Report("manuals", tuple(found), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"manuals": report})))
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
