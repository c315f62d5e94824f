"""What the tour wants to download: told first, then fetched; what can not be had is one line, and the rest goes on."""

from collections.abc import Generator, Iterable
from pathlib import Path

from duomo.commands import fetch
from duomo.commands.resolve import place_of
from duomo.page.events import Download, Event, LeftOut
from duomo.sources import SOURCES
from duomo.sources.fetch import cached, suitable

ENGLISH, MANY = "whisper-tiny.en", "whisper-base"  # the sample is English; what a user has may be anything
VECTORS = "e5"
WRITER = "smollm2"


def fetched(names: Iterable[str], cache: Path) -> Generator[Event, None, frozenset[str]]:
    """Tells and fetches each source that is not here; gives the names of those that are here at the end."""
    here = set[str]()
    for name in names:
        try:
            had = is_here(name, cache)
            yield _told(name, had)
            if not had:
                fetch.run([name], cache)
            here.add(name)
        except (ValueError, OSError, ImportError) as error:
            yield LeftOut(name, one_line(error))
    return frozenset(here)


def is_here(name: str, cache: Path) -> bool:
    """Whether a source's files, or the model made of them, are in the cache. Raises ValueError where it has none for this machine."""
    source = SOURCES[name]
    return source.kind == "weights" and model_place(name, cache) is not None or cached(source, cache)


def model_place(name: str, cache: Path) -> Path | None:
    """Where a fetched model lies; None where it does not."""
    return place_of(name, cache=cache)


def one_line(error: BaseException) -> str:
    """The first line of what went wrong, without a step of the reader's screen in it."""
    return " ".join((str(error).splitlines() or [type(error).__name__])[0].split())[:300]


def _told(name: str, had: bool) -> Download:
    source = SOURCES[name]
    return Download(name, source.title, sum(file.bytes for file in suitable(source)), source.licence, had)
