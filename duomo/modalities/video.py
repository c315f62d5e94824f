"""Video: a clip, cut in tubes. L = frames, H = rows, W = columns, C = channels."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from duomo.batch import Patches
from duomo.modalities.files import Unreadable, media_extra, reading
from duomo.modalities.modality import Modality, tile
from duomo.modalities.pixels import BLACK, MAX_PIXELS, fit, fitted, flatten, open_picture, refuse_large, scale, tint
from duomo.recipe import CutRecipe

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image as Picture

Shot = tuple[float, Callable[[], np.ndarray]]  # the second at which a frame gives way to the next, and how to get its pixels
Sized = tuple[float, int, Callable[[], np.ndarray]]  # the same, with how many pixels were decoded
WANTED = "an MP4, WebM, GIF or WebP clip"
TICK = 1e-3  # seconds; WebM rounds its times to milliseconds
CLOCK = 90_000  # ticks a second in the files we write
MOST_RATE = 1000  # pictures a second; what has more of them is made to keep a decoder busy
MOST_DENSE = 2**29  # pixels a second: 4K has as many at 60 pictures a second
QUALITY = {
    "libx264": {"preset": "ultrafast", "crf": "18", "threads": "1"},
    "mpeg4": {"qmin": "2", "qmax": "4", "threads": "1"},  # a build without x264
}


@dataclass(frozen=True)
class Clip:
    """Frames (L, H, W, 3) uint8 and the second at which each is seen (L,), counted from the first."""

    frames_LHWC: np.ndarray
    seconds_L: np.ndarray


def read(value: Path | bytes, recipe: CutRecipe) -> Clip:
    """What is on the screen at 0, 1 / rate, 2 / rate … seconds, up to `size[0]` frames; slow clips repeat, fast ones skip.

    Frames are upright, on white where transparent, and at most twice as large as the cut keeps. Raises ValueError for a
    damaged, unknown or truncated file, one without pictures, one of more than 16 megapixels, and one of more pictures a second than
    any camera takes, whatever its header says.
    """
    with reading(value, WANTED) as file:
        frames = _sampled(_bounded(_shots(file, recipe)), recipe)
        return Clip(np.stack(frames), np.arange(len(frames)) / recipe.rate)


def shots(value: Path | bytes, recipe: CutRecipe) -> Iterator[Shot]:
    """Every frame of a film of any length, at most twice as large as the cut keeps; ask for one's pixels before the next, or never.

    Raises ValueError as `read` does, where the damage begins.
    """
    with reading(value, WANTED) as file:
        for end, _, show in _shots(file, recipe):
            yield end, show


def refuse_dense(frames: int, pixels: int, seconds: float) -> None:
    """Raises Unreadable for more pictures, or more pixels, than so many seconds of any film have; less than a half counts as one."""
    lasts = max(0.5, seconds)
    if frames > MOST_RATE * lasts or pixels > MOST_DENSE * lasts:
        raise Unreadable("more pictures a second, or larger ones, than any film has; export it at a lower rate or size")


def seconds(value: Path | bytes) -> float:
    """How long a film says that it is; 0 where it does not say, as a flipbook. Raises ValueError as `read` does."""
    with reading(value, WANTED) as file:
        kind = container(file.read(12))
        file.seek(0)
        if kind is None:
            return 0.0
        import av

        with av.open(file, "r", format=kind) as film:
            return max(0.0, (film.duration or 0) / 1e6)


def cut(clip: Clip, recipe: CutRecipe) -> Patches:
    """Tubes of the frames, each scaled (aspect kept) to fit exactly into `size[1:]`; values from -1 (black) to 1.

    The first coordinate t says when: the tube begins at second t * hop[0] / rate.
    """
    pixels_LHWC = tint(clip.frames_LHWC[: recipe.size[0]], recipe.features)
    return tile(scale(np.stack([fit(pixels_HWC, recipe.size[1:]) for pixels_HWC in pixels_LHWC])), recipe, BLACK)


def write(clip: Clip) -> bytes:
    """An MP4 of the clip at its own times; the same bytes for the same clip.

    An odd last row or column is repeated, as the format wants pairs.
    """
    with media_extra():
        import av
    length, height, width = clip.frames_LHWC.shape[:3]
    frames_LHWC = np.pad(clip.frames_LHWC, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    codec = next(name for name in QUALITY if name in av.codecs_available)
    step = float(np.diff(clip.seconds_L).mean()) if length > 1 else 1.0
    file = BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as film:  # bitexact: no versions or dates
        stream: Any = film.add_stream(codec, rate=Fraction(1 / step).limit_denominator(1001), options=QUALITY[codec])
        stream.height, stream.width = frames_LHWC.shape[1:3]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, CLOCK)
        for pixels_HWC, second in zip(frames_LHWC, clip.seconds_L, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels_HWC), format="rgb24")
            frame = frame.reformat(format="yuv420p", threads=1)
            frame.pts, frame.time_base, frame.duration = round(float(second) * CLOCK), Fraction(1, CLOCK), round(step * CLOCK)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return file.getvalue()


def _bounded(shots: Iterable[Sized]) -> Iterator[Shot]:
    """The same shots, as long as they are no more than a film's: what is decoded is counted, for headers lie."""
    pixels = 0
    for frames, (end, size, show) in enumerate(shots, 1):
        pixels += size
        refuse_dense(frames, pixels, end)
        yield end, show


