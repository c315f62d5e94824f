"""House: what the rooms stand in, and how they work: one heavy job at a time, faults told as the API tells them."""

import asyncio
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from duomo import recipe
from duomo.commands.resolve import RECIPE
from duomo.generate.script import script_of
from duomo.modalities.audio import AUDIO
from duomo.modalities.image import IMAGE
from duomo.model import cuts
from duomo.page.jobs import Ability
from duomo.serve.fault import Fault
from duomo.serve.limits import Limits
from duomo.serve.models import Models
from duomo.tokenizer import Tokenizer

T = TypeVar("T")
LARGEST = 512 * 2**20  # bytes of a file of a shelf that is played


@dataclass(frozen=True)
class House:
    """The models that are served, what each can do and where it lies; the limits; the page's own folder; the shelf and the runs."""

    models: Models
    limits: Limits
    folder: Path
    able: Mapping[str, frozenset[Ability]]
    places: Mapping[str, Path]
    shelf: Path | None = None
    runs: Path = Path("runs")
    bench: asyncio.Lock = field(default_factory=asyncio.Lock)
    queue: "list[object]" = field(default_factory=list)  # who waits for the bench
    kept: dict[str, Any] = field(default_factory=dict)  # what is opened once

    def that(self, ability: Ability) -> list[str]:
        """The models that can do something; first those that can do nothing else: a Whisper hears better than one with four senses."""
        found = [name for name in self.models.offers if ability in self.able.get(name, ())]
        return sorted(found, key=lambda name: len(self.able[name]))

    def first(self, ability: Ability) -> str | None:
        """The first of them."""
        return next(iter(self.that(ability)), None)

    def fresh(self) -> Path:
        """A new folder whose files the page serves."""
        made = self.folder / secrets.token_hex(16)
        made.mkdir()
        return made


def abilities(folder: Path) -> frozenset[Ability]:
    """What a model can do, by its recipe and its tokenizer; of another program's file nothing is known but that it writes."""
    if not (folder / RECIPE).is_file():
        return frozenset({"write"})
    made = recipe.load(folder / RECIPE)
    if not made.model.decoder_depth:
        return frozenset({"embed"})
    if script_of(Tokenizer.load(folder / "tokenizer.json", made.tokenizer.chat)) is not None:
        return frozenset({"hear"})
    senses, found = cuts(made.model), set[Ability]({"write"})
    found |= {"hear"} if AUDIO.name in senses else set()
    found |= {"see"} if IMAGE.name in senses else set()
    return frozenset(found | ({"names"} if "entities" in made.data.tasks else set()))


@contextmanager
def told() -> Iterator[None]:
    """Turns what the API would answer into what people read."""
    try:
        yield
    except Fault as fault:
        raise ValueError(fault.message) from fault
    except Exception as error:
        from duomo.serve.writing import fault_of  # here, for it stands on all that writes

        raise ValueError(fault_of(error).message) from error


async def alone(house: House, work: Callable[[], T]) -> tuple[T, list[str]]:
    """What a heavy job gives, and the notes that it would write on a terminal. Raises ValueError where too many wait already."""
    if len(house.queue) >= house.limits.waiting:
        raise ValueError("too much is being worked on; come again in a minute")
    mark = object()
    house.queue.append(mark)
    try:
        with told():
            async with house.bench:
                return await asyncio.to_thread(_noting, work)
    finally:
        house.queue.remove(mark)


def playable(house: House, file: Path) -> Path | None:
    """A file outside of the page's folder as one inside, so that it can be played; None where it is gone or too large."""
    key = f"play {file}"
    if key in house.kept and house.kept[key].is_file():
        kept: Path = house.kept[key]
        return kept
    try:
        if not file.is_file() or file.is_symlink() or file.stat().st_size > LARGEST:
            return None
        made = house.fresh() / f"media{file.suffix.lower()}"
        try:
            os.link(file, made)
        except OSError:
            shutil.copyfile(file, made)
    except OSError:
        return None
    house.kept[key] = made
    return made


def _noting(work: Callable[[], T]) -> tuple[T, list[str]]:
    """The terminal's lines go to the reader of the page, and not into the log: they name files."""
    with redirect_stderr(io.StringIO()) as heard:
        found = work()
    notes = [line.removeprefix("note: ") for line in heard.getvalue().splitlines() if line.startswith(("note: ", "left out: "))]
    return found, notes
