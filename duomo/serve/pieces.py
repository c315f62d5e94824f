"""Pieces: an answer as it comes, and how whoever asked for it leaves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duomo.generate.choosing import TokenLogprob
    from duomo.generate.running import Finish


@dataclass(frozen=True)
class Piece:
    """One event of a stream: whole characters only, or none; `finish` and the counts are those of the last."""

    text: str
    logprobs: "tuple[TokenLogprob, ...]" = ()
    finish: "Finish | None" = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(eq=False)
class Pieces:
    """One answer piece by piece. `close` may be called at any time, and again: its row is free before the next step."""

    inbox: "asyncio.Queue[Piece | Exception]"
    release: Callable[[], None]
    over: bool = False

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> Piece:
        if self.over:
            raise StopAsyncIteration
        piece = await self.inbox.get()
        if isinstance(piece, Exception) or piece.finish is not None:
            self.close()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        """Ends it where it is; nothing is awaited."""
        if not self.over:
            self.over = True
            self.release()
