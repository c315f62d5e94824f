"""Emoji: name a small drawing. What is learned in one art style is asked in another, and some things are never shown at all.

A concept is a sequence of code points without signs of presentation; drawings in a skin tone of their own do not count.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from json import loads
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from duomo.modalities.files import media_extra
from duomo.modalities.image import IMAGE
from duomo.sample import Origin, Part, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.pictures import nearest_labels
from duomo.tasks.split import deal, origin_group
from duomo.tasks.swap import show
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task
from duomo.tasks.words import LANGUAGES, known, plain

if TYPE_CHECKING:
    from PIL.Image import Image as Drawing

STYLES = ("twitter", "google")
PEOPLE = ("1f468", "1f469")  # man, woman; a person is 1f9d1
MARKS = ("200d", "2640", "2642", "27a1")  # of joining, of a woman, of a man, of facing right
SIDE = 48  # pixels that are compared and shown
# The first of each is what the test asks, and what is asked of other pictures too.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("what is this?", "what is in the picture?", "name this emoji"),
    "zh": ("这是什么？", "图里是什么？", "说出这个表情符号"),
}


@dataclass(frozen=True)
class Emoji:
    """One concept ("1f600"): its name by language, its picture (PNG) and that picture's licence by art style."""

    id: str
    names: Mapping[str, str]
    pictures: Mapping[str, bytes]
    licences: Mapping[str, str]


def emoji(
    style: str = "twitter",
    other: str = "google",
    variants: int = 16,
    valid: int = 60,
    unseen: int = 200,
    languages: Sequence[str] = LANGUAGES,
    seed: int = 0,
) -> Task:
    """Name an emoji; training draws each known one `variants` times anew in one style, the test shows them in the other.

    `unseen` concepts are in no split: retrieval asks for them (benchmarks/emoji.py); `valid` ones are for validation.
    """
    chosen = known(languages)
    if style == other or not {style, other} <= set(STYLES):
        raise ValueError(f"art styles {style!r} and {other!r}: give two of {', '.join(STYLES)}")

    def samples(split: Split, store: Store) -> Iterator[Sample]:
        found = dealt(concepts(store), valid, unseen)
        random = Random(f"emoji {seed} {split}")
        if split == "train":
            return _drawn(found["train"], style, variants, chosen, random, store)
        return _plain(found["train"], other, chosen, store) if split == "test" else _plain(found["valid"], style, chosen, store)

    def baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
        return _baselines(dealt(concepts(store), valid, unseen)["train"], style, test, store)

    return Task(
        name="emoji",
        samples=samples,
        score=_score,
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows)),),
        baselines=baselines,
        control=_control,
        sources=tuple(f"emoji_{name}" for name in STYLES),
        group=origin_group,
        max_tokens=24,
        about=f"share of known emoji, drawn in the style {other}, that are named right after training on the style {style} alone",
        knows="emoji",
    )


def concepts(store: Store) -> list[Emoji]:
    """Those that both styles draw and both languages name, in the order of their ids' hashes.

    Of those that share a name, or a picture in either style, the first only: they could not be told apart.
    """
    drawn = {style: {one.origin.id: one for one in store.open(f"emoji_{style}") if one.origin} for style in STYLES}
    taken, found = set[str](), list[Emoji]()
    for id in sorted(set.intersection(*map(set, drawn.values())), key=_hash):
        names = loads(drawn[STYLES[0]][id].answer)
        pictures = {style: _bytes(drawn[style][id]) for style in STYLES}
        licences = {style: origin.licence for style in STYLES if (origin := drawn[style][id].origin)}
        keys = {f"{language} {plain(name, language)}" for language, name in names.items()} | {_hash(png) for png in pictures.values()}
        if set(LANGUAGES) <= names.keys() and len(keys) == len(names) + len(STYLES) and not keys & taken:
            found.append(Emoji(id, {language: names[language] for language in LANGUAGES}, pictures, licences))
            taken |= keys
    return found


def dealt(found: Sequence[Emoji], valid: int, unseen: int) -> dict[Split, list[Emoji]]:
    """The concepts that training shows, those for validation, and (as "test") those that nothing shows before retrieval asks.

    A man, a woman and a person who do the same are dealt together.
    """
    places = deal([family(one.id) for one in found], valid, unseen)
    return {split: [one for one, place in zip(found, places, strict=True) if place == split] for split in ("train", "valid", "test")}


def family(id: str) -> str:
    """The same id for a man, a woman and a person who do the same, whichever way they face: "1f468-200d-1f373" is "1f9d1-1f373"."""
    return "-".join("1f9d1" if code in PEOPLE else code for code in id.split("-") if code not in MARKS)


