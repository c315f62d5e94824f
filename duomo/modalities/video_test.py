from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from duomo.modalities.audio import to_wav
from duomo.modalities.image import IMAGE
from duomo.modalities.video import VIDEO, Clip, refuse_dense
from duomo.recipe import CutRecipe

CUT = VIDEO.default
LONG = CutRecipe(size=(100, 48, 48), hop=(1, 2, 2), merge=(2, 8, 8), features=1, rate=4)


def counting(length: int, rate: float = 12, height: int = 48, width: int = 48) -> Clip:
    """Frame k is grey 5 * k, so that a frame tells its number."""
    frames = np.broadcast_to((np.arange(length) * 5 % 256).astype(np.uint8)[:, None, None, None], (length, height, width, 3))
    return Clip(frames, np.arange(length) / rate)


def numbers(clip: Clip) -> list[int]:
    return [round(float(frame.mean()) / 5) for frame in clip.frames_LHWC]


def webm(clip: Clip, codec: str = "libvpx") -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="webm") as film:
        stream = film.add_stream(codec, rate=12, options={"threads": "1", "crf": "4", "b": "2M"})
        stream.height, stream.width, stream.pix_fmt = *clip.frames_LHWC.shape[1:3], "yuv420p"
        for pixels in clip.frames_LHWC:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        film.mux(stream.encode())
    return file.getvalue()


def flipbook(clip: Clip, kind: str, milliseconds: int | list[int]) -> bytes:
    file = BytesIO()
    first, *rest = (Image.fromarray(np.ascontiguousarray(pixels)) for pixels in clip.frames_LHWC)
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(file, kind, save_all=True, append_images=rest, duration=milliseconds, **options)
    return file.getvalue()


WRITERS = {
    "H.264": VIDEO.write,
    "VP8": webm,
    "VP9": lambda clip: webm(clip, "libvpx-vp9"),
    "GIF": lambda clip: flipbook(clip, "GIF", 80),
    "WebP": lambda clip: flipbook(clip, "WEBP", 83),
    "fragments": lambda clip: rewrapped(VIDEO.write(clip), "frag_keyframe+empty_moov"),
}


@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS)
def test_reads_each_format_by_its_times(make):
    clip = VIDEO.read(make(counting(36)), CUT)
    assert clip.frames_LHWC.shape == (12, 48, 48, 3) and clip.frames_LHWC.dtype == np.uint8
    assert clip.seconds_L.tolist() == [k / 4 for k in range(12)]
    assert all(abs(seen - 3 * k) <= 1 for k, seen in enumerate(numbers(clip)))  # the flipbooks' steps are not quite 1/12 s


@pytest.mark.parametrize("times", [[0, 0.1, 0.2, 1.0, 1.1], [0, 0.25, 0.5], [0], [0, 2]])
def test_shows_what_is_on_the_screen_at_each_instant(times):
    clip = Clip(counting(len(times)).frames_LHWC, np.array(times))
    seen = VIDEO.read(VIDEO.write(clip), LONG)
    for second, number in zip(seen.seconds_L, numbers(seen), strict=True):
        assert number == sum(time <= second for time in times) - 1
    assert seen.seconds_L[-1] >= times[-1] - 0.25


@pytest.mark.parametrize("rate", [1, 2, 3, 4, 7.5, 12])
def test_written_then_read_at_the_same_rate_is_the_same_clip(rate):
    clip = counting(9, rate)
    seen = VIDEO.read(VIDEO.write(clip), LONG.model_copy(update={"rate": float(rate)}))
    assert numbers(seen) == list(range(9))
    assert np.allclose(seen.seconds_L, clip.seconds_L)


def test_webm_times_in_thirds_lose_no_frame():
    clip = VIDEO.read(webm(counting(24)), LONG.model_copy(update={"rate": 12.0}))
    assert numbers(clip) == list(range(24))


