"""Digits: name the handwritten digit, in the language of the question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    regressed_labels,
    ungrouped,
)
from duomo.tasks.split import origin_group
from duomo.tasks.swap import show
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task
from duomo.tasks.words import DIGITS, LANGUAGES, join, known, plain

# The first of each is what the test asks.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("what is this?", "which digit is this?", "what number is this?", "name the digit"),
    "zh": ("这是什么？", "这是几？", "这是什么数字？", "说出这个数字"),
}
STRIP_QUESTIONS: Mapping[str, str] = {"en": "read the digits", "zh": "读出数字"}


def digits(
    variants: int = 5, strips: int = 4000, wild: float = 0.15, valid: int = 200, languages: Sequence[str] = LANGUAGES, seed: int = 0
) -> Task:
    """Name the digit.

    Training shows every picture `variants` times, as it is and redrawn, a share of them on other paper (`wild`), and
    `strips` pictures of two digits side by side; the test shows each held-out picture once, as it is. `languages`: those asked in.
    """
    how = Shown(variants, strips, wild, valid, known(languages))
    return Task(
        name="digits",
        samples=lambda split, store: _samples(split, store, Random(f"digits {seed} {split}"), how),
        score=_score,
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=0.1),),
        baselines=_baselines,
        control=_control,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=6,
        about="share of unseen handwritten digits that are named right, in the language of the question",
        knows="handwritten digits, alone and two side by side",
    )


@dataclass(frozen=True)
class Shown:
    """What of the pictures training shows, and how; as the options of the task."""

    variants: int
    strips: int
    wild: float
    valid: int
    languages: Sequence[str]


def _samples(split: Split, store: Store, random: Random, how: Shown) -> Iterator[Sample]:
    shown = pictures(split, store)
    if split == "test":
        for i, picture in enumerate(shown):
            yield _single(picture, picture.pixels_HW, how.languages[i % len(how.languages)], 0, store)
    elif split == "valid":
        for picture in random.sample(shown, min(how.valid, len(shown))):
            yield ungrouped(_single(picture, redrawn(picture.pixels_HW, random), random.choice(how.languages), 0, store))
    else:
        yield from _training(shown, store, random, how)


def _training(shown: Sequence[Picture], store: Store, random: Random, how: Shown) -> Iterator[Sample]:
    for variant in range(how.variants):
        for picture in random.sample(shown, len(shown)):
            drawn = redrawn(picture.pixels_HW, random, how.wild) if variant else picture.pixels_HW
            language = random.choice(how.languages)
            asked = 0 if random.random() < 0.5 else random.randrange(len(QUESTIONS[language]))
            yield _single(picture, drawn, language, asked, store)
    for _ in range(how.strips):
        yield _strip(random.choices(shown, k=2), store, random, random.choice(how.languages))


def _single(picture: Picture, drawn_HW: np.ndarray, language: str, asked: int, store: Store) -> Sample:
    origin = Origin(SOURCE, picture.id, picture.licence, group=picture.id)
    return ask(keep_picture(drawn_HW, store), QUESTIONS[language][asked], answer=DIGITS[language][picture.digit], origin=origin)


def _strip(pair: Sequence[Picture], store: Store, random: Random, language: str) -> Sample:
    drawn = beside(*(redrawn(picture.pixels_HW, random) for picture in pair))
    words = join([DIGITS[language][picture.digit] for picture in pair], language)
    origin = Origin(SOURCE, "+".join(picture.id for picture in pair), pair[0].licence, group=pair[0].id)
    return ask(keep_picture(drawn, store), STRIP_QUESTIONS[language], answer=words, origin=origin)


def _score(sample: Sample, answer: Answer) -> Row:
    language = "en" if sample.answer.isascii() else "zh"
    return {"right": plain(answer.text, language) == plain(sample.answer, language)}


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """Both on the plain pictures of the same split, whatever was drawn from them."""
    learned = pictures("train", store)
    asked = [pixels(store.bytes(str(next(sample.media()).value))) for sample in test]
    languages = ["en" if sample.answer.isascii() else "zh" for sample in test]
    found = {"3 nearest neighbours": nearest_digits(learned, asked), "logistic regression": _regressed(learned, asked)}
    return {name: [DIGITS[language][digit] for language, digit in zip(languages, said, strict=True)] for name, said in found.items()}


def _regressed(known: Sequence[Picture], asked: Sequence[np.ndarray]) -> list[int]:
    return regressed_labels([picture.pixels_HW for picture in known], [picture.digit for picture in known], asked)


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each question with the picture of another digit."""
    other = donors([str(digit_of(sample.answer)) for sample in test], random)
    return [show(sample, list(test[i].media())) for sample, i in zip(test, other, strict=True)]