def colours(png: bytes) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: the picture on white."""
    with media_extra():
        from PIL import Image
    layer = _open(png)
    flat = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return np.asarray(flat.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def redrawn(png: bytes, random: Random) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: as another hand might draw it: turned, stretched, moved, in other colours, shaded, softer."""
    with media_extra():
        from PIL import Image, ImageFilter
    layer = _warped(_open(png).resize((SIDE, SIDE), Image.Resampling.BILINEAR), random)
    flat = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if random.random() < 0.5:
        flat = flat.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.9)))
    shade = np.linspace(-1, 1, SIDE) * random.uniform(-0.15, 0.15)
    ground = np.asarray(layer, np.float32)[..., 3:] / 255  # what is not drawn stays white
    pixels_HWC = np.asarray(flat, np.float32) / 255
    grey = pixels_HWC.mean(-1, keepdims=True)
    vivid = grey + (pixels_HWC - grey) * random.uniform(0.4, 1.5)
    gains = np.array([random.uniform(0.85, 1.15) for _ in range(3)], np.float32) * random.uniform(0.85, 1.15)
    toned = np.clip(vivid * gains, 0, 1) ** random.uniform(0.75, 1.35) + shade[:, None, None]
    return np.clip(255 * (toned * ground + pixels_HWC * (1 - ground)), 0, 255).astype(np.uint8)


def _drawn(
    known: Sequence[Emoji], style: str, variants: int, languages: Sequence[str], random: Random, store: Store
) -> Iterator[Sample]:
    """Each concept `variants` times, in each language alike often; the first of each language as it is."""
    for variant in range(variants):
        for one in known:
            language = languages[variant % len(languages)]
            plainly = variant < len(languages)
            pixels_HWC = colours(one.pictures[style]) if plainly else redrawn(one.pictures[style], random)
            asked = 0 if random.random() < 0.5 else random.randrange(len(QUESTIONS[language]))
            yield _sample(one, style, pixels_HWC, QUESTIONS[language][asked], language, store)


def _plain(shown: Sequence[Emoji], style: str, languages: Sequence[str], store: Store) -> Iterator[Sample]:
    """Each concept once, as it is."""
    for number, one in enumerate(shown):
        language = languages[number % len(languages)]
        yield _sample(one, style, colours(one.pictures[style]), QUESTIONS[language][0], language, store)


def _sample(one: Emoji, style: str, pixels_HWC: np.ndarray, question: str, language: str, store: Store) -> Sample:
    part = Part(IMAGE.name, store.keep(IMAGE.write(pixels_HWC), IMAGE.suffix))
    origin = Origin(f"emoji_{style}", one.id, one.licences[style], group=f"{style} {one.id}")
    return ask(part, question, answer=one.names[language], origin=origin)


def _score(sample: Sample, answer: Answer) -> Row:
    language = _language(sample)
    return {"right": plain(answer.text, language) == plain(sample.answer, language)}


def _baselines(learned: Sequence[Emoji], style: str, test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """The name of the nearest training picture, as it is, in the language of the question."""
    asked = [colours(store.bytes(str(next(sample.media()).value))) for sample in test]
    near = nearest_labels([colours(one.pictures[style]) for one in learned], range(len(learned)), asked, neighbours=1)
    named = [learned[n].names[_language(sample)] for n, sample in zip(near, test, strict=True)]
    return {f"nearest of {len(learned)}": named}


def _language(sample: Sample) -> str:
    """Of the question."""
    return next(language for language, words in QUESTIONS.items() if sample.messages[0].text in words)


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each question with the picture of another concept."""
    other = donors([sample.answer for sample in test], random)
    return [show(sample, list(test[i].media())) for sample, i in zip(test, other, strict=True)]


def _warped(layer: "Drawing", random: Random) -> "Drawing":
    """An affine map about the middle: turned within 12 degrees, 15 % larger or smaller each way, moved by three pixels."""
    from PIL.Image import Resampling, Transform

    turn, wide, high = math.radians(random.uniform(-12, 12)), random.uniform(0.9, 1.25), random.uniform(0.9, 1.25)
    a, b, d, e = math.cos(turn) * wide, math.sin(turn) * wide, -math.sin(turn) * high, math.cos(turn) * high
    middle = (SIDE - 1) / 2
    x, y = middle + random.uniform(-3, 3), middle + random.uniform(-3, 3)
    inverse = (a, b, x - (a + b) * middle, d, e, y - (d + e) * middle)
    return layer.transform(layer.size, Transform.AFFINE, inverse, Resampling.BILINEAR)


def _open(png: bytes) -> "Drawing":
    with media_extra():
        from PIL import Image
    with Image.open(BytesIO(png), formats=("PNG",)) as picture:
        return picture.convert("RGBA")


def _bytes(sample: Sample) -> bytes:
    value = next(sample.media()).value
    assert isinstance(value, bytes)
    return value


def _hash(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()
