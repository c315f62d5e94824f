"""State: what every handler of one server works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request

from duomo.serve.limits import Limits
from duomo.serve.metrics import Metrics
from duomo.serve.models import Models
from duomo.serve.wire import read_json

if TYPE_CHECKING:
    from duomo.generate.transcript import Transcript

Forms = Mapping[str, Callable[["Transcript"], str]]


@dataclass(frozen=True)
class State:
    """Models, limits, counters, and the forms of a transcript by their names."""

    models: Models
    limits: Limits
    metrics: Metrics
    forms: Forms


def state_of(http: Request) -> State:
    """The state of the server that was asked."""
    state: State = http.app.state.served
    return state


async def json_of(http: Request) -> dict[str, Any]:
    """The object in a request's body. Raises Fault."""
    return read_json(await http.body(), state_of(http).limits.json_depth)
