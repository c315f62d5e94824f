"""What a model is compared with: trivial and classical methods on the same split, and donors for the control.

The classical methods are scikit-learn's, which comes with the extra "evaluate".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from random import Random
from typing import Any, Literal

from duomo.sample import Sample

Unit = Literal["char", "word"]


def majority(labels: Sequence[str], count: int) -> list[str]:
    """The most frequent label (the first in the alphabet among equals), `count` times."""
    tally = Counter(labels)
    return [min(tally, key=lambda label: (-tally[label], label))] * count


def naive_bayes(texts: Sequence[str], labels: Sequence[str], asked: Sequence[str], unit: Unit) -> list[str]:
    """Multinomial naive Bayes over uni- and bigrams of characters or words, add-one smoothed; one label per asked text."""
    learn = _sklearn("naive_bayes")
    counts = _sklearn("feature_extraction.text").CountVectorizer(analyzer=unit, ngram_range=(1, 2), lowercase=True)
    model = learn.MultinomialNB().fit(counts.fit_transform(texts), labels)
    return [str(label) for label in model.predict(counts.transform(asked))]


def logistic(texts: Sequence[str], labels: Sequence[str], asked: Sequence[str], unit: Unit) -> list[str]:
    """Logistic regression on TF-IDF of uni- and bigrams, C = 10; one label per asked text."""
    weigh = _tfidf(unit, 2)
    model = _sklearn("linear_model").LogisticRegression(C=10, max_iter=300).fit(weigh.fit_transform(texts), labels)
    return [str(label) for label in model.predict(weigh.transform(asked))]


def nearest(texts: Sequence[str], asked: Sequence[str], unit: Unit, block: int = 256) -> list[int]:
    """For each asked text the index of the most similar known one: cosine of TF-IDF over 1- to 3-grams, `block` texts at a time."""
    weigh = _tfidf(unit, 3)
    known = weigh.fit_transform(texts).T.tocsr()
    found: list[int] = []
    for start in range(0, len(asked), block):
        likeness = weigh.transform(asked[start : start + block]) @ known
        found += likeness.toarray().argmax(1).tolist()
    return found


def donors(answers: Sequence[str], random: Random) -> list[int]:
    """For each sample the index of another, drawn among those with a different answer.

    Raises ValueError where all answers are equal: then no input can be told from another by its answer.
    """
    if len(set(answers)) < 2:
        raise ValueError(f"control: all {len(answers)} answers are equal; take more samples")
    drawn = []
    for answer in answers:
        other = random.randrange(len(answers))
        while answers[other] == answer:
            other = random.randrange(len(answers))
        drawn.append(other)
    return drawn


def swapped(test: Sequence[Sample], random: Random) -> list[Sample]:
    """The control of a task of text: the same answers, each after the question of a sample with a different answer."""
    other = donors([sample.answer for sample in test], random)
    return [replace(sample, messages=(*test[i].messages[:-1], sample.messages[-1])) for sample, i in zip(test, other, strict=True)]


def _tfidf(unit: Unit, longest: int) -> Any:
    text = _sklearn("feature_extraction.text")
    return text.TfidfVectorizer(analyzer=unit, ngram_range=(1, longest), sublinear_tf=True, lowercase=True)


def _sklearn(module: str) -> Any:
    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ValueError("the classical baselines need scikit-learn: pip install 'duomo[evaluate]'") from error
