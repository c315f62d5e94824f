"""Questions about a given passage, the beginning of an encyclopedia article: its topic (ranked), its description (written).

The split is by article and shared with `continuation`: what one task learns from, no other is asked about.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import majority, naive_bayes, nearest, swapped
from duomo.tasks.split import deal, groups, key, origin_group
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task

SOURCE = "wiki"
VALID, TEST = 200, 1_000
NO_TOPIC = "Uncategorized"
TOPICS = (
    "Arts",
    "Biology and health sciences",
    "Everyday life",
    "Geography",
    "History",
    "Mathematics",
    "People",
    "Philosophy and religion",
    "Physical sciences",
    "Society and social sciences",
    "Technology",
)
ASK_TOPIC = "Topic of this text? "
ASK_DESCRIPTION = "Describe in a few words: "


@dataclass(frozen=True)
class Article:
    """The introduction of one encyclopedia article; `topic` and `description` may be empty."""

    text: str
    title: str
    topic: str
    description: str
    origin: Origin


def topic(max_chars: int = 300) -> Task:
    """Which of eleven topics does the passage of at most `max_chars` characters belong to?"""
    return Task(
        name="topic",
        samples=lambda split, store: _topics(split, store, max_chars),
        score=lambda sample, answer: {"right": answer.text.strip() == sample.answer},
        metrics=(Metric("accuracy", lambda rows: _mean(rows, "right"), chance=1 / len(TOPICS)),),
        baselines=_topic_baselines,
        control=swapped,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=8,
        about="share of unseen encyclopedia passages filed under the topic its editors chose, of eleven",
    )


def description(max_chars: int = 300) -> Task:
    """What is the passage of at most `max_chars` characters about, in a few words?"""
    return Task(
        name="description",
        samples=lambda split, store: _descriptions(split, store, max_chars),
        score=_overlap,
        metrics=(Metric("token F1", lambda rows: _mean(rows, "f1")), Metric("ROUGE-L", lambda rows: _mean(rows, "rouge_l"))),
        baselines=_description_baselines,
        control=swapped,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=24,
        about="words shared with the short description that the editors of the encyclopedia wrote, 0 to 1",
    )


def articles(split: Split, store: Store) -> list[Article]:
    """The articles of one split; articles with the same text or title stand together."""
    known = [_article(sample) for sample in store.open(SOURCE)]
    names = groups((f"text {key(article.text)}", f"title {key(article.title)}") for article in known)
    places = zip(known, names, deal(names, VALID, TEST), strict=True)
    return [replace(article, origin=replace(article.origin, group=name)) for article, name, place in places if place == split]


def shorten(text: str, max_chars: int) -> str:
    """The beginning of a text, cut after the last sentence that fits, or after the last word where that would lose half."""
    if len(text) <= max_chars:
        return text
    head = text[: max_chars + 1]
    sentences = re.match(r".*[.!?](?=\s)", head, re.DOTALL)
    if sentences and len(sentences[0]) * 2 >= max_chars:
        return sentences[0]
    return head.rpartition(" ")[0] or head[:max_chars]


def _article(sample: Sample) -> Article:
    try:
        facts: Mapping[str, Any] = json.loads(sample.answer)
        origin = sample.origin or Origin(SOURCE, facts["title"])
        return Article(sample.messages[0].text.strip(), facts["title"], facts.get("topic") or "", facts.get("description") or "", origin)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{SOURCE}: the answer of {sample.origin} is not JSON with a title; fetch the source again") from error


def _topics(split: Split, store: Store, max_chars: int) -> Iterator[Sample]:
    for article in articles(split, store):
        if article.topic in TOPICS:
            yield ask(ASK_TOPIC + shorten(article.text, max_chars), answer=article.topic, choices=TOPICS, origin=article.origin)


def _descriptions(split: Split, store: Store, max_chars: int) -> Iterator[Sample]:
    for article in articles(split, store):
        if article.description:
            yield ask(ASK_DESCRIPTION + shorten(article.text, max_chars), answer=article.description, origin=article.origin)


def _overlap(sample: Sample, answer: Answer) -> Row:
    """Token F1 as in reading comprehension; ROUGE-L by rouge-score. Both without case and punctuation."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ValueError("description scores need rouge-score: pip install 'duomo[evaluate]'") from error
    said, true = _words(answer.text), _words(sample.answer)
    common = sum((Counter(said) & Counter(true)).values())
    rouge = RougeScorer(["rougeL"]).score(sample.answer, answer.text)["rougeL"].fmeasure
    return {"f1": 2 * common / (len(said) + len(true)) if common else 0.0, "rouge_l": float(rouge)}


def _topic_baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    labels = [sample.answer for sample in train]
    known, asked = (_passages(train, ASK_TOPIC), _passages(test, ASK_TOPIC))
    return {"most frequent topic": majority(labels, len(test)), "naive Bayes": naive_bayes(known, labels, asked, "word")}


def _description_baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    known, asked = (_passages(train, ASK_DESCRIPTION), _passages(test, ASK_DESCRIPTION))
    return {
        "lead sentence": [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in asked],
        "five words after the verb": [_after_verb(text) for text in asked],
        "nearest training passage": [train[i].answer for i in nearest(known, asked, "word")],
    }


def _after_verb(text: str) -> str:
    found = re.search(r"\b(?:is|are|was|were)\s+(?:(?:a|an|the|any|one of the)\s+)?(.*)", text, re.DOTALL)
    return " ".join((found[1] if found else text).split()[:5])


def _passages(samples: Sequence[Sample], prompt: str) -> list[str]:
    return [sample.messages[0].text.removeprefix(prompt) for sample in samples]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _mean(rows: Sequence[Row], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
