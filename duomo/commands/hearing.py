"""Hearing: what is said in recordings and films, by the function that `duomo transcribe` uses, with the seconds."""

from collections.abc import Iterator
from pathlib import Path

from duomo.commands.models import open_model
from duomo.commands.resolve import place_of
from duomo.commands.transcribe import Ears, ears
from duomo.generate.transcript import transcribe
from duomo.modalities.audio import AUDIO, blocks
from duomo.modalities.soundtrack import soundtrack

WHISPER = "whisper-base"
FILMS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".m4a")  # their sound track is heard
SOUNDS = (AUDIO.suffix, *AUDIO.suffixes, *FILMS)


class Hearing:
    """Opens the model with the first recording that needs it."""

    def __init__(self) -> None:
        self._ears: Ears | None = None

    def hear(self, path: Path) -> Iterator[tuple[float, str]]:
        """What is said, with the second that it begins. Raises ValueError for a damaged file, and where the model is not fetched."""
        if self._ears is None:
            if place_of(WHISPER) is None:
                raise ValueError(f"sound is written down by a model that is not here; `duomo fetch {WHISPER}` gets it")
            self._ears = ears(open_model(WHISPER))
        sound = soundtrack(path) if path.suffix.lower() in FILMS else blocks(path)
        ((_, found),) = transcribe([sound], self._ears.hear, self._ears.longest, self._ears.language, 1)
        yield from ((piece.begin, piece.text) for piece in found.pieces)
        if found.fault:
            raise ValueError(found.fault)
