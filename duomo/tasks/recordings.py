"""Recordings: clips that nobody of this project made; the test of speech, learned from made voices, on other people's sound.

Three clips a language bound nothing tightly: the row shows how far made speech carries, and is expected to be poor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from duomo.sample import Sample, ask
from duomo.tasks.speaking import error_rate, nearest_clips, transcript_row
from duomo.tasks.speech import QUESTIONS, control
from duomo.tasks.task import Metric, Split, Store, Task

SOURCE = "audioeval"


def recordings() -> Task:
    """Write down recorded English sentences; test only."""
    return _recordings("recordings", "en", error_rate("WER (English)", "en"))


def recordings_zh() -> Task:
    """Write down recorded Mandarin sentences; test only."""
    return _recordings("recordings_zh", "zh", error_rate("CER (Mandarin)", "zh"))


def _recordings(name: str, language: str, metric: Metric) -> Task:
    return Task(
        name=name,
        samples=lambda split, store: _samples(split, store, language),
        score=transcript_row,
        metrics=(metric,),
        baselines=_baselines,
        control=control,
        sources=(SOURCE,),
        max_tokens=32,
        about="errors in three recordings, most of their words never heard in training; whether their voices are human is not known",
    )


def _samples(split: Split, store: Store, language: str) -> Iterator[Sample]:
    if split != "test":
        return
    for sample in store.open(SOURCE):
        if sample.origin and sample.origin.group == language:
            sound = next(sample.media())
            kept = replace(sound, value=store.keep(sound.value, ".wav")) if isinstance(sound.value, bytes) else sound
            yield ask(kept, QUESTIONS[language], answer=sample.answer, origin=replace(sample.origin, group=""))


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """Nothing is learned here, so nothing is copied but the answer of the other recording that sounds nearest."""
    clips = [next(sample.media()) for sample in test]
    said = []
    for i, clip in enumerate(clips):
        others = [j for j in range(len(test)) if j != i]
        near = nearest_clips([clips[j] for j in others], [clip], store) if others else []
        said += [test[others[j]].answer for j in near] or [""]
    return {"the nearest other recording": said}
