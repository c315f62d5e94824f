"""Question answering over a shelf, measured: is the right article found, is its sentence quoted, are unanswerable questions refused?

    python benchmarks/shelf.py [--threads 2]

Fetches e5, wiki and hsk into `cache`; indexes 10,033 encyclopedia introductions and 4,354 sentences (kept in runs/shelf, made once);
writes runs/shelf/report.json. With the package bm25s installed, it is compared with the product's own BM25.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from shelf_questions import SEED, Question, chinese, encyclopedia

from duomo.commands import fetch
from duomo.commands.models import embedder, open_with_card
from duomo.commands.shelf import comparing, embedding
from duomo.commands.show import bars
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.bootstrap import intervals
from duomo.report import Baseline, Control, Report, ReportRow, save
from duomo.retrieve import shelf as shelves
from duomo.retrieve.answer import Reader
from duomo.retrieve.compare import READ, Compare, read
from duomo.retrieve.confidence import ACROSS, CALIBRATIONS, COMPARED, NAME, NAMED, PHRASE, Calibration
from duomo.retrieve.cut import MOST, passages, sentences
from duomo.retrieve.passage import LINE, Section
from duomo.retrieve.search import LOOKS, PLAIN, Search, fuse, judged, matches
from duomo.retrieve.shelf import Kept, Shelf
from duomo.retrieve.words import SAY_NOTHING, Words, searcher
from duomo.sample import ask
from duomo.tasks.passages import description
from duomo.tasks.task import Answer, Metric, Row
from duomo.vectors import Embedder

CACHE, OUT, MODEL = Path("cache"), Path("runs/shelf"), "e5"
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
Scores = NDArray[np.float32]
Fuse = Callable[[Scores, Scores], Scores]


@dataclass(frozen=True)
class Asked:
    """Questions of one kind with their words and vectors, over one index."""

    name: str
    questions: tuple[Question, ...]
    shelf: Shelf
    words: Words
    vectors_QD: Scores
    compare: Compare | None = None
    worth: dict[tuple[int, bool], Scores] = field(default_factory=dict, repr=False)  # of passages that were read beside questions

    def scores(self, number: int) -> tuple[Scores, Scores]:
        """Words' and vectors' scores of all passages."""
        matched_N = matches(self.shelf.words, self.words(self.questions[number].text))
        return matched_N, self.shelf.vectors_ND @ self.vectors_QD[number]

    def find(self, number: int, share: float, gone: bool = False) -> Search:
        """What is found; share 0: by words alone; `gone`: with the answering file taken out."""
        matched_N, cosine_N = self.scores(number)
        rows = self.rows[self.questions[number].file] if gone else slice(0, 0)
        matched_N[rows], cosine_N[rows] = -1, -1
        words, vectors_ND = self.words(self.questions[number].text), self.shelf.vectors_ND
        assert vectors_ND is not None
        kept = vectors_ND[rows].copy()
        vectors_ND[rows] = 0  # near nothing
        found = judged(self.shelf.words, words, matched_N, cosine_N if share else None, 10, share, vectors_ND)
        vectors_ND[rows] = kept
        return found

    def beside(self, number: int, share: float, gone: bool) -> tuple[Search, Scores]:
        """The same, and what its first passages are worth when they are read beside the question."""
        found = self.find(number, share, gone)
        assert self.compare is not None
        if (number, gone) not in self.worth:
            texts = [self.shelf.passages[row].whole for row in found.rows_K[:READ]]
            self.worth[number, gone] = self.compare(self.questions[number].text, texts, found.scores_K[: len(texts)])
        return found, self.worth[number, gone]

    @cached_property
    def rows(self) -> Mapping[str, slice]:
        """The passages of each file: they stand together."""
        ends = np.cumsum([kept.passages for kept in self.shelf.files.values()])
        return {name: slice(int(end) - kept.passages, int(end)) for (name, kept), end in zip(self.shelf.files.items(), ends, strict=True)}


def ranks(asked: Asked, fused: Fuse, shift: int = 0) -> list[Row]:
    """The place of the right file among all, 0 the first, by its best passage; `shift`: of another question's file."""
    starts = np.array([rows.start for rows in asked.rows.values()])
    numbers = {name: number for number, name in enumerate(asked.rows)}
    found = list[Row]()
    for number in range(len(asked.questions)):
        right = numbers[asked.questions[(number + shift) % len(asked.questions)].file]
        files = np.maximum.reduceat(fused(*asked.scores(number)), starts)
        rank = int((files > files[right]).sum()) + int((files[:right] == files[right]).sum())
        found.append({"rank": rank, "gain": 1 / np.log2(rank + 2) if rank < 10 else 0.0})
    return found


