"""Audio: sound at 16 kHz, cut in frames of 10 ms. L = samples, T = frames, K = frequencies, B = mel bands."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from duomo.batch import Patches
from duomo.modalities.files import Unreadable, reading
from duomo.modalities.modality import Modality, tile
from duomo.recipe import CutRecipe

if TYPE_CHECKING:
    import soundfile

RATE = 16_000
WINDOW = 400  # 25 ms
HOP = 160  # 10 ms
FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3")
WANTED = "a WAV, FLAC, OGG or MP3 recording"
MAX_RATE = 768_000
BLOCK = 2**18  # numbers decoded at a time
CHUNK = 64  # frames transformed at a time: they stay in the processor's cache, 2 to 3 times faster at 8 s than all at once


def read(value: Path | bytes, recipe: CutRecipe) -> np.ndarray:
    """The sound as (L,) float32 at 16 kHz, channels averaged, within [-1, 1]; of a longer one its first `size / rate` seconds.

    Memory follows what is decoded, never what a header claims. Raises ValueError for a damaged, unknown or empty file.
    """
    most = _most_samples(recipe)
    with reading(value, WANTED) as file:
        import soxr

        samples_L, rate = _mono(file, most / RATE)
        if rate != RATE:
            samples_L = soxr.resample(samples_L, rate, RATE)
        if not len(samples_L):
            raise Unreadable("the recording is empty; record it again")
        return np.clip(samples_L[:most], -1, 1)


def blocks(value: Path | bytes) -> Iterator[np.ndarray]:
    """A recording of any length as (L,) float32 blocks at 16 kHz, channels averaged, within [-1, 1]; never held as a whole.

    Raises ValueError as `read` does.
    """
    with reading(value, WANTED) as file:
        import soxr

        with _opened(file) as sound:
            resampler = soxr.ResampleStream(sound.samplerate, RATE, 1) if sound.samplerate != RATE else None
            for block_L in _blocks(sound):
                yield block_L if resampler is None else np.clip(resampler.resample_chunk(block_L), -1, 1)
            if resampler is not None:
                yield np.clip(resampler.resample_chunk(np.zeros(0, np.float32), last=True), -1, 1)


def seconds(value: Path | bytes) -> float:
    """How long a recording says that it is. Raises ValueError as `read` does."""
    with reading(value, WANTED) as file, _opened(file) as sound:
        return sound.frames / sound.samplerate


def cut(samples_L: np.ndarray, recipe: CutRecipe) -> Patches:
    """Log-mel frames, `hop` to a patch: exactly the first ceil(L / 160) frames of Whisper's features of a clip padded to 30 s.

    Nothing is padded to 30 s here. The reference clamps to 8 decades below its loudest value; silence is never that, so the
    loudest value of the clip (and of the two frames after it, into which its last sample leaks) is the same.
    """
    samples_L = samples_L[: _most_samples(recipe)]
    frames = max(1, -(-len(samples_L) // HOP))
    padded_L = np.zeros((frames + 2) * HOP, np.float32)
    padded_L[: len(samples_L)] = samples_L
    mel_TB = log_mel(padded_L, recipe.features)[:frames]
    return tile(mel_TB, recipe, float(mel_TB.min()))


def log_mel(samples_L: np.ndarray, bands: int) -> np.ndarray:
    """Whisper's log-mel features of the samples as they are: (L // 160, bands) float32.

    Radford et al. 2022: Hann window of 400, hop of 160, centred with reflection, power, Slaney mel filters, log10, clamped to
    8 decades below the maximum, (x + 4) / 4. Wants at least 201 samples.
    """
    padded_L = np.pad(np.asarray(samples_L, np.float32), WINDOW // 2, mode="reflect")
    frames_TL = np.lib.stride_tricks.sliding_window_view(padded_L, WINDOW)[::HOP][: len(samples_L) // HOP]
    hann_L, filters_KB = np.hanning(WINDOW + 1)[:-1].astype(np.float32), mel_filters(bands)
    chunks = (frames_TL[start : start + CHUNK] * hann_L for start in range(0, len(frames_TL), CHUNK))
    log_TB = np.log10(np.maximum(np.concatenate([_power(chunk_TL) @ filters_KB for chunk_TL in chunks]), 1e-10))
    return ((np.maximum(log_TB, log_TB.max() - 8) + 4) / 4).astype(np.float32)


@lru_cache(maxsize=8)
def mel_filters(bands: int) -> np.ndarray:
    """(201, bands): triangles at equal steps of Slaney's mel scale from 0 to 8 kHz, each of unit area (read-only).

    The scale is linear up to 1 kHz and logarithmic above (Slaney 1998, Auditory Toolbox).
    """
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    mels = np.linspace(0, top, bands + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    hertz_K1 = np.linspace(0, RATE / 2, WINDOW // 2 + 1)[:, None]
    rise, fall = (hertz_K1 - left) / (middle - left), (right - hertz_K1) / (right - middle)
    filters_KB = (np.clip(np.minimum(rise, fall), 0, None) * 2 / (right - left)).astype(np.float32)
    filters_KB.flags.writeable = False
    return filters_KB


def to_wav(samples_L: np.ndarray, rate: int = RATE) -> bytes:
    """A 16-bit mono WAV of float samples in [-1, 1], or of int16 samples as they are; the same bytes for the same samples."""
    if samples_L.dtype != np.int16:
        samples_L = np.round(np.clip(np.nan_to_num(samples_L), -1, 1) * 32767).astype(np.int16)
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples_L.astype("<i2").tobytes())
    return file.getvalue()


def _mono(file: BinaryIO, seconds: float) -> tuple[np.ndarray, int]:
    """The first seconds of a recording, channels averaged block by block, and its rate."""
    with _opened(file) as sound:
        return np.concatenate([np.zeros(0, np.float32), *_blocks(sound, seconds)]), sound.samplerate


@contextmanager
def _opened(file: BinaryIO) -> Iterator["soundfile.SoundFile"]:
    import soundfile

    with soundfile.SoundFile(file) as sound:
        if sound.format not in FORMATS or not 0 < sound.samplerate <= MAX_RATE:
            raise Unreadable(f"{sound.format} at {sound.samplerate} Hz is not read; convert it to WAV, FLAC, OGG or MP3")
        yield sound


def _blocks(sound: "soundfile.SoundFile", seconds: float = np.inf) -> Iterator[np.ndarray]:
    left, step = np.ceil(seconds * sound.samplerate), max(1, BLOCK // sound.channels)
    while left > 0 and len(block := sound.read(int(min(left, step)), "float32", always_2d=True)):
        yield np.clip(np.nan_to_num(block, copy=False), -1, 1).mean(1)  # before a sum, where infinities would meet
        left -= len(block)


def _most_samples(recipe: CutRecipe) -> int:
    if recipe.rate * HOP != RATE:
        raise ValueError(f"cut.rate is {recipe.rate:g}: audio has 100 frames a second")
    return recipe.size[0] * HOP


def _power(frames_TL: np.ndarray) -> np.ndarray:
    spectrum_TK = np.fft.rfft(frames_TL)
    return spectrum_TK.real**2 + spectrum_TK.imag**2


AUDIO = Modality(
    name="audio",
    axes=1,
    read=read,
    cut=cut,
    write=to_wav,
    suffix=".wav",
    suffixes=(".flac", ".ogg", ".mp3"),
    default=CutRecipe(size=(800,), hop=(1,), merge=(8,), features=80, rate=100),
)