def test_reads_no_more_frames_than_the_cut_keeps():
    assert len(VIDEO.read(VIDEO.write(counting(100)), CUT).frames_LHWC) == 12


def test_pictures_survive_the_codec():
    rows, columns = np.mgrid[:48, :48]
    balls = np.stack([np.clip(400 - (rows - 24) ** 2 * 4 - (columns - 10 - 2 * k) ** 2 * 4, 0, 255) for k in range(12)])
    frames = np.repeat(balls.astype(np.uint8)[..., None], 3, -1)
    seen = VIDEO.read(VIDEO.write(Clip(frames, np.arange(12) / 4)), CUT).frames_LHWC
    assert np.abs(seen.astype(int) - frames).mean() < 1
    colours = np.zeros((4, 32, 32, 3), np.uint8)
    colours[..., 0], colours[:, :16, :, 1] = 200, 150
    seen = VIDEO.read(VIDEO.write(Clip(colours, np.arange(4) / 4)), CUT).frames_LHWC
    assert np.abs(seen.astype(int) - colours).mean() < 6


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("kind", [*WRITERS, "index first"])
def test_refuses_truncated_files(kind, share, tmp_path):
    noise = Clip(np.random.default_rng(0).integers(0, 256, (36, 48, 48, 3), dtype=np.uint8), np.arange(36) / 12)
    if kind == "index first":
        data = rewrapped(VIDEO.write(noise), "faststart", str(tmp_path / "x.mp4"))
        assert data.index(b"moov") < data.index(b"mdat")
    else:
        data = WRITERS[kind](noise)
    with pytest.raises(ValueError, match="again"):
        VIDEO.read(data[: int(len(data) * share)], CUT)