def _shots(file: BinaryIO, recipe: CutRecipe) -> Iterator[Sized]:
    head = file.read(12)
    file.seek(0)
    if head[:4] == b"GIF8" or head[:4] + head[8:] == b"RIFFWEBP":
        return _flipbook(file, recipe)
    if kind := container(head):
        return _film(file, kind, recipe)
    raise Unreadable("not an MP4, WebM, GIF or WebP clip; convert it to one of these")


def _sampled(shots: Iterable[Shot], recipe: CutRecipe) -> list[np.ndarray]:
    """One frame for each instant k / rate before a shot's end that no earlier shot filled; at least one."""
    frames: list[np.ndarray] = []
    for end, show in shots:
        due = min(recipe.size[0], max(1, math.ceil((end - TICK) * recipe.rate))) - len(frames)
        if due > 0:
            frames += [show()] * due
        if len(frames) == recipe.size[0]:
            break
    if not frames:
        raise Unreadable("no pictures in it; export the clip again")
    return frames


def _flipbook(file: BinaryIO, recipe: CutRecipe) -> Iterator[Sized]:
    """The frames of an animated GIF or WebP; like browsers, 0.1 s for those that name no time."""
    picture = open_picture(file, ("GIF", "WEBP"))
    end = 0.0
    for index in count():  # how many there are, a GIF tells only to who goes through all of it
        try:
            picture.seek(index)
        except EOFError:
            return
        picture.load()  # some formats know the duration only now
        delay = picture.info.get("duration", 0) / 1000
        end += delay if delay > 0.01 else 0.1
        yield end, math.prod(picture.size), partial(_page, picture, recipe)  # asked for before the next page is turned, or never


def _page(picture: "Picture", recipe: CutRecipe) -> np.ndarray:
    return fit(flatten(picture), _room(recipe), largest=1)


def _film(file: BinaryIO, container: str, recipe: CutRecipe) -> Iterator[Sized]:
    """The frames of a film. The container's format is named, so that no playlist can make the decoder open other files or addresses."""
    import av

    limit = {"max_pixels": str(MAX_PIXELS)}
    with av.open(file, "r", format=container, options=limit) as film:
        if not film.streams.video:
            raise Unreadable("no pictures in it, only sound; give a clip with pictures")
        stream = film.streams.video[0]
        refuse_large(stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.options = limit
        stream.codec_context.thread_count = 1  # loaders already run side by side
        end, slack = 0.0, max(0.5, 1 / recipe.rate)
        for end, frame in _ends(film, stream):
            yield end, frame.width * frame.height, partial(_pixels, frame, recipe)
        if end + slack < (promised := _promised(film, stream)):
            raise Unreadable(f"the clip is truncated: {end:.1f} of {promised:.1f} seconds are there; copy it again")


def _ends(film: "InputContainer", stream: "VideoStream") -> Iterator[tuple[float, "VideoFrame"]]:
    """Each frame with the second at which the next one takes its place, counted from the first."""
    last, start = None, 0.0
    for packet in film.demux(stream):
        if packet.is_corrupt:
            raise Unreadable("the clip is truncated; copy it again")
        for frame in packet.decode():
            if last is None:
                start = frame.time
            else:
                yield frame.time - start, last
            last = frame
    if last is not None:
        shown = last.duration * (last.time_base or 0) or 1 / (stream.average_rate or 25)
        yield last.time - start + float(shown), last


def _promised(film: "InputContainer", stream: "VideoStream") -> float:
    """The seconds that the header promises of this stream; 0 where it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    alone = len(film.streams) == 1  # else the length may be that of the sound
    return (film.duration or 0) / 1e6 if alone else 0.0


def _pixels(frame: "VideoFrame", recipe: CutRecipe) -> np.ndarray:
    height, width = fitted((frame.height, frame.width), _room(recipe), largest=1)
    pixels_HWC = frame.to_ndarray(format="rgb24", height=height, width=width, interpolation="AREA", threads=1)
    return np.rot90(pixels_HWC, round(frame.rotation / 90))


def _room(recipe: CutRecipe) -> tuple[int, int]:
    """The largest frame that is kept: twice what the cut keeps, whichever way the clip is turned."""
    side = 2 * max(recipe.size[1:])
    return side, side


def container(head: bytes) -> str | None:
    """The demuxer for a film's first twelve bytes; None for what is no film."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mp4"
    return "matroska" if head[:4] == b"\x1aE\xdf\xa3" else None


VIDEO = Modality(
    name="video",
    axes=3,
    read=read,
    cut=cut,
    write=write,
    suffix=".mp4",
    suffixes=(".webm", ".gif"),
    default=CutRecipe(size=(12, 48, 48), hop=(1, 2, 2), merge=(2, 8, 8), features=1, rate=4),
)
