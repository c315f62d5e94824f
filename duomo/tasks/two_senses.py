"""Two senses: a picture of two digits and a spoken question about them; neither alone can be answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from duomo.modalities.audio import AUDIO
from duomo.modalities.image import IMAGE
from duomo.sample import Origin, Part, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.pictures import SIDE, Picture, beside, keep_picture, nearest_digits, pictures, pixels, redrawn, ungrouped
from duomo.tasks.pictures import SOURCE as SEEN
from duomo.tasks.speaking import LICENCE, clip_of, keep_sound, nearest_clips, spoken, voices
from duomo.tasks.speaking import SOURCE as HEARD
from duomo.tasks.split import origin_group
from duomo.tasks.swap import hide, show
from duomo.tasks.task import Ablation, Answer, Metric, Row, Split, Store, Task
from duomo.tasks.words import DIGITS, LANGUAGES, plain

QUESTIONS: Mapping[str, Mapping[str, str]] = {
    "larger": {"en": "which is larger?", "zh": "哪个更大？"},
    "smaller": {"en": "which is smaller?", "zh": "哪个更小？"},
    "left": {"en": "what is on the left?", "zh": "左边是什么？"},
    "right": {"en": "what is on the right?", "zh": "右边是什么？"},
}
COMPARED = 600  # training questions that the classical baseline knows


@dataclass(frozen=True)
class Case:
    """What is asked of which two digits, in which language."""

    question: str
    language: str
    left: int
    right: int

    @property
    def digit(self) -> int:
        """The digit asked for."""
        found = {"left": self.left, "right": self.right, "larger": max(self.left, self.right), "smaller": min(self.left, self.right)}
        return found[self.question]

    @property
    def answer(self) -> str:
        """Its name, in the language of the question."""
        return DIGITS[self.language][self.digit]


def two_senses(samples: int = 8000, valid: int = 100, test: int = 400, written: float = 0.35, spoken_each: int = 64, seed: int = 0) -> Task:
    """Answer a spoken question about a picture of two different digits.

    `written`: share of the training questions that come as text; `spoken_each`: how often each of the eight questions is
    said for training, by voices that the test does not have. Pictures and voices of the test are seen and heard nowhere else.
    """
    counts: Mapping[Split, int] = {"train": samples, "valid": valid, "test": test}
    return Task(
        name="two_senses",
        samples=lambda split, store: _samples(split, store, Random(f"two senses {seed} {split}"), counts[split], written, spoken_each),
        score=_score,
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=1 / 20),),
        baselines=_baselines,
        control=_control,
        sources=(SEEN, HEARD),
        # The best blind guesses, counted over all pairs of different digits, questions and languages (the test does so too):
        ablations=(
            # each digit is the answer to two of four questions, in one of two languages
            Ablation("picture only", lambda test, random: [hide(sample, AUDIO.name) for sample in test], chance=1 / 4),
            # of 90 pairs 18 have 9 as the larger, 18 have 0 as the smaller, and 9 have any given digit on one side
            Ablation("audio only", lambda test, random: [hide(sample, IMAGE.name) for sample in test], chance=3 / 20),
            # as before, less the answer that the wrong picture gives; believing that picture gives 0
            Ablation("picture swapped", _picture_swapped, chance=59 / 333),
            # three of four pairs of digit and language are left; believing the wrong question gives 0
            Ablation("audio swapped", _audio_swapped, chance=1 / 3),
        ),
        group=origin_group,
        max_tokens=6,
        synthetic=True,
        about="share of spoken questions about unseen pairs of digits answered right; one sense alone can not know",
    )


def case_of(sample: Sample) -> Case:
    """What a sample asks, from its id. Raises ValueError for a sample of another task."""
    name = sample.origin.id if sample.origin else ""
    try:
        question, language, left, right, *_ = name.split()
        return Case(question, language, int(left), int(right))
    except ValueError as error:
        raise ValueError(f"two_senses: {name!r} is no sample of this task; prepare it again") from error


def _samples(split: Split, store: Store, random: Random, count: int, written: float, spoken_each: int) -> Iterator[Sample]:
    shown = pictures(split, store)
    asked = _spoken(split, store, random, spoken_each if split == "train" else max(1, spoken_each // 8))
    kinds = list(asked)
    for i in range(count):
        question, language = kinds[i % len(kinds)]
        left, right = _two(shown, random)
        case = Case(question, language, left.digit, right.digit)
        drawn = [p.pixels_HW if split == "test" else redrawn(p.pixels_HW, random) for p in (left, right)]
        as_text = split == "train" and random.random() < written
        how: Part | str = QUESTIONS[question][language] if as_text else random.choice(asked[question, language])
        name = f"{question} {language} {left.digit} {right.digit} {left.id} {right.id}"
        origin = Origin(f"{SEEN}+{HEARD}", name, f"{left.licence}, {LICENCE}", group=left.id, synthetic=True)
        sample = ask(keep_picture(beside(*drawn), store), how, answer=case.answer, origin=origin)
        yield ungrouped(sample) if split == "valid" else sample


def _spoken(split: Split, store: Store, random: Random, each: int) -> dict[tuple[str, str], list[Part]]:
    """Every question as the voices of the split say it."""
    speak: Callable[..., bytes] = store.open(HEARD).speak
    bend = 0.09 if split == "train" else 0.0
    said: dict[tuple[str, str], list[Part]] = {(question, language): [] for question in QUESTIONS for language in LANGUAGES}
    for (question, language), parts in said.items():
        for i in range(each):
            known = voices(split, language)
            sound_L, rate = spoken(QUESTIONS[question][language], known[i % len(known)], speak, random, bend)
            parts.append(keep_sound(sound_L, rate, store))
    return said


def _two(shown: Sequence[Picture], random: Random) -> tuple[Picture, Picture]:
    """Two pictures of different digits, all pairs of digits alike."""
    while True:
        left, right = random.choice(shown), random.choice(shown)
        if left.digit != right.digit:
            return left, right


def _score(sample: Sample, answer: Answer) -> Row:
    language = case_of(sample).language
    return {"right": plain(answer.text, language) == plain(sample.answer, language)}


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each answer with the picture and the question of a sample that has another one."""
    other = donors([sample.answer for sample in test], random)
    return [show(sample, list(test[i].media())) for sample, i in zip(test, other, strict=True)]


