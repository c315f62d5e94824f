"""Rooms: what the page can do, made from what the server holds and from what other commands do; each function of `page.jobs.Jobs`."""

from collections.abc import Callable, Sequence
from functools import partial

from duomo.commands.rooms import film, runs, shelf, tables, talk
from duomo.commands.rooms.house import House, abilities
from duomo.page.jobs import Ability, Jobs

__all__ = ["House", "abilities", "jobs"]


def jobs(house: House, log: Callable[[BaseException], None], logout: bool = False) -> Jobs:
    """All that the page can do in this house."""

    def able(ability: Ability) -> Sequence[str]:
        return house.that(ability)

    return Jobs(
        folder=house.folder,
        able=able,
        log=log,
        logout=logout,
        chat=partial(talk.chat, house),
        transcribe=partial(talk.transcribe, house),
        describe=partial(talk.describe, house),
        shelves=partial(shelf.shelves, house),
        lay=partial(shelf.lay, house),
        answer=partial(shelf.answer, house),
        watch=partial(film.watch, house),
        find=partial(film.find, house),
        columns=partial(tables.columns, house),
        comments=partial(tables.comments, house),
        graph=partial(tables.graph, house),
        runs=partial(runs.runs, house),
        run=partial(runs.run, house),
        scoreboard=partial(runs.scoreboard, house),
    )
