"""Fields: what a request may say. What would change the answer and is not done is refused; what would not is passed over."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from duomo.modalities.audio import AUDIO
from duomo.serve.fault import Fault

HARMLESS = frozenset(  # they change nothing of an answer
    "user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention prediction verbosity".split()
)
NEUTRAL: Mapping[str, tuple[Any, ...]] = {  # refused unless they say what is done anyway
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    AUDIO.name: (),
    "reasoning_effort": ("none",),
    "web_search_options": (),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
}
MENDS: Mapping[str, str] = {
    "tools": "this server calls no tools",
    "functions": "this server calls no functions",
    AUDIO.name: "answers are texts",
    "frequency_penalty": "repetition_penalty is there instead",
    "presence_penalty": "repetition_penalty is there instead",
    "suffix": "texts are continued at their end only",
}
Seed = Annotated[int | None, Field(ge=-(2**63), le=2**63 - 1)]
Share = Annotated[float | None, Field(ge=0, le=1)]


class Asked(BaseModel):
    """What every JSON request has: the model. A field that is null counts as not said."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)
    model: Annotated[str, Field(min_length=1, max_length=300)]


class Written(Asked):
    """How an answer is found, of chats and completions alike. Temperature 0, the likeliest words, where nothing is said."""

    n: Annotated[int | None, Field(ge=1)] = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Share = None
    top_k: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    min_p: Share = None
    repetition_penalty: Annotated[float | None, Field(ge=0.01, le=100)] = None
    seed: Seed = None
    stop: str | list[str] | None = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None


class Chat(Written):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Any], Field(min_length=1)]
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    response_format: dict[str, Any] | None = None


class Completion(Written):
    """POST /v1/completions."""

    prompt: str | list[Any]
    logprobs: Annotated[int | None, Field(ge=0, le=5)] = None


class Embeddings(Asked):
    """POST /v1/embeddings. `input_type`: "query" or "passage", where the model tells them apart."""

    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: Annotated[int | None, Field(ge=1)] = None
    input_type: str | None = None


A = TypeVar("A", bound=Asked)


def read_fields(kind: type[A], body: Mapping[str, Any]) -> A:
    """The request that a body is. Raises Fault naming the first field that is wrong, or not known."""
    given = {name: value for name, value in body.items() if value is not None and name not in HARMLESS}
    for name in sorted(given.keys() - kind.model_fields.keys()):
        refuse_unknown(name, given[name])
    try:
        return kind.model_validate({name: value for name, value in given.items() if name in kind.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"][:1]))
        raise Fault(400, f"{field}: {first['msg']}", field, "invalid_value") from None


def refuse_unknown(name: str, value: Any) -> None:
    """Raises Fault for a field that would have changed the answer, and for one that nobody knows: it may be misspelt."""
    if name not in NEUTRAL:
        raise Fault(400, f"no field {name[:60]!r} is known; leave it out", name[:60], "unknown_field")
    if not any(type(value) is type(one) and value == one for one in NEUTRAL[name]) and not (NEUTRAL[name] == (0,) and value == 0):
        raise Fault(400, f"{name}: {MENDS.get(name, 'is not built')}; leave it out", name, "unsupported_field")
