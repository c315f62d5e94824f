"""Desk: calls for vectors that wait for the same model are read together, as one batch, when its turn comes. N = texts, D = width."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Read = Callable[[Sequence[str], str], np.ndarray]


@dataclass(eq=False)
class Call:
    """Texts of one client, of one kind, and where their vectors go: (N, D)."""

    texts: Sequence[str]
    kind: str
    found: "asyncio.Future[np.ndarray]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def forget(self) -> None:
        """Nobody asks any more; asyncio would log an error that nobody saw, and an error may tell a text."""
        if not self.found.cancel() and not self.found.cancelled():
            self.found.exception()

    def give(self, told: "np.ndarray | Exception") -> None:
        """To whoever still waits for it."""
        if not self.found.done():
            self.found.set_exception(told) if isinstance(told, Exception) else self.found.set_result(told)


@dataclass(eq=False)
class Desk:
    """The calls that wait; `most` texts are read at once, and more where one call alone has more."""

    most: int = 256
    calls: list[Call] = field(default_factory=list)

    async def vectors(self, read: Read, texts: Sequence[str], kind: str, turn: Any) -> np.ndarray:
        """(N, D) of these texts. `turn` lets one call in at a time: it takes along all that wait, and whoever was taken finds it done.

        Raises what `read` raises for these texts; those of others do not matter.
        """
        call = Call(texts, kind)
        self.calls.append(call)
        try:
            async with turn:
                if call in self.calls:
                    work = asyncio.ensure_future(self._read(read, self._taken(call)))
                    await asyncio.shield(work)  # where this client goes, the others' vectors are made all the same
            return await call.found
        finally:
            if call in self.calls:
                self.calls.remove(call)
            call.forget()

    def _taken(self, first: Call) -> list[Call]:
        """This call and those behind it that fit; they wait no more."""
        taken, count = [first], len(first.texts)
        for call in self.calls:
            if call is not first and call.kind == first.kind and count + len(call.texts) <= self.most:
                taken, count = [*taken, call], count + len(call.texts)
        self.calls = [call for call in self.calls if call not in taken]
        return taken

    async def _read(self, read: Read, calls: Sequence[Call]) -> None:
        for call, told in zip(calls, await asyncio.to_thread(_together, read, calls), strict=True):
            call.give(told)


def _together(read: Read, calls: Sequence[Call]) -> "list[np.ndarray | Exception]":
    """The vectors of each call, or what was wrong with it; where one can not be read, each is read alone."""
    try:
        vectors_ND = read([text for call in calls for text in call.texts], calls[0].kind)
    except Exception as error:
        return [error] if len(calls) == 1 else [told for call in calls for told in _together(read, [call])]
    ends = np.cumsum([len(call.texts) for call in calls])
    return list(np.split(vectors_ND, ends[:-1]))