def summed(share: float) -> Fuse:
    """The product's way: a weighted sum."""
    return lambda matched_N, cosine_N: fuse(matched_N, cosine_N, share)


def reciprocal(matched_N: Scores, cosine_N: Scores) -> Scores:
    """The usual other way: 1 / (60 + rank) of both added up."""
    places = [np.argsort(np.argsort(-scores_N, kind="stable"), kind="stable") for scores_N in (matched_N, cosine_N)]
    return sum((1 / (60 + place_N) for place_N in places), np.zeros(len(matched_N))).astype(np.float32)


ALONE: Mapping[str, Fuse] = {"words alone": summed(0.0), "vectors alone": summed(1.0)}
RECALL = Metric("recall@5", lambda rows: statistics.fmean(row["rank"] < 5 for row in rows))
FIRST = Metric("recall@1", lambda rows: statistics.fmean(row["rank"] < 1 for row in rows))
NDCG = Metric("nDCG@10", lambda rows: statistics.fmean(row["gain"] for row in rows))
RIGHT = Metric("share", lambda rows: statistics.fmean(row["right"] for row in rows))


def line(task: str, metric: Metric, rows: Sequence[Row], about: str, control: Sequence[Row] | None = None, **more: Any) -> ReportRow:
    """One line of the scoreboard, with its interval and that of its control."""
    ((low, high),) = intervals(rows, [metric], None, 1000, np.random.default_rng(SEED))
    if control is not None:
        ((below, above),) = intervals(control, [metric], None, 1000, np.random.default_rng(SEED))
        more["control"] = Control(metric.of(control), len(control), low=below, high=above, chance=more.get("chance"))
    more["baselines"] = tuple(Baseline(name, value) for name, value in more.get("baselines", {}).items())
    return ReportRow(task, "test", metric.name, True, metric.of(rows), low, high, len(rows), about=about, **more)


def retrieval(asked: Asked, share: float, about: str, metrics: Sequence[Metric] = (RECALL, NDCG)) -> Iterator[ReportRow]:
    """Words and vectors together, and each alone; the control counts another question's file as the right one."""
    ways = {"words and vectors": summed(share), **ALONE}
    found = {name: ranks(asked, way) for name, way in ways.items()}
    for name, way in ways.items():
        swapped = ranks(asked, way, shift=1)
        for metric in metrics:
            others = {other: metric.of(found[other]) for other in ALONE} if name not in ALONE else {}
            chance = {RECALL.name: 5, FIRST.name: 1}.get(metric.name)
            more = {"chance": chance / len(asked.shelf.files)} if chance else {}
            yield line(f"shelf, {asked.name}: {name}", metric, found[name], about, swapped, baselines=others, **more)


