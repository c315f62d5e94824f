"""Recordings: clips that nobody of this project made; the test of speech, learned from made voices, on other people's sound.

A handful of clips bounds nothing tightly: the row shows how far made speech carries, and is expected to be poor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from duomo.sample import Sample, ask
from duomo.tasks.speaking import error_rate, language_of, nearest_clips, transcript_row
from duomo.tasks.speech import QUESTIONS, control
from duomo.tasks.task import Split, Store, Task
from duomo.tasks.words import LANGUAGES

SOURCE = "audioeval"


def recordings() -> Task:
    """Write down recorded sentences, English and Mandarin; test only."""
    return Task(
        name="recordings",
        samples=_samples,
        score=transcript_row,
        metrics=(error_rate("WER (English)", "en"), error_rate("CER (Mandarin)", "zh")),
        baselines=_baselines,
        control=control,
        sources=(SOURCE,),
        max_tokens=32,
        about="errors per word (or character) in six recordings, most of their words never heard in training; "
        "whether their voices are human is not known",
    )


def _samples(split: Split, store: Store) -> Iterator[Sample]:
    if split != "test":
        return
    for sample in store.open(SOURCE):
        language = sample.origin.group if sample.origin else ""
        if language in LANGUAGES:
            sound = next(sample.media())
            kept = replace(sound, value=store.keep(sound.value, ".wav")) if isinstance(sound.value, bytes) else sound
            yield ask(kept, QUESTIONS[language], answer=sample.answer, origin=sample.origin)


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """Nothing is learned here, so nothing is copied: the answer of the other recordings of the language that sounds nearest."""
    clips = [next(sample.media()) for sample in test]
    said = []
    for i, sample in enumerate(test):
        others = [j for j, other in enumerate(test) if j != i and language_of(other) == language_of(sample)]
        near = nearest_clips([clips[j] for j in others], [clips[i]], store)[0] if others else None
        said.append(test[others[near]].answer if near is not None else "")
    return {"the nearest other recording": said}
