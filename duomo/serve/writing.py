"""Writing: what chats and completions share: from the fields of a request to pieces of answers, and from pieces to JSON or events."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response

from duomo.generate import Sampling
from duomo.serve.events import DONE, Answers, Events, Numbered, event, while_there
from duomo.serve.fault import Fault, crowded
from duomo.serve.fields import Written
from duomo.serve.limits import Limits
from duomo.serve.models import Lease, Models, Served
from duomo.serve.queue import Closed, Full, Piece, Request, TooLong

if TYPE_CHECKING:
    from duomo.serve.queue import Queue

LONGEST = 256  # tokens of an answer where nobody says


class Shape(Protocol):
    """How one kind of answer looks in JSON."""

    prefix: str
    whole: str
    part: str

    def choice(self, number: int, answer: Piece) -> dict[str, Any]:
        """A whole answer."""

    def delta(self, number: int, piece: Piece, first: bool) -> dict[str, Any]:
        """A piece of one."""


@dataclass(frozen=True)
class Job:
    """What is to be written, and how it is told."""

    shape: Shape
    model: str
    requests: Sequence[Request]
    stream: bool
    usage: bool  # whether events end with what was used


def sampling_of(asked: Written, most: int | None, limits: Limits) -> Sampling:
    """The choices of sampling. Raises Fault where they are beyond a limit."""
    if most is not None and most > limits.output_tokens:
        raise Fault(400, f"max_tokens: at most {limits.output_tokens:,} are written, not {most:,}", "max_tokens", "invalid_value")
    stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if len(stops) > limits.stops or any(not 0 < len(stop) <= 200 for stop in stops):
        raise Fault(400, f"stop: at most {limits.stops} texts, each of 1 to 200 characters", "stop", "invalid_value")
    if (asked.n or 1) > limits.choices:
        raise Fault(400, f"n: at most {limits.choices} answers at once", "n", "invalid_value")
    chosen = {name: getattr(asked, name) for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")}
    seed = secrets.randbits(31) if asked.seed is None else asked.seed
    return Sampling(
        max_tokens=most or min(LONGEST, limits.output_tokens),
        stop=tuple(stops),
        seed=seed,
        **{name: value for name, value in chosen.items() if value is not None},
    )


def usage_of(asked: Written) -> bool:
    """Whether events end with what was used. Raises Fault for other options of a stream."""
    options = asked.stream_options or {}
    unknown = sorted(options.keys() - {"include_usage", "include_obfuscation"})
    if unknown or not all(isinstance(value, bool) for value in options.values()):
        raise Fault(400, 'stream_options: is {"include_usage": true}', "stream_options", "invalid_value")
    return options.get("include_usage", False)


def drawn(request: Request, count: int, fresh: Callable[[], Any]) -> list[Request]:
    """The same request so often, each with a seed and a guide of its own."""
    seeds = (request.sampling.seed + number for number in range(count))
    each = (replace(request.sampling, seed=min(seed, 2**63 - 1)) for seed in seeds)
    return [replace(request, sampling=sampling, allow=fresh()) for sampling in each]


def writer(served: Served, name: str) -> "Queue":
    """What writes. Raises Fault for a model that does not."""
    if served.queue is None:
        raise Fault(400, f"model {name!r} writes no answers; GET /v1/models lists the others", "model", "model_not_suitable")
    return served.queue


async def respond(http: HttpRequest, models: Models, lease: Lease, job: Job) -> Response:
    """The answer to a request; the lease is given back when it is over, however that is. Raises Fault before anything was sent."""
    answers = Answers([], models.chores)
    try:
        queue = writer(lease.served, job.model)
        for request in job.requests:
            answers.streams.append(queue.ask(request))
        pieces, head = answers.merged(), _head(job)
        if not job.stream:
            told = await while_there(http, _gathered(pieces, len(job.requests)))
            _end(answers, lease)
            return JSONResponse(head | {"choices": _choices(job, told), "usage": used(told)})
        first = await while_there(http, _first(pieces))  # an error before the first piece is an answer of its own
        return Events(_events(first, pieces, head, job), lambda: _end(answers, lease))
    except BaseException as error:
        _end(answers, lease)
        raise fault_of(error) if isinstance(error, Exception) else error from None


async def _first(pieces: AsyncIterator[Numbered]) -> Numbered | None:
    return await anext(pieces, None)


def _end(answers: Answers, lease: Lease) -> None:
    answers.close()
    lease.give_back()


def _head(job: Job) -> dict[str, Any]:
    kind = job.shape.part if job.stream else job.shape.whole
    return {"id": f"{job.shape.prefix}-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": job.model}


def _choices(job: Job, told: Sequence[Piece]) -> list[dict[str, Any]]:
    return [job.shape.choice(number, answer) for number, answer in enumerate(told)]


async def _events(first: Numbered | None, pieces: AsyncIterator[Numbered], head: dict[str, Any], job: Job) -> AsyncIterator[str]:
    """All pieces, each an event; at the end [DONE], before it the error that ended them, if one did."""
    begun, told = set[int](), [Piece("")] * len(job.requests)
    more: dict[str, Any] = {"usage": None} if job.usage else {}
    try:
        async for number, piece in _again(first, pieces):
            yield event(head | {"choices": [job.shape.delta(number, piece, number not in begun)]} | more)
            begun.add(number)
            told[number] = joined(told[number], replace(piece, text="", logprobs=()))  # the counts alone are told at the end
        if job.usage:
            yield event(head | {"choices": [], "usage": used(told)})
    except Exception as error:
        try:
            fault = fault_of(error)
        except Exception:
            fault = Fault(500, "this server failed; its log tells more", code="internal_error")
        yield event(fault.envelope())
    yield DONE


async def _again(first: Numbered | None, pieces: AsyncIterator[Numbered]) -> AsyncIterator[Numbered]:
    if first is not None:
        yield first
    async for one in pieces:
        yield one


async def _gathered(pieces: AsyncIterator[Numbered], count: int) -> list[Piece]:
    told = [[Piece("")] for _ in range(count)]
    async for number, piece in pieces:
        told[number].append(piece)
    return [joined(*one) for one in told]


def joined(*pieces: Piece) -> Piece:
    """Pieces as one, put together once, so that an answer of many costs no more for each; the counts are of the last that has any."""
    return Piece(
        "".join(piece.text for piece in pieces),
        tuple(token for piece in pieces for token in piece.logprobs),
        next((piece.finish for piece in reversed(pieces) if piece.finish), None),
        max(piece.prompt_tokens for piece in pieces),
        max(piece.completion_tokens for piece in pieces),
    )


def used(told: Sequence[Piece]) -> dict[str, int]:
    """Tokens: a prompt that was answered several times counts once."""
    prompt, completion = max(piece.prompt_tokens for piece in told), sum(piece.completion_tokens for piece in told)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def fault_of(error: Exception) -> Fault:
    """What a client is told of an error of the queue, or of its request."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, Full):
        return crowded(error.retry_after)
    if isinstance(error, Closed):
        return Fault(503, "this server is going down; ask another", code="shutting_down", headers={"Retry-After": "10"})
    if isinstance(error, ValueError):
        return Fault(400, str(error), code="context_length_exceeded" if isinstance(error, TooLong) else "invalid_value")
    raise error


def finish(piece: Piece) -> str | None:
    """OpenAI's word for how an answer ended; it knows none for a deadline."""
    return "length" if piece.finish == "deadline" else piece.finish