def looks(asked: Asked, share: float, reads: bool = False) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How each find looks, first of answerable questions, then of the same with their file taken out; and which are answerable."""
    asks = [(number, gone) for gone in (False, True) for number in range(len(asked.questions))]
    finds = [read(*asked.beside(number, share, gone)) if reads else asked.find(number, share, gone) for number, gone in asks]
    return np.array([[getattr(find, look) for look in LOOKS] for find in finds]), np.repeat([True, False], len(asked.questions))


def regression(seen: NDArray[np.float64], there: NDArray[np.bool_]) -> tuple[tuple[float, ...], float]:
    """Weights and bias of a logistic regression, for looks as they are."""
    from sklearn.linear_model import LogisticRegression

    scale = seen.std(0) + 1e-9
    model = LogisticRegression(C=100.0, max_iter=1000).fit(seen / scale, there)
    return tuple((model.coef_[0] / scale).round(3).tolist()), round(float(model.intercept_[0]), 3)


def fit(valid: Asked, share: float, reads: bool = False) -> Calibration:
    """Logistic regression over how the finds of all validation questions look, and the threshold where kept and refused are alike.

    By words alone (share 0) only what is covered counts, for BM25's scale changes with the size of an index, and the threshold keeps
    99 of 100 answerable questions. `reads`: with the first passages read beside the question.
    """
    seen, there = looks(valid, share, reads)
    known = LOOKS if reads else PLAIN if share else ("covered",)
    limits = tuple((round(float(low), 4), round(float(high), 4)) for low, high in np.quantile(seen, [0.01, 0.99], axis=0).T)
    seen = seen.clip(*np.array(limits).T) if reads else seen * [look in known for look in LOOKS]
    weights, bias = regression(seen, there)
    fitted = Calibration(weights[: len(LOOKS if reads else PLAIN)], bias, 0.5, share, "", limits if reads else ())
    if reads:
        longest = max(len(passage.whole) for passage in valid.shelf.passages)
        fitted = replace(fitted, longest=longest if longest < MOST // 2 else 0)
    sure = np.array([fitted.sureness(one) for one in seen])
    return replace(fitted, threshold=round(balanced(sure, there) if share else float(np.quantile(sure[there], 0.01)), 3))


def reread(asked: Asked, judge: Calibration, shift: int = 0) -> list[Row]:
    """As `ranks`, after the first passages were read beside the question; 99 where the right file is not among ten passages."""
    found = list[Row]()
    for number in range(len(asked.questions)):
        question = asked.questions[(number + shift) % len(asked.questions)]
        rows = read(*asked.beside(number, judge.share, False)).rows_K
        files = list(dict.fromkeys(asked.shelf.passages[row].file for row in rows))
        right = asked.shelf.passages[asked.rows[question.file].start].file
        found.append({"rank": files.index(right) if right in files else 99})
    return found


def balanced(sure: NDArray[np.float64], there: NDArray[np.bool_]) -> float:
    """The threshold at which as large a share of the answerable is kept as of the unanswerable is refused."""
    thresholds = np.quantile(sure, np.linspace(0, 1, 501))
    worst = [min((sure[there] >= one).mean(), (sure[~there] < one).mean()) for one in thresholds]
    return float(thresholds[int(np.argmax(worst))])


def refusal(
    valid: Asked, test: Asked, calibration: Calibration, plain: Calibration | None = None, wordy: Calibration | None = None
) -> Iterator[ReportRow]:
    """Of questions whose file was taken out, how many are refused; of the others, how many are answered. Against each look alone.

    `plain`: the judge that reads no passage beside the question, to compare with. `wordy`: that of questions of more words than a name.
    """
    (known, known_there), (seen, there) = (looks(asked, calibration.share, calibration.reads) for asked in (valid, test))
    judges = [wordy if wordy and one[LOOKS.index("asked")] > NAMED else calibration for one in seen]
    kept = np.array([judge.sureness(one) >= judge.threshold for judge, one in zip(judges, seen, strict=True)])
    alone = {f"{look} alone": seen[:, n] >= balanced(known[:, n], known_there) for n, look in enumerate(LOOKS) if seen[:, n].any()}
    if plain is not None:
        alone["no passage is read beside the question"] = np.array([plain.sureness(one) >= plain.threshold for one in seen])
    name = f"shelf, {test.name}{'' if calibration.share else ', by words alone'}"
    sides = (
        ("unanswerable: refused", "of questions whose file was taken out, the share that is not answered", ~there, False),
        ("answerable: kept", "of questions whose file is there, the share that is answered", there, True),
    )
    for side, about, of, wanted in sides:
        rows = [{"right": bool(one)} for one in kept[of] == wanted]
        others = {look: float((one[of] == wanted).mean()) for look, one in alone.items()}
        blind = float((kept[~of] == wanted).mean())  # what a coin of the same weight reaches
        yield line(f"{name}, {side}", RIGHT, rows, about, baselines=others, chance=blind)


def beside(valid: Asked, test: Asked, judge: Calibration, plain: Calibration) -> Iterator[ReportRow]:
    """What it gives to read the first passages beside the question: to the order of what is found, and to what is refused."""
    before, after, swapped = ranks(test, summed(judge.share)), reread(test, judge), reread(test, judge, shift=1)
    about = f"how often the right file is the first, once {READ} passages were read beside the question"
    yield line(f"shelf, {test.name}: read beside", FIRST, after, about, swapped, baselines={"as found": FIRST.of(before)})
    yield from refusal(valid, test, judge, plain)


def quoting(asked: Asked, reader: Reader) -> Iterator[ReportRow]:
    """Words that the quote shares with the editors' description: from the right article, a wrong one, none, the whole shelf."""
    task, questions, count = description(100_000), asked.questions, len(asked.questions)
    (metric,) = (one for one in task.metrics if one.name == "token F1")

    def score(question: Question, text: str) -> Row:
        return task.score(ask("", answer=question.truth), Answer(text))

    def quote(question: Question, file: str) -> Row:
        rows = range(asked.rows[file].start, asked.rows[file].stop)
        quotes = reader.quotes(question.text, Search(tuple(rows), (1.0,) * len(rows)))
        return score(question, quotes[0].text if quotes else "")

    right = [quote(question, question.file) for question in questions]
    wrong = [quote(question, questions[(number + 1) % count].file) for number, question in enumerate(questions)]
    first = [asked.shelf.passages[asked.rows[question.file].start].text for question in questions]
    leads = [score(question, text[slice(*next(sentences(text)))]) for question, text in zip(questions, first, strict=True)]
    whole = [score(question, reader.answer(question.text, 1).text) for question in questions]
    about = "words that the quoted sentence shares with the editors' description, 0 to 1"
    lead, none = {"lead sentence": metric.of(leads)}, Control(0.0, count, "no passage")
    yield line("shelf, quote from the right article", metric, right, about, wrong, baselines=lead, ablations=(none,))
    yield line("shelf, quote from all articles", metric, whole, about, baselines={"lead sentence of the right one": metric.of(leads)})


