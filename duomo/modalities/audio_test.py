import tracemalloc
from io import BytesIO

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.modalities.audio import AUDIO, RATE, log_mel, mel_filters, to_wav

CUT = AUDIO.default
WHISPER = CUT.model_copy(update={"size": (3000,)})


def tone(seconds: float, hertz: float = 440, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def noise(samples: int, loud: float = 0.1) -> np.ndarray:
    return (np.random.default_rng(samples).standard_normal(samples) * loud).astype(np.float32)


def encoded(samples: np.ndarray, rate: int, kind: str, subtype: str | None = None) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def slow_filter(band: int, bands: int, hertz: float) -> float:
    """The height of one Slaney triangle at a frequency, by the definition (the oracle of `mel_filters`)."""

    def to_mel(f: float) -> float:
        return f / (200 / 3) if f < 1000 else 15 + np.log(f / 1000) / (np.log(6.4) / 27)

    def to_hertz(m: float) -> float:
        return m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27)

    left, top, right = (to_hertz(to_mel(8000) * (band + i) / (bands + 1)) for i in range(3))
    height = (hertz - left) / (top - left) if hertz <= top else (right - hertz) / (right - top)
    return max(0.0, height) * 2 / (right - left)


def whisper(samples: np.ndarray, bands: int) -> torch.Tensor:
    """The published features of a clip padded to 30 s, by torch.stft in double precision: (3000, bands)."""
    padded = torch.zeros(480_000, dtype=torch.float64)
    padded[: len(samples)] = torch.from_numpy(samples).double()
    window = torch.hann_window(400, dtype=torch.float64)
    power = torch.stft(padded, 400, 160, window=window, center=True, pad_mode="reflect", return_complex=True)[:, :-1].abs() ** 2
    filters = torch.tensor([[slow_filter(band, bands, 40.0 * k) for k in range(201)] for band in range(bands)], dtype=torch.float64)
    log = (filters @ power).clamp(min=1e-10).log10()
    return ((torch.maximum(log, log.max() - 8) + 4) / 4).T.float()


CLIPS = {
    "tone": tone(2.03),
    "noise": noise(16_000),
    "loud chirp": np.sin(np.cumsum(np.linspace(0.01, 2, 70_001))).astype(np.float32) * 0.9,
    "quiet": noise(9_999, 1e-4),
    "a hundred samples": noise(100),
    "silence": np.zeros(5_000, np.float32),
}


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("clip", CLIPS)
def test_log_mel_of_the_padded_clip_is_whispers(clip, bands):
    ours = log_mel(np.pad(CLIPS[clip], (0, 480_000 - len(CLIPS[clip]))), bands)
    assert np.abs(ours - whisper(CLIPS[clip], bands).numpy()).max() < 1e-3


