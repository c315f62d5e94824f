"""Files: how every modality opens what a user gave it, and says what is wrong with it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO


class Unreadable(ValueError):
    """What is wrong with a file, and the mend. `reading` puts the file's name before it."""


@contextmanager
def reading(value: Path | bytes, wanted: str) -> Iterator[BinaryIO]:
    """The opened file. Whatever a decoder says of a damaged one becomes a ValueError of one line, with the path where one is known.

    `wanted` says what would have been right. Decoders get this object and never a name, for a name may be a URL to them.
    """
    where = f"{value}: " if isinstance(value, Path) else ""
    try:
        with media_extra(), value.open("rb") if isinstance(value, Path) else BytesIO(value) as file:
            yield file
    except Unreadable as error:
        raise ValueError(f"{where}{error}") from error
    except FileNotFoundError as error:
        raise ValueError(f"{where}no such file; check the path") from error
    except Exception as error:  # decoders fail in a dozen ways on damaged bytes; to the user all of them mean the same
        reason = " ".join(re.sub(r"'?<[^>]*>'?", "", str(error)).split())[:120]  # less the addresses of our own objects
        raise ValueError(f"{where}damaged, or not {wanted}; export it again{f' ({reason})' if reason else ''}") from error


@contextmanager
def media_extra() -> Iterator[None]:
    """Tells which extra to install where an import inside the block fails."""
    try:
        yield
    except ImportError as error:
        raise Unreadable(f"this needs {error.name}: pip install 'duomo[media]'") from error
