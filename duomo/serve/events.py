"""Events: pieces of several answers as they come, as server-sent events or gathered; and what happens when nobody reads them any more."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse

from duomo.serve.fault import Fault

if TYPE_CHECKING:
    from duomo.serve.queue import Piece, Pieces

T = TypeVar("T")
DONE = "data: [DONE]\n\n"
Numbered = tuple[int, "Piece"]


class Events(StreamingResponse):
    """Server-sent events; `close` is called when they end, however they end."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], close: Callable[[], None]) -> None:
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
        self.close = close

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As the base does."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.close()

    async def listen_for_disconnect(self, receive: Any) -> None:
        """As the base does; the row is free at once, not when all that wrote to the client has been ended."""
        await super().listen_for_disconnect(receive)
        self.close()


@dataclass(eq=False)
class Answers:
    """Several answers that are found at once. `chores` keeps what `close` leaves to be done."""

    streams: "list[Pieces]"
    chores: "set[asyncio.Task[Any]]"
    waiting: "dict[asyncio.Task[Piece | None], int]" = field(default_factory=dict)

    async def merged(self) -> AsyncIterator[Numbered]:
        """Pieces with the number of their answer, in the order in which they come. To be called once."""
        for number in range(len(self.streams)):
            self._ask(number)
        while self.waiting:
            done, _ = await asyncio.wait(self.waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number, piece = self.waiting.pop(task), task.result()
                if piece is not None:
                    self._ask(number)
                    yield number, piece

    def _ask(self, number: int) -> None:
        self.waiting[asyncio.ensure_future(_next(self.streams[number]))] = number

    def close(self) -> None:
        """Ends what is still going on, its rows first; nothing is awaited, so that it works where the client has gone."""
        for stream in self.streams:
            stream.close()
        for task in self.waiting:
            task.cancel()
        if self.waiting:
            task = asyncio.ensure_future(_ended(list(self.waiting)))
            self.chores.add(task)
            task.add_done_callback(self.chores.discard)


async def _next(stream: "Pieces") -> "Piece | None":
    return await anext(stream, None)


async def _ended(tasks: "Sequence[asyncio.Task[Any]]") -> None:
    await asyncio.gather(*tasks, return_exceptions=True)  # or asyncio would complain that nobody asked what became of them


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result, unless the client goes away before: then the work is ended. Raises Fault 499."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Fault(499, "the client has gone", code="client_gone")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def event(told: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(told, ensure_ascii=False, separators=(',', ':'))}\n\n"
