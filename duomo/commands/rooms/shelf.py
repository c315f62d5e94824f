"""Shelf: files are asked, by `duomo index` and `duomo answer`: those that the server was started with, and those that somebody sent."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from duomo.commands.hearing import FILMS, SOUNDS
from duomo.commands.rooms.house import House, alone, playable, told
from duomo.page.jobs import Found, Passage, Shelf
from duomo.retrieve.answer import Quote, Reader
from duomo.retrieve.passage import SECOND
from duomo.retrieve.shelf import embedded
from duomo.serve.fault import Fault

OWN = "shelf"  # what the server was started with
MOST = 64  # files that are sent together
AT_ONCE = 16  # passages that get their vectors before somebody else has a turn


def shelves(house: House) -> str | None:
    """The name of the shelf that the server was started with."""
    return None if house.shelf is None else house.shelf.resolve().name or OWN


async def lay(house: House, files: Sequence[Path]) -> Shelf:
    """Reads files that were sent into an index of their own. Raises ValueError where nothing can be read."""
    if len(files) > MOST:
        raise ValueError(f"{len(files)} files, at most {MOST} are read together; send fewer")
    folder = house.fresh()
    for file in files:
        shutil.copyfile(file, folder / _free(folder, file.name))
    target, shelving = house.fresh() / "index", _shelving()
    report, notes = await alone(house, lambda: shelving.index(folder, target, shelving.NONE))
    _open(house, folder.name, await asyncio.to_thread(shelving.open_shelf, target))
    lines = tuple(line.strip() for line in report.lines[1:])
    return Shelf(folder.name, int(report.facts["files"]), int(report.facts["passages"]), (*lines, *notes))


async def answer(house: House, shelf: str, question: str) -> Found:
    """What the files of a shelf say, quoted; "": the server's own shelf, which is read when it is first asked."""
    if f"shelf {shelf}" not in house.kept:
        if shelf or house.shelf is None:
            raise ValueError("these files are gone; send them again")
        place = house.shelf
        reader, _ = await alone(house, lambda: _own(house, place))
        _open(house, shelf, reader)
    reader = house.kept[f"shelf {shelf}"]
    with told():
        found = await asyncio.to_thread(reader.answer, question)
    root = Path(reader.shelf.folder)
    quotes, nearest = (tuple(_passage(house, root, quote) for quote in quotes) for quotes in (found.quotes, found.nearest))
    return Found(quotes, found.confidence, nearest, by_meaning=reader.by_vectors)


def _open(house: House, shelf: str, reader: Reader) -> None:
    """Lets an index be asked by words from now on; by meaning once its vectors are there, which are made beside other work."""
    key = f"shelf {shelf}"
    if key in house.kept:
        return
    house.kept[key] = reader
    if reader.by_vectors or house.first("embed") is not None:
        chore = asyncio.ensure_future(_read(house, key, reader))
        house.models.chores.add(chore)
        chore.add_done_callback(house.models.chores.discard)


async def _read(house: House, key: str, reader: Reader) -> None:
    """Makes what vectors there are not, then reads the sentences of a small shelf, so that no question waits for them."""
    with suppress(Fault, ValueError):  # without vectors the words still answer
        whole = reader if reader.by_vectors else await _meaning(house, key, reader)
        steps = iter(()) if whole is None else whole.ahead()
        while (await alone(house, lambda: next(steps, None)))[0] is not None:
            pass


async def _meaning(house: House, key: str, reader: Reader) -> Reader | None:
    name = house.first("embed")
    assert name is not None
    async with house.models.use(name) as served:
        if served.embedder is None:
            return None
        ask, keep = _shelving().reading(served.embedder)
        whole = replace(reader.shelf, model=name, vectors_ND=None)
        steps = embedded(whole, keep.embed, AT_ONCE)  # passages are not sentences: they are not remembered
        while (made := (await alone(house, lambda: next(steps, None)))[0]) is not None:
            whole = made
    if not whole.complete:
        return None
    found = house.kept[key] = Reader(whole, reader.words, ask, keep)
    return found


def _own(house: House, place: Path) -> Reader:
    """The index of the server's own shelf; made in the page's folder where there is none."""
    shelving, target = _shelving(), house.fresh() / "index"
    try:
        found: Reader = shelving.open_shelf(place)
    except ValueError:
        if not place.is_dir():
            raise
        shelving.index(place, target, shelving.NONE)
        found = shelving.open_shelf(target)
    return found


def _shelving() -> Any:
    """What `duomo index` and `duomo answer` do; looked for when it is needed, for it stands on all that hears."""
    from duomo.commands import shelf

    return shelf


def _passage(house: House, root: Path, quote: Quote) -> Passage:
    passage, begin = quote.passage, quote.begin
    heard = passage.place == SECOND
    file = root / passage.file
    media = playable(house, file) if heard and file.suffix.lower() in SOUNDS else None
    second = passage.at(begin) if heard else None
    text = passage.text
    return Passage(
        passage.file, quote.where, passage.head, (text[:begin], quote.text, text[begin + len(quote.text) :]), second, media,
        film=file.suffix.lower() in FILMS,
    )  # fmt: skip


def _free(folder: Path, name: str) -> str:
    """A name that no file there has."""
    return next(one for one in _names(name) if not (folder / one).exists())


def _names(name: str) -> Iterator[str]:
    path = Path(name)
    yield path.name
    for number in range(2, 1000):
        yield f"{path.stem}-{number}{path.suffix}"