def articles(store: Store) -> Iterator[tuple[str, str]]:
    """Title and text of every article."""
    return ((json.loads(sample.answer)["title"], sample.messages[0].text) for sample in store.open("wiki"))


def shelf_of(name: str, texts: Iterable[tuple[str, str]], words: Words, model: Embedder) -> Shelf:
    """An index over texts by their names, as `duomo index` makes one; kept in runs/shelf."""
    target, cut = OUT / name, {file: list(passages(file, [Section(text, LINE, ((0, 1),))])) for file, text in texts}
    old = shelves.load(target) if shelves.is_shelf(target) else None
    files = {file: Kept("", len(made)) for file, made in cut.items()}
    made = begun = shelves.build(name, MODEL, files, (passage for held in cut.values() for passage in held), words, old)
    with bars() as shown:
        task = shown.add_task(name, total=len(begun.missing), note="")
        embed = embedding(model, "passage", lambda count: shown.update(task, advance=count))
        for count, made in enumerate(shelves.embedded(begun, embed, 256)):
            if count % 8 == 7:
                shelves.save(made, target)
    shelves.save(made, target)
    return made


def chosen(valid: Sequence[Asked]) -> tuple[float, dict[str, float]]:
    """The share of the vectors with the best mean recall@5 of all validation questions; and that of every choice, ranks among them."""
    ways = {f"share {share}": summed(share) for share in SHARES} | {"reciprocal ranks": reciprocal} | dict(ALONE)
    reached = {name: statistics.fmean(RECALL.of(ranks(asked, way)) for asked in valid) for name, way in ways.items()}
    return max(SHARES, key=lambda share: reached[f"share {share}"]), reached


def times(asked: Asked, reader: Reader) -> dict[str, float]:
    """Milliseconds of one question, median of 50: found and quoted."""
    taken = []
    for question in asked.questions[:50]:
        began = time.perf_counter()
        reader.answer(question.text)
        taken.append(1e3 * (time.perf_counter() - began))
    return {"milliseconds a question": round(statistics.median(taken), 1)}


