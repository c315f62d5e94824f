"""Queue: requests of many clients, answered side by side by one model in a thread of its own, and asked from asyncio."""

import asyncio
import itertools
import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from duomo.batch import move
from duomo.data.collate import check, prompt
from duomo.data.render import Rendered, render
from duomo.generate.answers import Speaker
from duomo.generate.choosing import Allow, TokenLogprob
from duomo.generate.running import Asked, Running, Told, refuse
from duomo.generate.sampling import Sampling
from duomo.model import cuts
from duomo.sample import Sample
from duomo.serve.pieces import Piece, Pieces
from duomo.tokenizer import ENDS

TOKENS = 32_768  # of the cache, shared evenly by the rows
READERS = 2  # threads in which requests are rendered
LATELY = 10.0  # seconds over which tokens per second are told
NEVER_ANSWERED = 1.0  # seconds a request is thought to take before one has ended

__all__ = ["Allow", "Closed", "Full", "Piece", "Pieces", "Queue", "Request", "TokenLogprob", "TooLong"]


@dataclass(frozen=True)
class Request:
    """What a client asks: a conversation, or the ids of a text to go on with.

    `logprobs`: None, or how many alternatives to each token, 0 to 20. `deadline`: the time.monotonic() by which it must have ended.
    """

    sample: Sample | None = None
    sampling: Sampling = Sampling()
    logprobs: int | None = None
    allow: Allow | None = None
    deadline: float | None = None
    ids: tuple[int, ...] | None = None


