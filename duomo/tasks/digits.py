"""Digits: name the handwritten digit, in the language of the question."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

import numpy as np

from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.pictures import (
    SOURCE,
    Picture,
    beside,
    digit_of,
    keep_picture,
    nearest_digits,
    pictures,
    pixels,
    redrawn,
    regressed_digits,
    ungrouped,
)
from duomo.tasks.split import origin_group
from duomo.tasks.swap import show
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task
from duomo.tasks.words import DIGITS, LANGUAGES, join, plain

# The first of each is what the test asks.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("what is this?", "which digit is this?", "what number is this?", "name the digit"),
    "zh": ("这是什么？", "这是几？", "这是什么数字？", "说出这个数字"),
}
STRIP_QUESTIONS: Mapping[str, str] = {"en": "read the digits", "zh": "读出数字"}


def digits(variants: int = 5, strips: int = 4000, wild: float = 0.15, valid: int = 200, seed: int = 0) -> Task:
    """Name the digit.

    Training shows every picture `variants` times, as it is and redrawn, a share of them on other paper (`wild`), and
    `strips` pictures of two digits side by side; the test shows each held-out picture once, as it is.
    """
    return Task(
        name="digits",
        samples=lambda split, store: _samples(split, store, Random(f"digits {seed} {split}"), variants, strips, wild, valid),
        score=_score,
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=0.1),),
        baselines=_baselines,
        control=_control,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=6,
        about="share of unseen handwritten digits that are named right, in the language of the question",
    )


def _samples(split: Split, store: Store, random: Random, variants: int, strips: int, wild: float, valid: int) -> Iterator[Sample]:
    shown = pictures(split, store)
    if split == "test":
        for i, picture in enumerate(shown):
            yield _single(picture, picture.pixels_HW, LANGUAGES[i % 2], 0, store)
    elif split == "valid":
        for picture in random.sample(shown, min(valid, len(shown))):
            yield ungrouped(_single(picture, redrawn(picture.pixels_HW, random), random.choice(LANGUAGES), 0, store))
    else:
        yield from _training(shown, store, random, variants, strips, wild)


def _training(shown: Sequence[Picture], store: Store, random: Random, variants: int, strips: int, wild: float) -> Iterator[Sample]:
    for variant in range(variants):
        for picture in random.sample(shown, len(shown)):
            drawn = redrawn(picture.pixels_HW, random, wild) if variant else picture.pixels_HW
            language = random.choice(LANGUAGES)
            asked = 0 if random.random() < 0.5 else random.randrange(len(QUESTIONS[language]))
            yield _single(picture, drawn, language, asked, store)
    for _ in range(strips):
        yield _strip(random.choices(shown, k=2), store, random)


def _single(picture: Picture, drawn_HW: np.ndarray, language: str, asked: int, store: Store) -> Sample:
    origin = Origin(SOURCE, picture.id, picture.licence, group=picture.id)
    return ask(keep_picture(drawn_HW, store), QUESTIONS[language][asked], answer=DIGITS[language][picture.digit], origin=origin)


def _strip(pair: Sequence[Picture], store: Store, random: Random) -> Sample:
    language = random.choice(LANGUAGES)
    drawn = beside(*(redrawn(picture.pixels_HW, random) for picture in pair))
    words = join([DIGITS[language][picture.digit] for picture in pair], language)
    origin = Origin(SOURCE, "+".join(picture.id for picture in pair), pair[0].licence, group=pair[0].id)
    return ask(keep_picture(drawn, store), STRIP_QUESTIONS[language], answer=words, origin=origin)


def _score(sample: Sample, answer: Answer) -> Row:
    language = "en" if sample.answer.isascii() else "zh"
    return {"right": plain(answer.text, language) == plain(sample.answer, language)}


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """Both on the plain pictures of the same split, whatever was drawn from them."""
    known = pictures("train", store)
    asked = [pixels(store.bytes(str(next(sample.media()).value))) for sample in test]
    languages = ["en" if sample.answer.isascii() else "zh" for sample in test]
    found = {"3 nearest neighbours": nearest_digits(known, asked), "logistic regression": regressed_digits(known, asked)}
    return {name: [DIGITS[language][digit] for language, digit in zip(languages, said, strict=True)] for name, said in found.items()}


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each question with the picture of another digit."""
    other = donors([str(digit_of(sample.answer)) for sample in test], random)
    return [show(sample, list(test[i].media())) for sample, i in zip(test, other, strict=True)]