def peer(asked: Asked) -> dict[str, float] | None:
    """bm25s over the same words, where it is installed: its recall@5, and milliseconds a question beside ours."""
    try:
        bm25s = importlib.import_module("bm25s")
    except ImportError:
        return None
    model = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    model.index([asked.words(passage.whole) for passage in asked.shelf.passages], show_progress=False)
    spent, files = {"ours": 0.0, "bm25s": 0.0}, [passage.file for passage in asked.shelf.passages]
    agree = list[bool]()
    for question in asked.questions:
        words = list(dict.fromkeys(asked.words(question.text)))
        began = time.process_time()
        theirs_N = model.get_scores([word for word in words if word in asked.shelf.words.terms])
        spent["bm25s"] += time.process_time() - began
        began = time.process_time()
        ours_N = asked.shelf.words.scores(words)
        spent["ours"] += time.process_time() - began
        agree.append(files[int(theirs_N.argmax())] == files[int(ours_N.argmax())])
    return {"same first file": statistics.fmean(agree)} | {f"ms, {name}": 1e3 * taken / len(agree) for name, taken in spent.items()}


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    torch.set_num_threads(parser.parse_args().threads)
    fetch.run([MODEL, "wiki", "hsk"], CACHE)
    store, words, asking, model = Store(CACHE), searcher(), searcher(SAY_NOTHING), embedder(*open_with_card(MODEL))
    ask_, embed = embedding(model, "query"), embedding(model, "passage")

    compare = comparing(model, most=20_000)

    def asked(name: str, questions: Sequence[Question], shelf: Shelf) -> Asked:
        return Asked(name, tuple(questions), shelf, asking, ask_([one.text for one in questions]), compare)

    wiki = shelf_of("wiki", articles(store), words, model)
    valid, test = (
        [asked(name, found, wiki) for name, found in zip(("titles", "descriptions"), encyclopedia(store, split), strict=True)]
        for split in ("train", "test")
    )
    english, *drawn, _ = chinese(store)
    hsk = shelf_of("hsk", english, words, model)
    zh_valid, zh_test = (asked("Chinese asks English", questions, hsk) for questions in drawn)
    share, reached = chosen(valid)
    fitted = {f"{MODEL}{ACROSS}": fit(zh_valid, share), f"{MODEL}{NAME}": fit(valid[0], share), f"{MODEL}{PHRASE}": fit(valid[1], share)}
    fitted |= {"": fit(valid[0], 0.0), PHRASE: fit(valid[1], 0.0)}
    read_beside = {f"{MODEL}{PHRASE}": fit(valid[1], share, True), f"{MODEL}{ACROSS}": fit(zh_valid, share, True)}
    reader = Reader(wiki, asking, ask_, embed)
    rows = [
        *retrieval(test[1], share, "of 10,033 articles, how often the one that fits a description is found"),
        *retrieval(test[0], share, "of 10,033 articles, how often the one that a question names is found"),
        *retrieval(zh_test, share, "of all English sentences, how often the translation of a Chinese one is found", (RECALL, FIRST)),
        *refusal(valid[0], test[0], fitted[f"{MODEL}{NAME}"], wordy=CALIBRATIONS[MODEL]),
        *(row for n, name in ((0, ""), (1, PHRASE)) for row in refusal(valid[n], test[n], fitted[name])),
        *beside(valid[1], test[1], read_beside[f"{MODEL}{PHRASE}"], fitted[f"{MODEL}{PHRASE}"]),
        *beside(zh_valid, zh_test, read_beside[f"{MODEL}{ACROSS}"], fitted[f"{MODEL}{ACROSS}"]),
        *quoting(test[0], reader),
    ]
    facts = {
        "chosen on validation": {"share": share, "recall@5": reached},
        "fitted on validation": {name: asdict(one) for name, one in fitted.items()},
        "fitted, read beside": {name: asdict(one) for name, one in read_beside.items()},
        "in the code": {name: asdict(one) for name, one in CALIBRATIONS.items()},
        "in the code, read beside": {name: asdict(one) for name, one in COMPARED.items()},
        "time": times(test[0], reader),
        "bm25s": peer(test[1]),
        "passages": {"wiki": len(wiki.passages), "hsk": len(hsk.passages)},
    }
    report = Report("shelf", tuple(rows), facts=facts)
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"shelf": report})))
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
