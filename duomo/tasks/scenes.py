"""Scenes: say what stands on a picture that was put together from cut-out photographs: how many things, which, and where.

The pictures are real, their composition is made. Two kinds are asked: new combinations of pictures that training shows, and
pictures that it never shows, of things that it knows by other pictures. A thing without a picture in training can not be named.
"""

import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import numpy as np

from duomo.modalities.image import IMAGE
from duomo.sample import Origin, Part, Sample, ask
from duomo.tasks.baselines import donors, majority
from duomo.tasks.cider import cider_d, compared
from duomo.tasks.composing import PLACES, Cutout, compose, cutouts
from duomo.tasks.split import origin_group
from duomo.tasks.swap import show
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task
from duomo.tasks.words import LANGUAGES, known, plain

SOURCE = "tuxpaint"
# The first of each is what the test asks, and what is asked of other pictures too.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("what is this?", "what is in the picture?", "describe the picture"),
    "zh": ("这是什么？", "图里是什么？", "描述这张图"),
}
COUNTS: Mapping[str, tuple[str, ...]] = {"en": ("one thing", "two things", "three things"), "zh": ("一个", "两个", "三个")}
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {"left": "left of", "right": "right of", "above": "above", "below": "below"},
    "zh": {"left": "左边", "right": "右边", "above": "上面", "below": "下面"},
}
KNOWN, UNSEEN = "known", "unseen"  # pictures
COMPARED = 4000  # training scenes that the nearest is looked for among
HELD_OUT = 5  # one combination in so many is for the test, and one picture in so many of a thing that has several


@dataclass(frozen=True)
class Scene:
    """Things, the larger first, or from the left; and where the first stands of the second."""

    things: tuple[Cutout, ...]
    place: str

    @property
    def key(self) -> str:
        """Which pictures, whatever their order."""
        return "+".join(sorted(thing.id for thing in self.things))


@dataclass(frozen=True)
class Choice:
    """The options of the task."""

    scenes: int
    valid: int
    test: int
    names: int
    languages: Sequence[str]
    seed: int


def scenes(
    scenes: int = 12_000, valid: int = 100, test: int = 400, names: int = 40, languages: Sequence[str] = LANGUAGES, seed: int = 0
) -> Task:
    """Describe a made scene of one to three cut-out pictures of `names` things, in the language of the question.

    Half of the test shows new combinations of known pictures, half shows pictures that training never does.
    """
    how = Choice(scenes, valid, test, names, known(languages), seed)
    return Task(
        name="scenes",
        samples=lambda split, store: _samples(split, store, how),
        score=_score,
        metrics=_metrics(),
        baselines=_baselines,
        control=_control,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=40,
        synthetic=True,
        about="share of the things named in scenes made of cut-out pictures; a thing that training never shows can not be named",
        knows=f"{names} things of Tux Paint's stamps, up to three together, and where they stand",
    )


def sentence(names: Sequence[str], place: str, language: str) -> str:
    """The one sentence that describes a scene: "two things: lion left of apple", "两个：狮子在苹果左边"."""
    count, where = COUNTS[language][len(names) - 1], WORDS[language][place]
    if language == "zh":
        return f"{count}：" + (f"{names[0]}在{names[1]}{where}" if len(names) == 2 else "、".join(names))
    return f"{count}: " + (f"{names[0]} {where} {names[1]}" if len(names) == 2 else ", ".join(names))


def parsed(text: str, language: str) -> tuple[str, tuple[str, ...], str]:
    """The count, the names and the place that a sentence tells; empty where it tells none."""
    count, _, rest = text.lower().replace("：", ":").partition(":")
    two = r"(.+)在(.+)(左边|右边|上面|下面)" if language == "zh" else r"(.+?) (left of|right of|above|below) (.+)"
    if found := re.match(two, rest.strip()):
        names = found.group(1, 2) if language == "zh" else found.group(1, 3)
        where = found.group(3 if language == "zh" else 2)
        place = next(place for place, word in WORDS[language].items() if word == where)
    else:
        names, place = tuple(re.split("[、,，]", rest)), ""
    return plain(count, language), tuple(name for name in (plain(name, language) for name in names) if name), place


def vocabulary(pictures: Sequence[Cutout], count: int) -> dict[str, list[Cutout]]:
    """The things that scenes show, each with its pictures: those of most pictures first."""
    by_name: dict[str, list[Cutout]] = {}
    for picture in pictures:
        by_name.setdefault(picture.names["en"], []).append(picture)
    chosen = sorted(by_name, key=lambda name: (-len(by_name[name]), _hash(name)))[:count]
    return {name: by_name[name] for name in sorted(chosen)}


