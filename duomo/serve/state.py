"""State: what every handler of one server works with."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request

from duomo.serve.access import Door
from duomo.serve.limits import Limits
from duomo.serve.metrics import Metrics
from duomo.serve.models import Models
from duomo.serve.sessions import Sessions
from duomo.serve.wire import read_json

if TYPE_CHECKING:
    from duomo.generate.transcript import Transcript

AT_ONCE = 2**20  # bytes of JSON that are read in the event loop
Forms = Mapping[str, Callable[["Transcript"], str]]


@dataclass(frozen=True)
class Page:
    """The page as an ASGI application, the folder of files that it may serve, and what ends it when the server goes down."""

    app: Callable[[Any, Any, Any], Awaitable[None]]
    folder: Path
    end: Callable[[], None]


@dataclass(frozen=True)
class State:
    """Models, limits, counters, the forms of a transcript by their names; the page, if there is one, and who may come to it.

    `absent`: there is none because a package is missing.
    """

    models: Models
    limits: Limits
    metrics: Metrics
    forms: Forms
    page: Page | None = None
    absent: bool = False
    door: Door = Door()
    sessions: Sessions = field(default_factory=Sessions)


def state_of(http: Request) -> State:
    """The state of the server that was asked."""
    state: State = http.app.state.served
    return state


async def json_of(http: Request) -> dict[str, Any]:
    """The object in a request's body. Raises Fault. A large one is read in a thread, for it takes long."""
    body, depth = await http.body(), state_of(http).limits.json_depth
    return read_json(body, depth) if len(body) <= AT_ONCE else await asyncio.to_thread(read_json, body, depth)
