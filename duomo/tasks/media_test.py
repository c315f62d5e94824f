"""Laws that every task with media keeps, shown on tiny real files."""

import hashlib
import io
import wave
from random import Random

import numpy as np
import pytest

from duomo.modalities.image import to_png
from duomo.sample import Origin, Part, ask, to_json
from duomo.sources.fashion import KINDS
from duomo.tasks import build
from duomo.tasks.task import Answer
from duomo.tasks.words import number
from tests.memory import Memory

TINY = {
    "digits": {"variants": 2, "strips": 6, "valid": 8},
    "speech": {"clips": 30, "valid": 8, "test": 24},
    "motion": {"clips": 6, "valid": 2, "test": 24},
    "two_senses": {"samples": 40, "valid": 8, "test": 40, "spoken_each": 3},
    "photos": {"train": 40, "valid": 5},
    "prompts": {},
    "recordings": {},
    "recordings_zh": {},
}
LEARNED = [name for name in TINY if not name.startswith("recordings")]
SEEDED = [name for name in LEARNED if name != "prompts"]  # it shows what there is, once


def glyph(digit, take):
    """A picture of its own for each digit, with some grain: (28, 28) uint8."""
    shape = np.random.default_rng(digit).integers(0, 2, (5, 5)) * 200
    shape[0, 0] = shape[4, 4] = 200
    grain = np.random.default_rng(100 * digit + take).integers(0, 20, (28, 28))
    return (np.pad(shape.repeat(4, 0).repeat(4, 1), 4) + grain).astype(np.uint8)


def tone(text, voice, rate=175, pitch=50):
    """A WAV file: a hum for each letter, another for each voice, with silence around it."""
    letters = [np.sin(np.arange(1200) * (0.05 + ord(letter) % 97 / 300)) for letter in text + voice[-1]]
    sound = np.concatenate([np.zeros(4000), *letters, np.zeros(4000)]) * 12000
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 22050, 0, "NONE", ""))
        out.writeframes(sound.astype("<i2").tobytes())
    return file.getvalue()


class Voice:
    speak = staticmethod(tone)


class TinyStore(Memory):
    """A store in memory over tiny sources."""

    def __init__(self, each=10):
        super().__init__()
        self.each = each

    def open(self, source):
        if source == "espeak":
            return Voice()
        return {"digits": self._digits, "fashion": self._photos, "asterisk": self._prompts, "audioeval": self._recordings}[source]()

    def _digits(self):
        for take in range(self.each):
            for digit in range(10):
                yield ask(Part("image", to_png(glyph(digit, take))), answer=str(digit), origin=Origin("digits", f"{digit}.{take}"))

    def _photos(self):
        for take in range(2 * self.each):
            for kind, name in enumerate(KINDS):
                pixels, split = glyph(kind, take), "train" if take >= self.each else "t10k"
                origin = Origin("fashion", f"{split}/{kind}.{take}", "MIT", group=hashlib.sha256(pixels.tobytes()).hexdigest())
                yield ask(Part("image", to_png(pixels)), answer=name, origin=origin)

    def _prompts(self):
        for value in range(40):
            said = number(value, "en")
            yield ask(Part("audio", tone(said, "x")), answer=said, origin=Origin("asterisk", said, group="one voice"))

    def _recordings(self):
        clips = (("en", "Hello world."), ("en", "One two."), ("zh", "你好。"), ("zh", "一二三。"), ("fr", "Un."))
        for i, (language, said) in enumerate(clips):
            yield ask(Part("audio", tone(said, "x")), answer=said, origin=Origin("audioeval", str(i), group=language))


def made(name, split, **options):
    return list(build(name, **TINY[name] | options).samples(split, TinyStore()))


@pytest.mark.parametrize("name", TINY)
def test_a_seed_gives_the_same_samples_again(name):
    assert [to_json(s) for s in made(name, "test")] == [to_json(s) for s in made(name, "test")]


@pytest.mark.parametrize("name", SEEDED)
def test_another_seed_gives_other_training_samples(name):
    assert [to_json(s) for s in made(name, "train")] != [to_json(s) for s in made(name, "train", seed=1)]


@pytest.mark.parametrize("name", LEARNED)
def test_training_shares_no_media_and_no_group_with_the_test(name):
    train, test = made(name, "train"), made(name, "test")
    assert not {s.origin.group for s in train} & {s.origin.group for s in test}
    assert not {p.value for s in train for p in s.media()} & {p.value for s in test for p in s.media()}


@pytest.mark.parametrize("name", LEARNED)
def test_validation_takes_no_group_from_training(name):
    train, valid = made(name, "train"), made(name, "valid")
    assert not {s.origin.group for s in train} & {s.origin.group for s in valid if s.origin.group}


@pytest.mark.parametrize("name", TINY)
def test_the_truth_scores_full_and_nothing_scores_nothing(name):
    task, test = build(name, **TINY[name]), made(name, "test")
    for said, full in ((lambda s: s.answer.upper() + " !", True), (lambda s: "", False)):
        rows = [task.score(sample, Answer(said(sample))) for sample in test]
        assert [metric.of(rows) for metric in task.metrics] == [float(full == m.higher_is_better) for m in task.metrics]


@pytest.mark.parametrize("name", TINY)
def test_the_control_keeps_the_question_and_changes_the_media(name):
    task, test = build(name, **TINY[name]), made(name, "test")
    changed = task.control(test, Random(0))
    for before, after in zip(test, changed, strict=True):
        assert (before.answer, before.messages[0].text, before.origin) == (after.answer, after.messages[0].text, after.origin)
        assert [p.kind for p in before.media()] == [p.kind for p in after.media()]
        assert [p.value for p in before.media()] != [p.value for p in after.media()]


@pytest.mark.parametrize("name", TINY)
def test_baselines_answer_every_test_sample(name):
    task, store = build(name, **TINY[name]), TinyStore()
    train, test = (list(task.samples(split, store)) for split in ("train", "test"))
    for answers in task.baselines(train, test, store).values():
        assert len(answers) == len(test)
        assert all(isinstance(answer, str) for answer in answers)


def test_options_are_checked_by_name():
    with pytest.raises(ValueError, match="did you mean 'variants'"):
        build("digits", variant=3)
    with pytest.raises(ValueError, match="did you mean 'motion'"):
        build("motoin")


def test_recordings_are_test_only_and_in_the_languages_that_are_learned():
    assert not made("recordings", "train") and not made("recordings", "valid")
    assert [s.answer for s in made("recordings", "test")] == ["Hello world.", "One two."]
    assert [s.answer for s in made("recordings_zh", "test")] == ["你好。", "一二三。"]


def test_made_samples_keep_to_the_languages_that_are_asked_for():
    for name in ("digits", "speech", "photos"):
        for split in ("train", "valid", "test"):
            assert all(s.answer.isascii() for s in made(name, split, languages=["en"]))
        assert len(build(name, languages=["en"]).metrics) == 1
    with pytest.raises(ValueError, match="give one or more of en, zh"):
        build("photos", languages=["fr"])


def test_the_test_of_photos_is_the_shops_own():
    ids = {split: {s.origin.id for s in made("photos", split)} for split in ("train", "valid", "test")}
    assert all(id.startswith("t10k") == (split == "test") for split, found in ids.items() for id in found)
    assert (len(ids["train"]), len(ids["valid"]), len(ids["test"])) == (40, 5, 100)