def held_out(things: Mapping[str, Sequence[Cutout]]) -> tuple[dict[str, list[Cutout]], dict[str, list[Cutout]]]:
    """Known and unseen pictures of each thing; of those with several, a fifth and at least one is unseen."""
    shown, kept = {}, {}
    for name, pictures in things.items():
        cut = max(1, len(pictures) // HELD_OUT) if len(pictures) > 1 else 0
        kept[name], shown[name] = list(pictures[:cut]), list(pictures[cut:])
    return shown, {name: pictures for name, pictures in kept.items() if pictures}


def _samples(split: Split, store: Store, how: Choice) -> Iterator[Sample]:
    pictures = cutouts(store, SOURCE)
    shown, kept = held_out(vocabulary(pictures, how.names))
    grounds = [picture for picture in pictures if picture.names["en"] not in shown and _held(picture.id) == (split == "test")]
    random = Random(f"scenes {how.seed} {split}")
    count = {"train": how.scenes, "valid": how.valid, "test": how.test}[split]
    for number in range(count):
        new = split == "test" and number % 2 == 1 and kept
        things = kept if new else shown
        wanted = _any if new else partial(_mine, split=split)
        scene = _drawn(things, random, 1 if new or split != "test" else 2, wanted)
        language = how.languages[number // 2 % len(how.languages)] if split == "test" else random.choice(how.languages)
        asked = 0 if split == "test" or random.random() < 0.5 else random.randrange(len(QUESTIONS[language]))
        pixels_HWC = compose(scene.things, scene.place, random, split == "train", grounds)
        names = [thing.names[language] for thing in scene.things]
        group = scene.things[0].id if new else scene.key if split != "valid" else ""
        origin = Origin(SOURCE, f"{UNSEEN if new else KNOWN} {scene.key}", scene.things[0].licence, group, synthetic=True)
        answer = sentence(names, scene.place, language)
        part = Part(IMAGE.name, store.keep(IMAGE.write(pixels_HWC), IMAGE.suffix))
        yield ask(part, QUESTIONS[language][asked], answer=answer, origin=origin)


def _drawn(things: Mapping[str, Sequence[Cutout]], random: Random, least: int, wanted: Callable[[str], bool]) -> Scene:
    """A scene whose combination is wanted."""
    names = list(things)
    while True:
        chosen = random.sample(names, min(len(names), random.choice(range(least, 4))))
        scene = Scene(tuple(random.choice(things[name]) for name in chosen), random.choice(PLACES))
        if wanted(scene.key):
            return scene


def _any(key: str) -> bool:
    return True


def _mine(key: str, split: Split) -> bool:
    """Whether a combination of known pictures belongs to this split; a picture alone is no combination."""
    return (_held(key) and "+" in key) == (split == "test")


def _held(key: str) -> bool:
    return int(_hash(key), 16) % HELD_OUT == 0


def _metrics() -> tuple[Metric, ...]:
    def share(what: str) -> Callable[[Sequence[Row]], float]:
        return lambda rows: _mean([row[what] for row in rows if row[what] is not None])

    def of(kind: str) -> Callable[[Sequence[Row]], float]:
        return lambda rows: _mean([row["named"] for row in rows if row["kind"] == kind])

    return (
        Metric("named, new combinations", of(KNOWN), counts=lambda row: row["kind"] == KNOWN),
        Metric("named, unseen pictures", of(UNSEEN), counts=lambda row: row["kind"] == UNSEEN),
        Metric("count", share("count"), chance=0.42),
        Metric("place of two", share("place"), chance=1 / len(PLACES), counts=lambda row: row["place"] is not None),
        Metric("chrF", _chrf),
        Metric("CIDEr-D", _cider),
    )


def _score(sample: Sample, answer: Answer) -> Row:
    language = "en" if sample.answer.isascii() else "zh"
    said, true = parsed(answer.text, language), parsed(sample.answer, language)
    named = sum((Counter(said[1]) & Counter(true[1])).values()) / max(len(said[1]), len(true[1]))
    texts = plain(answer.text, language), plain(sample.answer, language)
    return {
        "kind": sample.origin.id.split()[0] if sample.origin else KNOWN,
        "named": named,
        "count": said[0] == true[0],
        "place": said[2] == true[2] if true[2] else None,
        "right": texts[0] == texts[1],
        "language": language,
        "cider": compared(*(list(text) if language == "zh" else text.split() for text in texts)),  # Chinese by its signs
        "chrf": tuple(_measure()._extract_corpus_statistics([texts[0]], [[texts[1]]])[0]),
    }


def _chrf(rows: Sequence[Row]) -> float:
    total = [sum(column) for column in zip(*(row["chrf"] for row in rows), strict=True)]
    return float(_measure()._compute_score_from_stats(total).score)


def _cider(rows: Sequence[Row]) -> float:
    """Which words are rare is counted within a language."""
    by_language = [[row["cider"] for row in rows if row["language"] == language] for language in LANGUAGES]
    return sum(len(own) * cider_d(own) for own in by_language if own) / len(rows)


def _measure() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise ValueError("descriptions are scored with sacrebleu: pip install 'duomo[evaluate]'") from error
    return CHRF()


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """The caption of the nearest training scene by pixels, and the most frequent caption, both in the language that is asked."""
    said: dict[str, list[str]] = {"nearest of the training scenes": [""] * len(test), "most frequent caption": [""] * len(test)}
    for english in (True, False):
        learned = [sample for sample in train if sample.answer.isascii() == english][:COMPARED]
        asked = [place for place, sample in enumerate(test) if sample.answer.isascii() == english]
        if not learned or not asked:
            continue
        near = _nearest([_pixels(sample, store) for sample in learned], [_pixels(test[place], store) for place in asked])
        often = majority([sample.answer for sample in learned], 1)[0]
        for place, number in zip(asked, near, strict=True):
            said["nearest of the training scenes"][place], said["most frequent caption"][place] = learned[number].answer, often
    return said


def _nearest(known: Sequence[np.ndarray], asked: Sequence[np.ndarray]) -> list[int]:
    known_PF, asked_QF = np.stack(known), np.stack(asked)
    far_QP = (known_PF**2).sum(1) - 2 * asked_QF @ known_PF.T
    return [int(place) for place in far_QP.argmin(1)]


def _pixels(sample: Sample, store: Store) -> np.ndarray:
    """A scene's colours at half its size."""
    pixels_HWC = IMAGE.read(store.bytes(str(next(sample.media()).value)), IMAGE.default)
    return pixels_HWC[::2, ::2].astype(np.float32).reshape(-1) / 255


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each question with the scene of another answer."""
    other = donors([sample.answer for sample in test], random)
    return [show(sample, list(test[i].media())) for sample, i in zip(test, other, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return float(statistics.fmean(values)) if values else 0.0


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
