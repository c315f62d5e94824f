"""Gate: whoever would find every queue full is turned away at the head of a request, before its body is read or the framework is called.

A refused client comes again, and many do: what one of them costs is taken from those that are answered.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from duomo.serve.models import Models
from duomo.serve.routes import ROUTES

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
QUEUED = frozenset(route.path for route in ROUTES if route.fields in ("Chat", "Completion"))


@dataclass(frozen=True)
class Gate:
    """The app behind its queues. It stands behind the guard, which has looked at the key and tells a client of a Fault."""

    app: App
    models: Models

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        """One ASGI call. Raises Fault."""
        if scope["type"] == "http" and scope["path"] in QUEUED:
            self.models.refuse_full()
        await self.app(scope, receive, send)
