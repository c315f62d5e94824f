"""Made speech: voices of which whole ones are held out, clips as a microphone might give them, and how transcripts are scored."""

import io
import wave
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from duomo.modalities.audio import AUDIO, log_mel, to_wav
from duomo.sample import Part, Sample
from duomo.tasks.task import Answer, Metric, Row, Split, Store
from duomo.tasks.words import plain

SOURCE = "espeak"
LICENCE = "GPL-3.0-or-later"
BANDS, PIECES = 40, 16  # of the picture of a clip that the classical baseline compares
QUIET = 0.02  # of the loudest sample: below it a clip has not begun

# A variant is another throat: it is held out with all its accents ("en" is British), in both languages at once. Each was
# chosen because a nearest-neighbour classifier that never heard it still tells its single words apart (93 % and more in
# both languages); whispering, croaking and robot variants are left out. "f5" is "f2", which the test has, with more breath:
# nobody learns it.
ACCENTS: Mapping[str, tuple[str, ...]] = {"en": ("en-us", "en"), "zh": ("cmn",)}
VARIANTS: Mapping[Split, tuple[str, ...]] = {
    "train": tuple(
        """
        m1 m3 m5 m6 m7 m8 max paul robert quincy Gene Denis Mario Storm Hugo grandpa iven Jacky boris victor gustave
        f1 Annie linda belinda steph grandma
        """.split()
    ),
    "valid": ("m4",),
    "test": ("f2", "Michael"),
}


def voices(split: Split, language: str) -> list[str]:
    """The voices of a split, as the synthesiser names them: an accent and a variant."""
    return [f"{accent}+{variant}" for accent in ACCENTS[language] for variant in VARIANTS[split]]


def variant(voice: str) -> str:
    """The throat behind a voice, whatever its accent."""
    return voice.partition("+")[2]


def spoken(text: str, voice: str, speak: Callable[..., bytes], random: Random, bend: float = 0.0) -> tuple[np.ndarray, int]:
    """Someone says it: int16 samples without the silence around them, and their rate.

    Speed and pitch are drawn; `bend` is by how much the clip is also played faster or slower at most, which moves the
    formants as a longer or shorter throat does.
    """
    sound = speak(text, voice, rate=random.randint(175, 225), pitch=random.randint(30, 70))
    with wave.open(io.BytesIO(sound)) as file:
        samples_L = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        rate = file.getframerate()
    return _trimmed(samples_L, rate // 50), round(rate * random.uniform(1 - bend, 1 + bend))


def noisy(samples_L: np.ndarray, random: Random) -> np.ndarray:
    """The clip quieter or louder, with hiss 15 to 35 decibels below it."""
    loud = np.sqrt(np.mean(samples_L.astype(np.float32) ** 2)) + 1
    hiss_L = np.random.default_rng(random.getrandbits(64)).normal(0, loud * 10 ** (-random.uniform(15, 35) / 20), len(samples_L))
    return np.clip((samples_L + hiss_L) * random.uniform(0.3, 1), -32768, 32767).astype(np.int16)


def keep_sound(samples_L: np.ndarray, rate: int, store: Store) -> Part:
    """A part that plays these int16 samples."""
    return Part(AUDIO.name, store.keep(to_wav(samples_L, rate), AUDIO.suffix))


def nearest_clips(known: Sequence[Part], asked: Sequence[Part], store: Store) -> list[int]:
    """For each asked clip the index of the most similar known one: mean log-mel of 16 equal stretches, by Euclidean distance."""
    known_KF, asked_QF = (np.stack([_likeness(part, store) for part in parts]) for parts in (known, asked))
    far_QK = (known_KF**2).sum(1) - 2 * asked_QF @ known_KF.T
    return [int(i) for i in far_QK.argmin(1)]


def clip_of(sample: Sample) -> Part | None:
    """The sample's sound; None where it has none."""
    return next((part for part in sample.media() if part.kind == AUDIO.name), None)


def language_of(sample: Sample) -> str:
    """The language of the answer."""
    return "en" if sample.answer.isascii() else "zh"


def transcript_row(sample: Sample, answer: Answer) -> Row:
    """Errors and length of one transcript, in words (English) or characters (Chinese): they add up over a corpus."""
    try:
        import jiwer
    except ImportError as error:
        raise ValueError("transcripts are scored with jiwer: pip install 'duomo[evaluate]'") from error
    language = language_of(sample)
    true, said = plain(sample.answer, language), plain(answer.text, language)
    found: Any = jiwer.process_words(true, said) if language == "en" else jiwer.process_characters(true, said)
    errors = found.substitutions + found.deletions + found.insertions
    return {"language": language, "errors": errors, "length": found.hits + found.substitutions + found.deletions}


def error_rate(name: str, language: str) -> Metric:
    """Errors per word or character of the truth, over the rows of one language; not a number where there are none."""

    def counts(row: Row) -> bool:
        return row["language"] == language

    def of(rows: Sequence[Row]) -> float:
        own = [row for row in rows if counts(row)]
        return sum(row["errors"] for row in own) / sum(row["length"] for row in own) if own else float("nan")

    return Metric(name, of, higher_is_better=False, counts=counts)


def _trimmed(samples_L: np.ndarray, margin: int) -> np.ndarray:
    heard = np.flatnonzero(np.abs(samples_L.astype(np.int32)) > QUIET * 32768)
    if not len(heard):
        raise ValueError(f"{SOURCE}: the synthesiser said nothing; fetch it again")
    return samples_L[max(0, heard[0] - margin) : heard[-1] + margin]


def _likeness(part: Part, store: Store) -> np.ndarray:
    """(PIECES * BANDS,): the clip's log-mel picture at a fixed length, its loudness taken out."""
    mel_TB = log_mel(np.pad(AUDIO.read(store.bytes(str(part.value)), AUDIO.default), (0, 400)), BANDS)
    pieces = np.array_split(mel_TB, PIECES) if len(mel_TB) >= PIECES else [mel_TB] * PIECES
    mean_PB = np.stack([piece.mean(0) for piece in pieces])
    return (mean_PB - mean_PB.mean()).ravel()
