"""Act 1 of the tour: recordings are written down, and a folder becomes a shelf that can be asked at once; and how it is asked."""

import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from duomo.commands.documents import files_in, readers
from duomo.commands.hearing import FILMS, SOUNDS
from duomo.commands.models import embedder, open_model, open_with_card
from duomo.commands.tour_desk import NAME, SHELF, Desk
from duomo.commands.tour_fetch import ENGLISH, MANY, VECTORS, fetched, model_place, one_line
from duomo.commands.tour_files import FILES, PARTS, lay, truths
from duomo.commands.transcribe import Ears, ears
from duomo.data.store import Store
from duomo.generate.transcript import Transcript, transcribe
from duomo.modalities.audio import blocks
from duomo.modalities.soundtrack import soundtrack
from duomo.page.events import Act, Doing, Event, Heard, LeftOut, Shelved
from duomo.retrieve.shelf import Shelf, build, embedded, is_shelf, load, save
from duomo.retrieve.words import searcher

MOST_HEARD = 20  # recordings of a user's folder that are written down while one looks on
AT_ONCE, FIRST = 16, 96  # passages embedded between two looks; before the first questions: of the sample all but the articles


def shelving(desk: Desk, cache: Path) -> Generator[Event, None, bool]:
    """Lays out the sample (or takes a folder), writes down its recordings, makes the shelf; gives whether it holds anything.

    The first vectors are made here, so that it can be asked; `filling` makes the others.
    """
    about = "Recordings are written down, and a folder becomes a shelf: by words at once, by meaning as vectors fill in."
    from duomo.commands.shelf import name_in

    yield Act(1, "The shelf", about)
    place, hears = desk.folder, ENGLISH if desk.sample else MANY
    here = yield from fetched((hears, VECTORS, *(dict.fromkeys(part.source for part in PARTS) if desk.sample else ())), cache)
    if desk.sample:
        yield from _laid(here, cache)
    known = {name_in(path, place): path for path in _ordered(place)}
    silent = FILMS if desk.sample else ()  # its clips have no sound
    sounds = [path for path in known.values() if path.suffix.lower() in SOUNDS and path.suffix.lower() not in silent]
    heard = (yield from hearing(sounds, truths(place), hears, cache)) if hears in here and sounds else {}
    yield from _words(desk, known, heard, VECTORS if VECTORS in here else "")
    if desk.shelf is None or not desk.shelf.passages:
        yield LeftOut("the shelf", f"{place}: nothing in it can be read")
        return False
    if VECTORS in here:
        desk.maker = embedder(*open_with_card(model_place(VECTORS, cache) or VECTORS))
        yield from filling(desk, FIRST)
    return True


def filling(desk: Desk, most: int = sys.maxsize) -> Iterator[Event]:
    """Makes vectors until so many passages have theirs; the shelf is saved with what it has."""
    from duomo.commands.shelf import embedding

    if desk.shelf is None or desk.maker is None or _made(desk.shelf) >= most:
        return
    began = time.monotonic()
    for grown in embedded(desk.shelf, embedding(desk.maker, "passage"), AT_ONCE):
        desk.shelf = grown
        yield _told(grown, began)
        if _made(grown) >= most:
            break
    save(desk.shelf, SHELF)


def hearing(files: Sequence[Path], true: Mapping[Path, str], model: str, cache: Path) -> Generator[Event, None, dict[Path, Transcript]]:
    """Writes down recordings one after the other; gives what was heard. One that can not be read is told."""
    listening = ears(open_model(model_place(model, cache) or model))
    found = dict[Path, Transcript]()
    for file in files[:MOST_HEARD]:
        began = time.monotonic()
        found[file] = one = _heard(file, listening)
        if one.fault:
            yield LeftOut(file.name, one.fault)
        else:
            yield Heard(file, one.text, true.get(file, ""), one.seconds, time.monotonic() - began)
    if len(files) > MOST_HEARD:
        yield LeftOut(f"{len(files) - MOST_HEARD} recordings", "more than are written down here; `duomo index FOLDER` hears them all")
    return found


def _laid(here: frozenset[str], cache: Path) -> Iterator[Event]:
    store = Store(cache)
    for part in PARTS:
        if part.source in here:
            try:
                lay(part, store, FILES)
                yield Doing(part.what, 1, 1)
            except (ValueError, OSError, ImportError) as error:
                yield LeftOut(part.what, one_line(error))


def _ordered(place: Path) -> list[Path]:
    """The files, of the sample in the order in which they are asked for: their vectors come first."""
    if not place.exists():
        return []
    order = {part.name: number for number, part in enumerate(PARTS)}
    return sorted(files_in(place), key=lambda path: order.get(path.parent.name, len(order)) if place == FILES else 0)


def _heard(file: Path, listening: Ears) -> Transcript:
    try:
        sound = soundtrack(file) if file.suffix.lower() in FILMS else blocks(file)
        ((_, found),) = transcribe([sound], listening.hear, listening.longest, listening.language, 1)
    except ValueError as error:
        return Transcript(fault=one_line(error))
    return found


def _words(desk: Desk, known: Mapping[str, Path], heard: Mapping[Path, Transcript], model: str) -> Iterator[Event]:
    """The words of all files; recordings by what was heard. Vectors that an older shelf of the same texts has are taken over."""
    from duomo.commands.shelf import renew

    began, target = time.monotonic(), SHELF

    def hear(path: Path) -> Iterator[tuple[float, str]]:
        yield from ((piece.begin, piece.text) for piece in heard[path].pieces)

    kinds = readers(hear, SOUNDS)
    read = {name: path for name, path in known.items() if path.suffix.lower() in kinds}
    files = {name: path for name, path in read.items() if path.suffix.lower() not in SOUNDS or path in heard}
    renewed = renew(files, kinds, None)
    old = _old(target)
    desk.shelf = build(str(desk.folder.resolve()), model, renewed.files, renewed.passages, searcher(), old)
    if desk.shelf.passages:
        save(desk.shelf, target)
        yield _told(desk.shelf, began)


def _old(target: Path) -> Shelf | None:
    """An index that lies there. Raises ValueError where something else does."""
    if target.exists() and not is_shelf(target):
        raise ValueError(f"{target}: holds something else than an index; move it away")
    try:
        return load(target) if target.exists() else None
    except ValueError:  # damaged; it is made anew
        return None


def _told(shelf: Shelf, began: float) -> Shelved:
    return Shelved(NAME, len(shelf.files), len(shelf.passages), _made(shelf), time.monotonic() - began)


def _made(shelf: Shelf) -> int:
    """How many passages have their vector."""
    return 0 if shelf.vectors_ND is None else len(shelf.passages) - len(shelf.missing)