def _picture_swapped(test: Sequence[Sample], random: Random) -> list[Sample]:
    """The same question of another picture, on which its answer differs."""
    return _swapped(test, random, IMAGE.name, lambda own, other: Case(own.question, own.language, other.left, other.right))


def _audio_swapped(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Another question about the same picture, whose answer differs."""
    return _swapped(test, random, AUDIO.name, lambda own, other: Case(other.question, other.language, own.left, own.right))


def _swapped(test: Sequence[Sample], random: Random, kind: str, mixed: Callable[[Case, Case], Case]) -> list[Sample]:
    cases = [case_of(sample) for sample in test]
    changed = []
    for sample, own in zip(test, cases, strict=True):
        order = random.sample(range(len(test)), len(test))
        other = next((i for i in order if mixed(own, cases[i]).answer != own.answer), None)
        if other is None:
            raise ValueError(f"two_senses: no other {kind} changes an answer among {len(test)} samples; take more")
        changed.append(show(sample, [part for part in test[other].media() if part.kind == kind]))
    return changed


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """Digits by 3 nearest neighbours; the question unheard, or taken from the nearest spoken one."""
    digits = _seen_digits(test, store)
    heard = [(case_of(sample), clip) for sample in train if (clip := clip_of(sample))][:COMPARED]
    near = nearest_clips([clip for _, clip in heard], [clip for sample in test if (clip := clip_of(sample))], store)
    guessed = [Case(heard[i][0].question, heard[i][0].language, *pair) for i, pair in zip(near, digits, strict=True)]
    return {
        "3 nearest neighbours, question unheard": [DIGITS["en"][left] for left, _ in digits],
        "3 nearest neighbours and the nearest spoken question": [case.answer for case in guessed],
    }


def _seen_digits(test: Sequence[Sample], store: Store) -> list[tuple[int, int]]:
    known = pictures("train", store)
    parts = [part for sample in test for part in sample.media() if part.kind == IMAGE.name]
    shown = [pixels(store.bytes(str(part.value))) for part in parts]
    halves = [half for picture_HW in shown for half in (picture_HW[:, :SIDE], picture_HW[:, SIDE:])]
    found = nearest_digits(known, halves)
    return list(zip(found[::2], found[1::2], strict=True))
