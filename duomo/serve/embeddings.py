"""Embeddings: POST /v1/embeddings: texts as vectors. N = texts, D = width."""

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from duomo.serve.events import while_there
from duomo.serve.fault import Fault
from duomo.serve.fields import Embeddings, read_fields
from duomo.serve.limits import Limits
from duomo.serve.models import Served
from duomo.serve.state import json_of, state_of

if TYPE_CHECKING:
    from duomo.vectors import Embedder

KINDS = ("query", "passage")


async def embed(http: Request) -> Response:
    """The vector of each text, of length 1."""
    state = state_of(http)
    asked = read_fields(Embeddings, await json_of(http))
    texts, coded = texts_of(asked, state.limits), asked.encoding_format or "float"
    if coded not in ("float", "base64"):
        raise Fault(400, "encoding_format: is float or base64", "encoding_format", "invalid_value")
    async with state.models.use(asked.model) as served:
        made, turn = _embedder(served, asked), state.models.turn(asked.model, state.limits.waiting)
        kind, desk = asked.input_type or KINDS[1], state.models.held[asked.model].desk
        try:
            vectors_ND = await while_there(http, desk.vectors(made.embed, texts, kind, turn))
        except ValueError as error:
            raise Fault(400, f"input: {error}", "input", "invalid_value") from error
        tokens = await asyncio.to_thread(lambda: sum(len(made.tokenizer.encode(text)) for text in texts))
    rows = (_coded(vector_D, coded) for vector_D in vectors_ND)
    data = [{"object": "embedding", "index": number, "embedding": row} for number, row in enumerate(rows)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": asked.model, "usage": usage})


def texts_of(asked: Embeddings, limits: Limits) -> list[str]:
    """The texts. Raises Fault where they are too many, too long, empty, or no texts."""
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    if not 0 < len(given) <= limits.texts or not all(isinstance(text, str) and text.strip() for text in given):
        raise Fault(400, f"input: a text or 1 to {limits.texts} of them, none of them empty; ids are not read", "input", "invalid_value")
    if sum(map(len, given)) > limits.text_characters:
        raise Fault(400, f"input: more than {limits.text_characters:,} characters", "input", "invalid_value")
    return given


def _embedder(served: Served, asked: Embeddings) -> "Embedder":
    """What makes the vectors. Raises Fault for a model that makes none, and for vectors of another form."""
    made = served.embedder
    if made is None:
        raise Fault(400, f"model {asked.model!r} makes no sentence vectors; one such as e5 does", "model", "model_not_suitable")
    dim = made.model.recipe.block.dim
    if asked.dimensions not in (None, dim):
        raise Fault(400, f"dimensions: this model's vectors have {dim}, and are not cut", "dimensions", "invalid_value")
    if asked.input_type is not None and asked.input_type not in KINDS:
        raise Fault(400, f"input_type: is {' or '.join(KINDS)}", "input_type", "invalid_value")
    return made


def _coded(vector_D: np.ndarray, coded: str) -> Any:
    floats_D = np.ascontiguousarray(vector_D, "<f4")
    return base64.b64encode(floats_D.tobytes()).decode() if coded == "base64" else [float(str(number)) for number in floats_D]
