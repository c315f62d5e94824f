"""Speech: write down one to four words or numbers that a made voice says, in English or Mandarin."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.speaking import (
    LICENCE,
    SOURCE,
    clip_of,
    error_rate,
    keep_sound,
    language_of,
    nearest_clips,
    noisy,
    spoken,
    transcript_row,
    variant,
    voices,
)
from duomo.tasks.swap import show
from duomo.tasks.task import Split, Store, Task
from duomo.tasks.words import LANGUAGES, VOCABULARY, join, known, number

QUESTIONS: Mapping[str, str] = {"en": "transcribe", "zh": "写下来"}
OTHERS: Mapping[str, tuple[str, ...]] = {"en": ("", "what is this?"), "zh": ("", "这是什么？")}  # also learned
LENGTHS = {1: 3, 2: 3, 3: 2, 4: 2}  # words in a clip: how often
NUMBERS = 0.25  # share of the words
SHARES = 10  # of sentences: one for the test, one for validation, the rest to learn from
COMPARED = 2000  # training clips that the classical baseline knows


def speech(
    clips: int = 9000, valid: int = 100, test: int = 400, noise: float = 0.2, bend: float = 0.09,
    languages: Sequence[str] = LANGUAGES, seed: int = 0,
) -> Task:  # fmt: skip
    """Write down what is said, half English and half Mandarin, or all in one of the `languages`.

    The voices of the test are heard nowhere else, and of its sentences only single words are. `noise`: share of training
    clips with hiss; `bend`: by how much their throats are stretched at most.
    """
    counts: Mapping[Split, int] = {"train": clips, "valid": valid, "test": test}
    chosen = known(languages)
    rates = {"en": error_rate("WER (English)", "en"), "zh": error_rate("CER (Mandarin)", "zh")}
    return Task(
        name="speech",
        samples=lambda split, store: _samples(split, store, Random(f"speech {seed} {split}"), counts[split], noise, bend, chosen),
        score=transcript_row,
        metrics=tuple(rates[language] for language in chosen),
        baselines=_baselines,
        control=control,
        sources=(SOURCE,),
        max_tokens=24,
        synthetic=True,
        about="errors per word (or character) in clips of unseen made voices that say 1 to 4 known words in unseen order",
    )


def control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each transcript asked of another clip of the same language."""
    changed: dict[int, Sample] = {}
    for language in {language_of(sample) for sample in test}:
        own = [i for i, sample in enumerate(test) if language_of(sample) == language]
        for i, other in zip(own, donors([test[i].answer for i in own], random), strict=True):
            changed[i] = show(test[i], list(test[own[other]].media()))
    return [changed[i] for i in range(len(test))]


def sentence(split: Split, language: str, random: Random) -> list[str]:
    """One to four words to say; what is longer than a word or a number up to ten is said in one split only."""
    length = random.choices(list(LENGTHS), list(LENGTHS.values()))[0]  # drawn once: every split has the same share of long ones
    short = {*VOCABULARY[language], *(number(value, language) for value in range(11))}
    while True:
        items = _items(length, language, random)
        text = join(items, language)
        if text in short or _home(text) == split:
            return items


def _samples(
    split: Split, store: Store, random: Random, count: int, noise: float, bend: float, languages: Sequence[str]
) -> Iterator[Sample]:
    speak: Callable[..., bytes] = store.open(SOURCE).speak
    for i in range(count):
        language = languages[i % len(languages)]
        words, voice = sentence(split, language, random), random.choice(voices(split, language))
        train = split == "train"
        sound_L, rate = spoken(" ".join(words), voice, speak, random, bend if train else 0)
        if train and random.random() < noise:
            sound_L = noisy(sound_L, random)
        question = QUESTIONS[language] if not train or random.random() < 0.5 else random.choice(OTHERS[language])
        answer = join(words, language)
        origin = Origin(SOURCE, f"{voice}: {answer}", LICENCE, group=variant(voice), synthetic=True)
        yield ask(keep_sound(sound_L, rate, store), *filter(None, [question]), answer=answer, origin=origin)


def _items(room: int, language: str, random: Random) -> list[str]:
    """Words, and numbers in words, that fill `room` words; a Chinese number is one."""
    items: list[str] = []
    while room:
        item = number(random.randrange(100), language) if random.random() < NUMBERS else random.choice(VOCABULARY[language])
        if len(item.split()) <= room:
            items.append(item)
            room -= len(item.split())
    return items


def _home(text: str) -> Split:
    share = int(hashlib.sha256(text.encode()).hexdigest(), 16) % SHARES
    return "test" if share == 0 else "valid" if share == 1 else "train"


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    often = {language: _most_frequent(train, language) for language in {language_of(sample) for sample in test}}
    heard = [(sample, clip) for sample in train if (clip := clip_of(sample))][:COMPARED]
    near = nearest_clips([clip for _, clip in heard], [clip for sample in test if (clip := clip_of(sample))], store)
    return {
        "most frequent answer": [often[language_of(sample)] for sample in test],
        f"nearest of {len(heard)} training clips": [heard[i][0].answer for i in near],
    }


def _most_frequent(train: Sequence[Sample], language: str) -> str:
    tally = Counter(sample.answer for sample in train if language_of(sample) == language)
    return min(tally, key=lambda text: (-tally[text], text), default="")