@pytest.mark.parametrize("clip", CLIPS)
def test_a_cut_is_the_beginning_of_whispers_features(clip):
    values = AUDIO.cut(CLIPS[clip], WHISPER).values_NF
    assert len(values) == -(-len(CLIPS[clip]) // 160)
    assert (values - whisper(CLIPS[clip], 80)[: len(values)]).abs().max() < 1e-3


def test_features_of_thirty_full_seconds_are_whispers():
    assert np.abs(log_mel(noise(480_000), 80) - whisper(noise(480_000), 80).numpy()).max() < 1e-3


def test_log_mel_is_whisper_feature_extractors():
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    for clip in CLIPS.values():
        theirs = extractor(clip, sampling_rate=RATE, return_tensors="np").input_features[0].T
        assert np.abs(log_mel(np.pad(clip, (0, 480_000 - len(clip))), 80) - theirs).max() < 1e-3


def test_each_filter_is_a_triangle_of_the_definition():
    expected = np.array([[slow_filter(band, 80, 40.0 * k) for band in range(80)] for k in range(201)])
    assert np.abs(mel_filters(80) - expected).max() < 1e-7
    with pytest.raises(ValueError):
        mel_filters(80)[0, 0] = 1.0


KINDS = [("WAV", None), ("WAV", "FLOAT"), ("FLAC", None), ("OGG", None), ("OGG", "OPUS"), ("MP3", None)]


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_reads_each_format_at_each_rate(kind, subtype, rate):
    stereo = np.stack([tone(1.0, rate=rate), tone(1.0, rate=rate) * 0.5], 1)
    samples = AUDIO.read(encoded(stereo, rate, kind, subtype), CUT)
    assert samples.dtype == np.float32 and samples.ndim == 1 and samples.flags.writeable
    assert abs(len(samples) - RATE) <= 0.12 * RATE  # lossy formats pad
    middle = np.abs(np.fft.rfft(samples[4_000:12_000]))
    assert middle.argmax() == 220  # 440 Hz in half a second
    assert abs(np.abs(samples[4_000:12_000]).max() - 0.375) < 0.05


def test_reads_no_more_than_the_cut_keeps():
    assert len(AUDIO.read(to_wav(tone(20)), CUT)) == 8 * RATE
    assert len(AUDIO.read(to_wav(tone(20, rate=44_100), 44_100), CUT)) == 8 * RATE
    assert AUDIO.cut(tone(20), CUT).tokens == 100


def test_a_header_that_lies_about_length_allocates_nothing():
    data = bytearray(to_wav(tone(0.5)))
    data[24:28] = (700_000).to_bytes(4, "little")  # rate
    data[40:44] = data[4:8] = b"\xf0\xff\xff\x7f"  # two gigabytes
    tracemalloc.start()
    samples = AUDIO.read(bytes(data), CUT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < len(samples) < RATE and peak < 4e6


def test_not_a_number_is_silence():
    samples = tone(0.5)
    samples[100:200], samples[300], samples[301] = np.nan, np.inf, -3e38
    seen = AUDIO.read(encoded(samples, RATE, "WAV", "FLOAT"), CUT)
    assert np.isfinite(seen).all() and np.abs(seen).max() <= 1
    assert AUDIO.cut(seen, CUT).values_NF.isfinite().all()


@pytest.mark.parametrize("kind", ["WAV", "OGG"])
def test_refuses_a_recording_without_samples(kind):
    with pytest.raises(ValueError, match="empty"):
        AUDIO.read(encoded(np.zeros(0, np.float32), RATE, kind), CUT)


def test_refuses_what_it_does_not_name(tmp_path):
    with pytest.raises(ValueError, match="convert it to WAV, FLAC, OGG or MP3"):
        AUDIO.read(encoded(tone(0.1), RATE, "AU"), CUT)
    raw = tmp_path / "x.raw"
    raw.write_bytes(bytes(1000))
    with pytest.raises(ValueError, match="x.raw: "):
        AUDIO.read(raw, CUT)


def test_frames_come_a_hundred_a_second():
    with pytest.raises(ValueError, match="100 frames a second"):
        AUDIO.read(to_wav(tone(0.1)), CUT.model_copy(update={"rate": 50.0}))


@given(st.integers(1, 20_000), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_counts_of_a_cut(samples, merge, hop):
    recipe = CUT.model_copy(update={"merge": (merge,), "hop": (hop,)})
    patches = AUDIO.cut(noise(samples), recipe)
    frames = -(-samples // 160)
    assert len(patches.values_NF) == -(-frames // hop)
    assert patches.tokens == -(-len(patches.values_NF) // merge)
    assert patches.coords_NA[:, 0].tolist() == list(range(len(patches.values_NF)))


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300))
@settings(deadline=None)
def test_wav_keeps_samples_to_sixteen_bits(values):
    samples = np.array(values, np.float32)
    assert np.abs(AUDIO.read(to_wav(samples), CUT) - samples).max() <= 2 / 32768
    whole = (samples * 32767).astype(np.int16)
    assert np.array_equal(np.round(AUDIO.read(to_wav(whole), CUT) * 32768), whole)
