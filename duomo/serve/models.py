"""Models: those that are offered, opened when they are first asked for, let go when others need their room."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from duomo.serve.desk import Desk
from duomo.serve.fault import Fault, busy, crowded

if TYPE_CHECKING:
    from duomo.checkpoint import Run
    from duomo.generate.transcript import Transcript
    from duomo.serve.queue import Full, Queue
    from duomo.serve.structured import Guides
    from duomo.vectors import Embedder

Tell = Callable[[float], None]
Hear = Callable[[bytes, str | None, bool, Tell], "Transcript"]  # a file's bytes, the language, whether English is wanted, seconds gone


@dataclass(frozen=True)
class Served:
    """An opened model and what it can do. Whoever does not write has no queue; whoever makes no vectors, no embedder; …

    `continued`: the ids of a raw text, as the model goes on with texts. `sayable`: whether a client may put an id into a raw prompt.
    """

    queue: "Queue | None" = None
    guides: "Guides | None" = None
    continued: Callable[[str], list[int]] | None = None
    sayable: Callable[[int], bool] = lambda id: False
    embedder: "Embedder | None" = None
    hear: Hear | None = None
    run: "Run | None" = None  # for what asks the model outside of its queue


@dataclass(frozen=True)
class Offer:
    """A model by its name, the bytes that it takes, and how it is opened (slow: not for the event loop)."""

    name: str
    bytes: int
    open: Callable[[], Served]
    caches: int = 0  # of the bytes, those of its answers' caches


@dataclass(eq=False)
class Lease:
    """A model in use: it is not let go before `give_back`."""

    served: Served
    held: "Held"

    def give_back(self) -> None:
        """May be called again, to no effect."""
        if self.held is not NOBODY:
            self.held.users, self.held.last, self.held = self.held.users - 1, time.monotonic(), NOBODY


@dataclass(eq=False)
class Held:
    """An open model, and who uses it."""

    served: Served
    bytes: int
    users: int = 0
    last: float = 0.0
    waiting: int = 0
    turns: asyncio.Lock = field(default_factory=asyncio.Lock)
    desk: Desk = field(default_factory=Desk)


NOBODY = Held(Served(), 0)


@dataclass(eq=False)
class Models:
    """The shelf of a server. `budget`: bytes of models, weights and caches, that are open together."""

    offers: Mapping[str, Offer]
    budget: int
    drain_seconds: float = 10.0
    created: int = field(default_factory=lambda: int(time.time()))
    draining: bool = False
    chores: "set[asyncio.Task[Any]]" = field(default_factory=set)  # what is done after an answer, by itself
    held: dict[str, Held] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, name: str) -> Lease:
        """A model, opened if it is not. Raises Fault for an unknown name (the nearest is told), and where all room is in use."""
        if self.draining:
            raise Fault(503, "this server is going down; ask another", code="shutting_down", headers={"Retry-After": "10"})
        if name not in self.offers:
            near = get_close_matches(name, self.offers, 1, 0.4)
            told = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self.offers)}"
            raise Fault(404, f"no model {name[:60]!r}; {told}", "model", "model_not_found")
        if not await self._works(name):
            async with self._opening:
                if not await self._works(name):
                    self.held.pop(name, None)
                    await self._open(self.offers[name])
        held = self.held[name]
        held.users += 1
        return Lease(held.served, held)

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[Served]:
        """The same for the length of a block."""
        lease = await self.take(name)
        try:
            yield lease.served
        finally:
            lease.give_back()

    @asynccontextmanager
    async def turn(self, name: str, waiting: int) -> AsyncIterator[None]:
        """One call at a time for what has no queue of its own. Raises Fault where so many wait already."""
        held = self.held[name]
        if held.waiting >= waiting:
            raise busy(f"{waiting} requests wait for model {name!r} already; come again", 2)
        held.waiting += 1
        try:
            async with held.turns:
                yield
        finally:
            held.waiting -= 1

    def full(self, name: str | None = None) -> "Full | None":
        """Why whoever asks this model for an answer now would be refused, or whatever model they ask; None: that is not sure."""
        queues, all_open = self.queues(), len(self.held) == len(self.offers)
        asked = [queues[name]] if name in queues else list(queues.values()) if name is None and all_open else []
        found = [full for queue in asked if (full := queue.full) is not None]
        return min(found, key=lambda full: full.retry_after) if found and len(found) == len(asked) else None

    def refuse_full(self, name: str | None = None) -> None:
        """Raises Fault where `full` tells why: before anything is made ready in vain."""
        if (full := self.full(name)) is not None:
            raise crowded(full.retry_after)

    async def _works(self, name: str) -> bool:
        """Whether a model is open; one that has failed is opened anew."""
        queue = self.held[name].served.queue if name in self.held else None
        return name in self.held and (queue is None or await queue.ready())

    async def _open(self, offer: Offer) -> None:
        await self._make_room(offer)
        try:
            served = await asyncio.to_thread(offer.open)
        except (ValueError, OSError, RuntimeError) as error:  # torch says so where a card has no memory
            raise Fault(500, f"model {offer.name!r} can not be opened: {error}", "model", "model_not_readable") from error
        self.held[offer.name] = Held(served, offer.bytes, last=time.monotonic())

    async def _make_room(self, offer: Offer) -> None:
        """Lets go of whoever was idle longest, until the new one fits."""
        while self.bytes + offer.bytes > self.budget:
            idle = [name for name, held in self.held.items() if not held.users]
            if not idle:
                raise busy(f"no room for model {offer.name!r} while others answer; come again, or start with more --memory", 5)
            gone = self.held.pop(min(idle, key=lambda name: self.held[name].last))
            if gone.served.queue is not None:
                await gone.served.queue.drain(0)

    async def ready(self) -> bool:
        """Whether all that is open works."""
        queues = self.queues()
        return not self.draining and all(await asyncio.gather(*(queue.ready() for queue in queues.values())))

    async def drain(self) -> None:
        """Takes no new work, lets running work end for a while, then ends it."""
        self.draining = True
        await asyncio.gather(*(queue.drain(self.drain_seconds) for queue in self.queues().values()), return_exceptions=True)

    def queues(self) -> "dict[str, Queue]":
        """Of open models that write."""
        return {name: held.served.queue for name, held in self.held.items() if held.served.queue is not None}

    @property
    def bytes(self) -> int:
        """Of the models that are open."""
        return sum(held.bytes for held in self.held.values())

    def told(self, name: str) -> dict[str, Any]:
        """A model in OpenAI's shape."""
        return {"id": name, "object": "model", "created": self.created, "owned_by": "duomo"}


def models(offers: Sequence[Offer], budget: int, drain_seconds: float = 10.0) -> Models:
    """A shelf of these. Raises ValueError for two of one name, and for one that never fits."""
    known: dict[str, Offer] = {}
    for offer in offers:
        if known.setdefault(offer.name, offer) is not offer:
            raise ValueError(f"two models go by the name {offer.name!r}; rename a folder, or serve one of them")
        if offer.bytes > budget:
            raise ValueError(_never(offer, budget))
    return Models(known, budget, drain_seconds)


def _never(offer: Offer, budget: int) -> str:
    """Why a model never fits, and what would help."""
    told = f"model {offer.name!r} takes {offer.bytes / 2**30:.2f} GiB, more than --memory {budget / 2**30:.2f}"
    if not offer.caches:
        return f"{told}; raise it, or serve a smaller one"
    return f"{told}: {offer.caches / 2**30:.2f} of them for its answers; raise it, or say fewer --tokens"