class Full(Exception):
    """As many requests wait as may; `retry_after` seconds from now there may be room."""

    def __init__(self, retry_after: float):
        super().__init__(f"too many requests wait; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


class TooLong(ValueError):
    """A prompt that does not fit."""


class Closed(Exception):
    """The queue takes no more."""


@dataclass(eq=False)
class _Ticket:
    """A request that is under way, and where its pieces go."""

    key: int
    request: Request
    loop: asyncio.AbstractEventLoop
    began: float
    inbox: "asyncio.Queue[Piece | Exception]" = field(default_factory=asyncio.Queue)
    work: "Future[None] | None" = None  # its rendering

    @property
    def due(self) -> float:
        """By when it must have ended."""
        return math.inf if self.request.deadline is None else self.request.deadline


class Queue:
    """Answers up to `rows` requests side by side; `waiting` more may wait, and who comes then is told to come again.

    `tokens`: what the cache holds, the same share for each row, at most what the model reads; `chunk`: how many tokens of prompts are read
    between two steps of the others; 0: as `Running` thinks fit. Raises ValueError for an encoder. `drain` ends its thread.
    """

    def __init__(self, speaker: Speaker, rows: int = 16, waiting: int = 64, tokens: int = TOKENS, chunk: int = 0):
        if rows < 1 or waiting < 0 or tokens < rows:
            raise ValueError(f"a queue has at least 1 row and 1 token for each, not {rows} rows and {tokens} tokens")
        self.speaker, self.limit = speaker, rows + waiting
        self._running = Running(speaker.model, speaker.tokenizer, rows, tokens // rows, chunk)
        self.capacity = self._running.cache.capacity
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="duomo-reader")
        self._keys, self._change = itertools.count(), threading.Condition()
        self._open = dict[int, _Ticket]()  # whoever has not got its last piece; guarded by _change, as all below
        self._come, self._gone = deque[tuple[int, Asked]](), set[int]()
        self._closed, self._until, self._broken = False, math.inf, ""  # `_until`: when draining ends
        self._seconds, self._lately = NEVER_ANSWERED, deque[tuple[float, int]]()
        self._state: dict[str, float] = {}
        self._note()
        self._thread = threading.Thread(target=self._work, name="duomo-queue", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> Pieces:
        """Takes a request; whoever asked closes its pieces. Raises Full, Closed, and ValueError for what can not be asked.

        Before the first piece come TooLong, ValueError for what can not be read, and RuntimeError where the model fails.
        """
        ticket = self._admit(request)
        return Pieces(ticket.inbox, lambda: self._release(ticket))

    async def stream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """Yields the answer piece by piece. Whoever closes it early frees its row within one step. Raises all that `ask` does."""
        pieces = self.ask(request)
        try:
            async for piece in pieces:
                yield piece
        finally:
            pieces.close()

    @property
    def full(self) -> Full | None:
        """Why a request that came now would be refused; None: it would not. Costs nothing: nobody is waited for."""
        here = len(self._open)
        return Full(max(1.0, math.ceil(self._seconds / here))) if here >= self.limit else None  # Little's law: how often one ends

    async def ready(self) -> bool:
        """Whether it takes requests and answers them."""
        return self._thread.is_alive() and not self._closed

    async def drain(self, seconds: float) -> None:
        """Takes no new requests and lets those that are here end; after `seconds` the rest ends as it is. Then the thread is over."""
        with self._change:
            self._closed, self._until = True, min(self._until, time.monotonic() + seconds)
            self._change.notify()
        await asyncio.to_thread(self._thread.join)
        self._readers.shutdown(wait=False, cancel_futures=True)

    @property
    def gauges(self) -> Mapping[str, float]:
        """What a monitor asks: running, waiting, tokens_per_second, cache_tokens of cache_capacity; turns and tokens so far."""
        now = time.monotonic()
        with self._change:
            waiting = max(0, len(self._open) - int(self._state["running"]))
            lately = self._state["tokens"] - next((said for at, said in self._lately if at > now - LATELY), self._state["tokens"])
            return self._state | {"waiting": waiting, "tokens_per_second": lately / LATELY}

    def _admit(self, request: Request) -> _Ticket:
        if (request.sample is None) == (request.ids is None):
            raise ValueError("a request has a sample, or ids; give one of them")
        refuse(request.sampling, request.logprobs)
        ticket = _Ticket(next(self._keys), request, asyncio.get_running_loop(), time.monotonic())
        with self._change:
            if self._closed or not self._thread.is_alive():
                raise Closed(self._broken or "the server takes no more requests")
            if (full := self.full) is not None:
                raise full
            self._open[ticket.key] = ticket
            ticket.work = self._readers.submit(self._read, ticket)
            self._change.notify()  # its time may be over before it is read
        return ticket

    def _read(self, ticket: _Ticket) -> None:
        """Renders a request and hands it to the worker; or tells what is wrong with it."""
        try:
            asked = self._render(ticket.request)
        except Exception as error:  # whatever its media are, it is its own affair
            self._tell([Told(ticket.key, fault=error)])
            with self._change:
                self._change.notify()  # whoever drains may have waited for this one alone
            return
        with self._change:
            self._come.append((ticket.key, asked))
            self._change.notify()

    def _render(self, request: Request) -> Asked:
        speaker, model = self.speaker, self.speaker.model
        if request.sample is not None:
            item = render(request.sample, speaker.tokenizer, cuts(model.recipe), speaker.root, False, speaker.cutter)
            stops: tuple[int, ...] = (speaker.tokenizer.stop_id,)
        else:
            item = self._raw(request.ids or ())
            stops = tuple({speaker.tokenizer.stop_id, *(speaker.tokenizer.special.get(end, -1) for end in ENDS)})
        batch = prompt([item], model.recipe.shape)
        source = 0 if batch.source is None else batch.source.ids_BT.shape[1]
        if batch.target is None or self._running.room(batch.target.ids_BT.shape[1], source) < 1:
            raise TooLong(f"{len(item.ids):,} tokens, but a prompt has at most {self.capacity:,} here; shorten it")
        batch = move(check(batch, model.placeholder), self._running.device)
        return Asked(batch, request.sampling, request.logprobs, request.allow, stops)

    def _raw(self, ids: Sequence[int]) -> Rendered:
        vocab = self.speaker.model.recipe.vocab_size
        if not ids or not all(0 <= id < vocab for id in ids):
            raise ValueError(f"a prompt is one token or more, each between 0 and {vocab - 1}")
        return Rendered(list(ids), [False] * len(ids), turn=len(ids))

    def _release(self, ticket: _Ticket) -> None:
        """Forgets a request; its row is free before the next step."""
        if ticket.work is not None:
            ticket.work.cancel()
        with self._change:
            if self._open.pop(ticket.key, None) is not None:
                self._gone.add(ticket.key)
                self._change.notify()

    def _work(self) -> None:
        """The worker's whole life: takes orders, makes turns, tells."""
        try:
            while self._orders():
                told = self._running.turn()
                self._note()
                self._tell(told)
        except BaseException as error:  # whatever it is, nobody may wait for ever
            self._broken = f"the model failed and takes no more requests ({type(error).__name__}: {error})"
        with self._change:
            self._closed, left = True, list(self._open)
        if self._broken:
            ends = [Told(key, fault=RuntimeError(self._broken)) for key in left]
        else:
            ends = [self._running.end(key, "deadline") or Told(key, finish="deadline") for key in left]
        self._running.clear()
        self._note()
        self._tell(ends)

    def _orders(self) -> bool:
        """Waits until there is something to do, then takes who came, lets go who went and whose time is over; False where all is over."""
        with self._change:
            while not (self._come or self._gone or not self._running.idle):
                if self._closed and not self._open:
                    return False
                now, due = time.monotonic(), self._due()
                if due <= now:
                    break
                self._change.wait(None if due == math.inf else due - now)
            come, gone = list(self._come), set(self._gone)
            self._come.clear()
            self._gone.clear()
            come = [(key, asked) for key, asked in come if key in self._open]
            now = time.monotonic()
            late = [key for key, ticket in self._open.items() if ticket.due <= now]
        for key in gone:
            self._running.cancel(key)
        self._tell([told for key, asked in come if (told := self._joined(key, asked)) is not None])
        self._tell([self._running.end(key, "deadline") or Told(key, finish="deadline") for key in late])
        return now < self._until

    def _due(self) -> float:
        """When somebody's time is over."""
        return min([self._until, *(ticket.due for ticket in self._open.values())])

    def _joined(self, key: int, asked: Asked) -> Told | None:
        try:
            self._running.add(key, asked)
        except Exception as error:
            return Told(key, fault=error)
        return None

    def _tell(self, events: Sequence[Told]) -> None:
        """Hands pieces to those who wait for them, all of one loop at once."""
        now, letters = time.monotonic(), defaultdict[asyncio.AbstractEventLoop, list[tuple[_Ticket, Piece | Exception]]](list)
        with self._change:
            for told in events:
                ticket = self._open.pop(told.key, None) if told.last else self._open.get(told.key)
                if ticket is None:
                    continue  # it has gone meanwhile
                piece = Piece(told.text, told.logprobs, told.finish, told.prompt_tokens, told.completion_tokens)
                letters[ticket.loop].append((ticket, told.fault or piece))
                if told.finish in ("stop", "length"):
                    self._seconds += 0.2 * (now - ticket.began - self._seconds)
        for loop, those in letters.items():
            try:
                loop.call_soon_threadsafe(_deliver, those)
            except RuntimeError:  # the loop is closed: nobody waits any more
                for ticket, _ in those:
                    self._release(ticket)

    def _note(self) -> None:
        """Notes what monitors ask: the running batch itself is the worker's alone."""
        now, running = time.monotonic(), self._running
        with self._change:
            self._state = {
                "running": len(running.running),
                "cache_tokens": running.used,
                "cache_capacity": running.rows * self.capacity,
                "turns": running.turns,
                "tokens": running.said,
            }
            self._lately.append((now, running.said))
            while self._lately[0][0] < now - LATELY:
                self._lately.popleft()


def _deliver(letters: Sequence[tuple[_Ticket, Piece | Exception]]) -> None:
    for ticket, letter in letters:
        ticket.inbox.put_nowait(letter)
