"""Clips: what the header of a film or an animation announces, refused where it is too much, before anything is decoded."""

from io import BytesIO

from duomo.modalities.files import Unreadable, reading
from duomo.modalities.image import FORMATS
from duomo.modalities.pixels import open_picture, refuse_large
from duomo.modalities.video import WANTED, container


def refuse_long(data: bytes, frames: int) -> None:
    """Raises ValueError for a clip of more pictures than `frames`, of pictures over 16 megapixels, and for what is no clip."""
    with reading(data, WANTED) as file:
        announced = _film(data, form) if (form := container(data[:12])) else getattr(open_picture(file, FORMATS), "n_frames", 1)
        if announced > frames:
            raise Unreadable(f"a clip of {announced:,} pictures, at most {frames:,} are read; cut it")


def _film(data: bytes, form: str) -> int:
    """How many pictures a film has, as its header tells; the container's format is named, so that no decoder opens anything else."""
    import av

    with av.open(BytesIO(data), "r", format=form) as film:
        if not film.streams.video:
            raise Unreadable("no pictures in it, only sound; give a clip with pictures")
        stream = film.streams.video[0]
        refuse_large(stream.codec_context.width, stream.codec_context.height)
        length = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else (film.duration or 0) / 1e6
        return stream.frames or round(length * float(stream.average_rate or 25))
