"""Completions: POST /v1/completions: texts go on where they end, without a conversation."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import Request as HttpRequest
from fastapi.responses import Response

from duomo.serve.fault import Fault
from duomo.serve.fields import Completion, read_fields
from duomo.serve.limits import Limits
from duomo.serve.models import Served
from duomo.serve.queue import Piece, Request
from duomo.serve.state import json_of, state_of
from duomo.serve.writing import Job, drawn, finish, respond, sampling_of, usage_of, writer

if TYPE_CHECKING:
    from duomo.generate.choosing import TokenLogprob


class CompletionShape:
    """OpenAI's older shape."""

    prefix, whole, part = "cmpl", "text_completion", "text_completion"

    def __init__(self, logprobs: int | None) -> None:
        self.logprobs = logprobs

    def choice(self, number: int, answer: Piece) -> dict[str, Any]:
        """A whole continuation."""
        return {"index": number, "text": answer.text, "logprobs": self._told(answer.logprobs), "finish_reason": finish(answer)}

    def delta(self, number: int, piece: Piece, first: bool) -> dict[str, Any]:
        """A piece of one."""
        return self.choice(number, piece)

    def _told(self, logprobs: "Sequence[TokenLogprob]") -> dict[str, Any] | None:
        """Columns; `text_offset` counts the tokens' signs as they read, from the beginning of this piece."""
        if self.logprobs is None:
            return None
        lengths = [len(one.text) for one in logprobs]
        return {
            "tokens": [one.text for one in logprobs],
            "token_logprobs": [one.logprob for one in logprobs],
            "top_logprobs": [{other.text: other.logprob for other in one.top} for one in logprobs],
            "text_offset": [sum(lengths[:place]) for place in range(len(lengths))],
        }


async def complete(http: HttpRequest) -> Response:
    """Continuations of one text or of several, `n` of each."""
    state = state_of(http)
    asked = read_fields(Completion, await json_of(http))
    state.models.refuse_full(asked.model)
    usage = usage_of(asked)
    lease = await state.models.take(asked.model)
    try:
        writer(lease.served, asked.model)
        sampling = sampling_of(asked, asked.max_tokens, state.limits)
        deadline = time.monotonic() + state.limits.request_seconds
        prompts = prompts_of(asked.prompt, lease.served, state.limits)
        if len(prompts) * (asked.n or 1) > state.limits.choices:
            raise Fault(400, f"prompt: at most {state.limits.choices} continuations at once", "prompt", "invalid_value")
        each = [Request(None, sampling, asked.logprobs, deadline=deadline, ids=tuple(ids)) for ids in prompts]
        requests = [one for request in each for one in drawn(request, asked.n or 1, lambda: None)]
    except BaseException:
        lease.give_back()
        raise
    return await respond(http, state.models, lease, Job(CompletionShape(asked.logprobs), asked.model, requests, bool(asked.stream), usage))


def prompts_of(prompt: str | Sequence[Any], served: Served, limits: Limits) -> list[list[int]]:
    """The ids of each prompt: of texts, or given as ids. Raises Fault for anything else."""
    assert served.continued is not None  # a model that writes goes on with texts
    many = [prompt] if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)) else list(prompt)
    if not many or len(many) > limits.texts:
        raise Fault(400, f"prompt: 1 to {limits.texts} texts, or lists of ids", "prompt", "invalid_value")
    found = list[list[int]]()
    for one in many:
        if isinstance(one, str) and one and len(one) <= limits.text_characters:
            found.append(served.continued(one))
        elif isinstance(one, list) and one and all(type(id) is int and served.sayable(id) for id in one):
            found.append(list(one))
        else:
            raise Fault(400, "prompt: a text that is not empty nor too long, or ids of the model's tokens", "prompt", "invalid_value")
    return found
