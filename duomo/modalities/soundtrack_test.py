"""Laws of the sound of films."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest

from duomo.modalities.audio import RATE
from duomo.modalities.soundtrack import soundtrack


def film(samples: np.ndarray | None, rate: int = 44_100, form: str = "mp4", codec: str = "aac") -> bytes:
    """A film of grey with this sound, (L,) float in stereo."""
    file = BytesIO()
    with av.open(file, "w", format=form) as made:
        picture = made.add_stream("libx264", rate=10)
        picture.width = picture.height = 32
        voice = made.add_stream(codec, rate=rate, layout="stereo") if samples is not None else None
        for _ in range(10):
            made.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")))
        made.mux(picture.encode())
        if voice is not None:
            frame = av.AudioFrame.from_ndarray((np.stack([samples, samples], 1).reshape(1, -1) * 32767).astype(np.int16), "s16", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            made.mux(voice.encode(frame))
            made.mux(voice.encode())
    return file.getvalue()


@pytest.mark.parametrize(("form", "codec", "rate"), [("mp4", "aac", 44_100), ("matroska", "libopus", 48_000), ("mp4", "aac", 8_000)])
def test_the_sound_is_whispers_whatever_the_film(form, codec, rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate) / 2
    heard = np.concatenate(list(soundtrack(film(tone, rate, form, codec))))
    assert heard.dtype == np.float32 and abs(len(heard) / RATE - 2) < 0.15
    middle = np.abs(np.fft.rfft(heard[RATE // 2 : RATE + RATE // 2]))
    assert abs(int(middle.argmax()) - 440) <= 1 and 0.4 < np.abs(heard[8_000:24_000]).max() < 0.6


def test_a_silent_film_and_a_flipbook_have_none():
    assert not list(soundtrack(film(None))) and not list(soundtrack(b"GIF89a" + bytes(20)))


def test_damage_is_told():
    with pytest.raises(ValueError, match="damaged"):
        list(soundtrack(film(None)[:200]))
