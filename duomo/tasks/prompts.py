"""Prompts: write down what a person says in the recordings of a telephone exchange."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from duomo.sample import Sample, ask
from duomo.tasks.speaking import clip_of, error_rate, nearest_clips, transcript_row
from duomo.tasks.speech import QUESTIONS, control
from duomo.tasks.split import key
from duomo.tasks.task import Split, Store, Task

SOURCE = "asterisk"
SHARES = 5  # of the texts: one for the test, half of one for validation, the rest to learn from


def prompts() -> Task:
    """Write down English recordings, 553 of one speaker, who is also the one of the test; its texts are said nowhere else."""
    return Task(
        name="prompts",
        samples=_samples,
        score=transcript_row,
        metrics=(error_rate("WER", "en"),),
        baselines=_baselines,
        control=control,
        sources=(SOURCE,),
        max_tokens=48,
        about="errors per word in unseen recordings of one known human speaker",
    )


def _samples(split: Split, store: Store) -> Iterator[Sample]:
    for sample in store.open(SOURCE):
        if sample.origin and _home(sample.answer) == split and sample.answer.isascii():
            sound = next(sample.media())
            kept = replace(sound, value=store.keep(sound.value, ".wav")) if isinstance(sound.value, bytes) else sound
            yield ask(kept, QUESTIONS["en"], answer=sample.answer, origin=replace(sample.origin, group=key(sample.answer)))


def _home(text: str) -> Split:
    """By the text alone: whoever says the same is on the same side."""
    share = int(hashlib.sha256(key(text).encode()).hexdigest(), 16) % (2 * SHARES)
    return "test" if share < 2 else "valid" if share == 2 else "train"


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    heard = [(sample, clip) for sample in train if (clip := clip_of(sample))]
    near = nearest_clips([clip for _, clip in heard], [clip for sample in test if (clip := clip_of(sample))], store)
    return {f"nearest of {len(heard)} training clips": [heard[i][0].answer for i in near]}
