"""Film: a clip is watched, by `duomo watch`, with the eyes and ears that are served; what is in it is found, by `duomo find`."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from duomo.commands import find as finding
from duomo.commands.describe import eyes
from duomo.commands.film import FOLDER, TABLE
from duomo.commands.rooms.house import House, alone, told
from duomo.commands.transcribe import ears
from duomo.page.jobs import Moment, Watched
from duomo.serve.clips import refuse_long

if TYPE_CHECKING:
    from duomo.commands.watch import Film

BEST = 5


async def watch(house: House, clip: Path, seer: str | None, language: str) -> Watched:
    """Key frames with their times, what a model sees in them, what is said. `seer`: who describes, or nobody."""
    from duomo.commands import watch as watching  # here, for it stands on all that sees and hears

    with told():
        refuse_long(clip.read_bytes(), house.limits.clip_frames)
        async with AsyncExitStack() as stack:
            hearer = house.first("hear")
            look = (await stack.enter_async_context(house.models.use(seer))).run if seer else None
            hear = (await stack.enter_async_context(house.models.use(hearer))).run if hearer else None
            target = house.fresh() / f"film{FOLDER}"

            def work() -> "Film":
                return watching.watch(clip, target, eyes(look, language) if look else None, ears(hear) if hear else None)

            film, notes = await alone(house, work)
    moments = tuple(
        Moment(part.begin, part.end, target / part.frame, part.second, part.seen, " ".join(piece.text.strip() for piece in part.said))
        for part in film.parts
    )
    table = target / TABLE
    return Watched(str(target.parent), film.seconds, film.spoken, moments, table, tuple((*film.faults, *notes)))


async def find(house: House, folder: str, question: str) -> list[tuple[float, str, str]]:
    """The best places of a watched film: second, "seen" or "said", the text."""
    place = Path(folder)
    if place.parent != house.folder or not question.strip():
        raise ValueError("say what is looked for, in a film that was watched")
    with told():
        async with AsyncExitStack() as stack:
            name = house.first("embed")
            opened = (await stack.enter_async_context(house.models.use(name))).embedder if name else None
            model = replace(opened, unknown=1.0) if opened else None  # a film that is told in strange letters is searched all the same

            def work() -> list[tuple[float, str, str]]:
                known = finding.places(place)
                scores = finding.found(question, known, model)
                order = sorted(range(len(known)), key=lambda row: -float(scores[row]))[:BEST]
                return [(known[row].second, known[row].kind, known[row].text) for row in order]

            return (await alone(house, work))[0]
