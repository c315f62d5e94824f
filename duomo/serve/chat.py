"""Chat: POST /v1/chat/completions."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import Request as HttpRequest
from fastapi.responses import Response

from duomo.sample import Sample
from duomo.serve.fault import Fault
from duomo.serve.fields import Chat, read_fields
from duomo.serve.limits import Limits
from duomo.serve.messages import conversation
from duomo.serve.queue import Piece, Request
from duomo.serve.state import json_of, state_of
from duomo.serve.structured import schema_of
from duomo.serve.writing import Job, drawn, finish, respond, sampling_of, usage_of, writer

if TYPE_CHECKING:
    from duomo.generate.choosing import TokenLogprob
    from duomo.serve.models import Served

BYTES = re.compile(r"(?:\\x[0-9a-f]{2})+")


class ChatShape:
    """OpenAI's shape of a chat's answer."""

    prefix, whole, part = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def __init__(self, logprobs: bool) -> None:
        self.logprobs = logprobs

    def choice(self, number: int, answer: Piece) -> dict[str, Any]:
        """A whole answer."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        return {"index": number, "message": message, "logprobs": self._told(answer), "finish_reason": finish(answer)}

    def delta(self, number: int, piece: Piece, first: bool) -> dict[str, Any]:
        """A piece of one; the first says who speaks."""
        said: dict[str, Any] = {"role": "assistant"} if first else {}
        said |= {"content": piece.text} if piece.text or first else {}
        return {"index": number, "delta": said, "logprobs": self._told(piece), "finish_reason": finish(piece)}

    def _told(self, piece: Piece) -> dict[str, Any] | None:
        return {"content": [_token(one) for one in piece.logprobs], "refusal": None} if self.logprobs else None


async def chat(http: HttpRequest) -> Response:
    """An answer to a conversation."""
    state = state_of(http)
    asked = read_fields(Chat, await json_of(http))
    if asked.top_logprobs and not asked.logprobs:
        raise Fault(400, "top_logprobs: wants logprobs to be true as well", "top_logprobs", "invalid_value")
    state.models.refuse_full(asked.model)
    sample, usage = await _read(asked, state.limits), usage_of(asked)
    lease = await state.models.take(asked.model)
    try:
        request = Request(
            sample,
            sampling_of(asked, asked.max_completion_tokens or asked.max_tokens, state.limits),
            (asked.top_logprobs or 0) if asked.logprobs else None,
            deadline=time.monotonic() + state.limits.request_seconds,
        )
        writer(lease.served, asked.model)
        requests = await _guided(request, asked, lease.served, state.limits)
    except BaseException:
        lease.give_back()
        raise
    return await respond(http, state.models, lease, Job(ChatShape(bool(asked.logprobs)), asked.model, requests, bool(asked.stream), usage))


async def _read(asked: Chat, limits: Limits) -> Sample:
    """The conversation. What holds files is read in a thread: the others' requests do not wait for a decoder."""
    plain = all(isinstance(one, dict) and isinstance(one.get("content"), str) for one in asked.messages)
    return conversation(asked.messages, limits) if plain else await asyncio.to_thread(conversation, asked.messages, limits)


async def _guided(request: Request, asked: Chat, served: "Served", limits: Limits) -> Sequence[Request]:
    """The requests, each with its own grammar where a schema is given, which takes up to a second to read: in a thread."""
    schema, guides = schema_of(asked.response_format, limits.schema_characters), served.guides
    if schema is None or guides is None:
        return drawn(request, asked.n or 1, lambda: None)
    return await asyncio.to_thread(drawn, request, asked.n or 1, lambda: guides.guide(schema))


def _token(one: "TokenLogprob") -> dict[str, Any]:
    return _entry(one) | {"top_logprobs": [_entry(other) for other in one.top]}


def _entry(one: "TokenLogprob") -> dict[str, Any]:
    """A token that is no whole character reads as its bytes in hex."""
    part = BYTES.fullmatch(one.text)
    data = bytes.fromhex(one.text.replace("\\x", "")) if part else one.text.encode(errors="replace")
    return {"token": one.text, "logprob": one.logprob, "bytes": list(data)}