def rewrapped(data: bytes, flags: str, path: str | None = None) -> bytes:
    """The same packets in an MP4 laid out otherwise, in memory or (for a second pass) in a file."""
    out = path or BytesIO()
    with av.open(BytesIO(data)) as film, av.open(out, "w", format="mp4", options={"movflags": flags}) as copy:
        stream = copy.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(film.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return Path(path).read_bytes() if path else out.getvalue()


def test_refuses_sound_without_pictures():
    out = BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        film.mux(stream.encode(frame))
        film.mux(stream.encode())
    with pytest.raises(ValueError, match="no pictures in it"):
        VIDEO.read(out.getvalue(), CUT)


def test_never_opens_what_a_playlist_names(tmp_path):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(VIDEO.write(counting(8)))
    for playlist in (f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n", f"ffconcat version 1.0\nfile '{secret}'\n", f"file:{secret}"):
        path = tmp_path / "x.mp4"
        path.write_text(playlist)
        with pytest.raises(ValueError, match="convert it"):
            VIDEO.read(path, CUT)
    for other in (to_wav(np.zeros(1000, np.float32)), IMAGE.write(np.zeros((8, 8, 3), np.uint8))):
        with pytest.raises(ValueError, match="convert it"):
            VIDEO.read(other, CUT)


def test_refuses_frames_of_many_pixels():
    data = VIDEO.write(Clip(np.zeros((1, 4200, 4200, 3), np.uint8), np.zeros(1)))
    with pytest.raises(ValueError, match="16 megapixels"):
        VIDEO.read(data, CUT)


def hurried(rate: int, count: int) -> bytes:
    """Black pictures, so many a second."""
    file, black = BytesIO(), av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24").reformat(format="yuv420p")
    with av.open(file, "w", format="matroska") as film:
        stream = film.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p"
        for number in range(count):
            black.pts, black.time_base = number, Fraction(1, rate)
            film.mux(stream.encode(black))
        film.mux(stream.encode())
    return file.getvalue()


def test_refuses_more_pictures_a_second_than_any_film_has_whatever_its_header_says():
    assert len(VIDEO.read(hurried(240, 800), CUT).frames_LHWC) == 12
    with pytest.raises(ValueError, match="more pictures a second, or larger ones, than any film has"):
        VIDEO.read(hurried(60_000, 1200), CUT)
    refuse_dense(240, 240 * 3840 * 2160, 4.0)
    with pytest.raises(ValueError, match="more pictures a second, or larger ones"):
        refuse_dense(33, 33 * 2**24, 0.1)


def test_large_frames_are_reduced_while_reading():
    clip = VIDEO.read(VIDEO.write(counting(4, 4, 480, 640)), CUT)
    assert clip.frames_LHWC.shape == (4, 72, 96, 3)
    assert VIDEO.cut(clip, CUT).tokens == VIDEO.cut(counting(4, 4, 480, 640), CUT).tokens


def test_a_clip_filmed_sideways_stands_upright():
    frames = np.zeros((4, 32, 64, 3), np.uint8)
    frames[:, :, :16] = 255  # the stored left is the shown top
    data = VIDEO.write(Clip(frames, np.arange(4) / 4))
    start = data.index(b"tkhd") + 4 + 40  # the matrix of the track header (ISO 14496-12): identity becomes a quarter clockwise
    one = (1 << 16).to_bytes(4, "big")
    turn = bytes(4) + one + bytes(4) + (-(1 << 16)).to_bytes(4, "big", signed=True) + bytes(12)
    assert data[start : start + 4] == one
    seen = VIDEO.read(data[:start] + turn + data[start + 28 :], CUT).frames_LHWC
    assert seen.shape == (4, 64, 32, 3)
    assert seen[:, :14].min() > 200 and seen[:, 18:].max() < 50


def test_transparent_flipbooks_lie_on_white():
    layers = [Image.new("RGBA", (16, 16), (0, 0, 0, 0)) for _ in range(2)]
    layers[1].paste((255, 0, 0, 255), (0, 0, 8, 16))
    file = BytesIO()
    layers[0].save(file, "WEBP", save_all=True, append_images=layers[1:], duration=250, lossless=True)
    first, second = VIDEO.read(file.getvalue(), CUT).frames_LHWC
    assert first.min() == 255
    assert second[8, 4].tolist() == [255, 0, 0] and second[8, 12].tolist() == [255, 255, 255]


def test_flipbooks_keep_their_own_delays():
    clip = VIDEO.read(flipbook(counting(3), "GIF", [500, 250, 1000]), LONG)
    assert numbers(clip) == [0, 0, 1, 2, 2, 2, 2]


def test_odd_sides_gain_a_row_and_a_column():
    clip = VIDEO.read(VIDEO.write(counting(4, 4, 31, 17)), CUT)
    assert clip.frames_LHWC.shape == (4, 32, 18, 3)


def test_full_clips_have_54_tokens_and_their_first_coordinate_is_time():
    clip = VIDEO.read(VIDEO.write(counting(36)), CUT)
    patches = VIDEO.cut(clip, CUT)
    assert patches.tokens == 54 and patches.values_NF.shape == (12 * 24 * 24, 4)
    for place in (0, 700, 6911):
        t = int(patches.coords_NA[place, 0])
        assert t * CUT.hop[0] / CUT.rate == clip.seconds_L[t * CUT.hop[0]]


@given(st.integers(1, 6), st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 3]), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_counts_of_a_cut(length, height, width, features, hop):
    recipe = CutRecipe(size=(4, 24, 24), hop=(hop, 2, 2), merge=(2, 2, 2), features=features, rate=4)
    patches = VIDEO.cut(Clip(np.full((length, height, width, 3), 255, np.uint8), np.arange(length) / 4), recipe)
    grid = (patches.coords_NA.amax(0) + 1).tolist()
    assert grid[0] == -(-min(length, 4) // hop) and max(grid[1:]) == 12
    assert len(patches.values_NF) == np.prod(grid)
    assert patches.tokens == np.prod([-(-side // 2) for side in grid])
    assert patches.values_NF.max() == 1 and torch.isin(patches.values_NF, torch.tensor([-1.0, 1.0])).all()
