"""Photos: name the piece of clothing on a photograph, in the language of the question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.pictures import keep_picture, nearest_labels, pixels, regressed_labels
from duomo.tasks.split import origin_group
from duomo.tasks.swap import show
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task
from duomo.tasks.words import LANGUAGES, known, plain

SOURCE = "fashion"
# The first of each is what the test asks.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("what is this?", "what is in the picture?", "name this piece of clothing"),
    "zh": ("这是什么？", "图里是什么？", "说出这件衣物"),
}
KINDS: Mapping[str, Mapping[str, str]] = {  # as the source names them -> as an answer does
    "en": {kind: kind for kind in "t-shirt trousers pullover dress coat sandal shirt sneaker bag boot".split()},
    "zh": {
        "t-shirt": "短袖衫",
        "trousers": "裤子",
        "pullover": "套头衫",
        "dress": "连衣裙",
        "coat": "外套",
        "sandal": "凉鞋",
        "shirt": "衬衫",
        "sneaker": "运动鞋",
        "bag": "包",
        "boot": "短靴",
    },
}
COMPARED = 10_000  # training photographs that the classical baselines know


@dataclass(frozen=True)
class Photo:
    """One grey photograph, (H, W) uint8, with its kind and the origin of its sample."""

    pixels_HW: np.ndarray
    kind: str
    origin: Origin


def photos(train: int = 20_000, valid: int = 200, languages: Sequence[str] = LANGUAGES, seed: int = 0) -> Task:
    """Name the piece of clothing; training shows `train` photographs once, half of them mirrored; the test is the shop's own."""
    chosen = known(languages)
    return Task(
        name="photos",
        samples=lambda split, store: _samples(split, store, Random(f"photos {seed} {split}"), train, valid, chosen),
        score=_score,
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=0.1),),
        baselines=lambda learned, test, store: _baselines(test, store, min(train, COMPARED), valid),
        control=_control,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=6,
        about="share of unseen photographs of clothes that are named right, in the language of the question",
        knows=f"clothes ({', '.join(KINDS['en'])})",
    )


def _samples(split: Split, store: Store, random: Random, train: int, valid: int, languages: Sequence[str]) -> Iterator[Sample]:
    for i, photo in enumerate(_photos(split, store, train, valid)):
        language = languages[i % len(languages)] if split == "test" else random.choice(languages)
        asked = 0 if split == "test" or random.random() < 0.5 else random.randrange(len(QUESTIONS[language]))
        mirrored = split == "train" and random.random() < 0.5
        drawn_HW = photo.pixels_HW[:, ::-1] if mirrored else photo.pixels_HW
        answer = KINDS[language][photo.kind]
        yield ask(keep_picture(drawn_HW, store), QUESTIONS[language][asked], answer=answer, origin=photo.origin)


def _photos(split: Split, store: Store, train: int, valid: int) -> list[Photo]:
    """The shop's test split in an order of its own; of its training split the first by hash for validation, then those to learn.

    No picture that the test shows is shown elsewhere; copies count once.
    """
    by_pixels: dict[str, Sample] = {}
    for sample in store.open(SOURCE):  # the test comes first, so a copy in training is dropped
        assert sample.origin is not None
        by_pixels.setdefault(sample.origin.group, sample)
    ordered = [by_pixels[group] for group in sorted(by_pixels)]
    ours = [sample for sample in ordered if sample.origin and sample.origin.id.startswith("t10k") == (split == "test")]
    chosen = {"test": ours, "valid": ours[:valid], "train": ours[valid : valid + train]}[split]
    return [_photo(sample) for sample in chosen]


def _photo(sample: Sample) -> Photo:
    png = next(sample.media()).value
    assert sample.origin is not None and isinstance(png, bytes)
    return Photo(pixels(png), sample.answer, sample.origin)


def _score(sample: Sample, answer: Answer) -> Row:
    language = "en" if sample.answer.isascii() else "zh"
    return {"right": plain(answer.text, language) == plain(sample.answer, language)}


def _baselines(test: Sequence[Sample], store: Store, train: int, valid: int) -> Mapping[str, Sequence[str]]:
    """Both know the first photographs that training shows, as they are."""
    learned = _photos("train", store, train, valid)
    kinds = list(KINDS["en"])
    shown, labels = [photo.pixels_HW for photo in learned], [kinds.index(photo.kind) for photo in learned]
    asked = [pixels(store.bytes(str(next(sample.media()).value))) for sample in test]
    languages = ["en" if sample.answer.isascii() else "zh" for sample in test]
    found = {
        f"3 nearest of {len(learned)}": nearest_labels(shown, labels, asked),
        f"logistic regression on {len(learned)}": regressed_labels(shown, labels, asked),
    }
    return {name: [KINDS[language][kinds[label]] for language, label in zip(languages, said, strict=True)] for name, said in found.items()}


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each question with the photograph of another kind."""
    kinds = [_kind(sample) for sample in test]
    return [show(sample, list(test[i].media())) for sample, i in zip(test, donors(kinds, random), strict=True)]


def _kind(sample: Sample) -> str:
    """The source's name for the kind that an answer names."""
    return next(kind for words in KINDS.values() for kind, word in words.items() if word == sample.answer)
