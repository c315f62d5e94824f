"""Structured: answers that are JSON, by a schema where one is given (llguidance masks what would break it). V = vocabulary."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from duomo.serve.fault import Fault
from duomo.tokenizer import Tokenizer

WHERE = "response_format"
ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
NO_SPACE = {"whitespace_flexible": False}  # a small model could go on with white space for ever
EXTRA = "response_format needs llguidance: pip install 'duomo[serve]'"


@dataclass(eq=False)
class Guide:
    """Which tokens may come next in one answer, as the queue asks (`Allow`). It follows what is said: each answer needs one of its own."""

    matcher: Any
    size: int

    def mask(self) -> Tensor:
        """(V,) bool. Raises ValueError where the schema turned out too complex."""
        self._check(not self.matcher.is_error())
        bits = np.unpackbits(np.frombuffer(self.matcher.compute_bitmask(), np.uint8), bitorder="little")
        return torch.from_numpy(bits[: self.size].astype(bool))

    def take(self, id: int) -> None:
        """This id was said. Raises ValueError where it breaks the schema."""
        self._check(self.matcher.consume_token(id))

    def _check(self, good: bool) -> None:
        if not good:
            raise ValueError(f"{WHERE}: {(self.matcher.get_error().splitlines() or [''])[0][:200]}; simplify the schema")


@dataclass(frozen=True)
class Guides:
    """Makes guides for one model's tokenizer; `size` is that of its logits."""

    tokenizer: Tokenizer
    size: int

    def guide(self, schema: Mapping[str, Any]) -> Guide:
        """A guide of one answer. Raises Fault for a schema that is none, or that is not understood."""
        made, matcher = _inner(self.tokenizer), _library().LLMatcher
        grammar = matcher.grammar_from_json_schema(json.dumps(schema), overrides=NO_SPACE)
        if told := matcher.validate_grammar(grammar, made):
            if not told.startswith("WARNING"):
                raise Fault(400, f"{WHERE}: {told.splitlines()[0][:200]}", WHERE, "invalid_schema")
        return Guide(matcher(made, grammar, log_level=0), self.size)


def schema_of(wanted: Mapping[str, Any] | None, longest: int) -> Mapping[str, Any] | None:
    """The JSON schema that an answer must meet; None: any text. Raises Fault for an unknown format, and a schema that is too long."""
    kind = None if wanted is None else wanted.get("type")
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return ANY_OBJECT
    given = wanted.get("json_schema")
    schema = given.get("schema") if isinstance(given, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        told = 'text, json_object, or {"type": "json_schema", "json_schema": {"name": …, "schema": {…}}}'
        raise Fault(400, f"{WHERE}: is {told}", WHERE, "invalid_value")
    if len(json.dumps(schema)) > longest:
        raise Fault(400, f"{WHERE}: a schema of more than {longest:,} characters; shorten it", WHERE, "invalid_schema")
    return schema


@lru_cache(maxsize=8)
def _inner(tokenizer: Tokenizer) -> Any:
    """The same tokenizer as llguidance reads it; to make it takes up to a second."""
    return _library().LLTokenizer(tokenizer.inner.to_str(), n_vocab=tokenizer.vocab_size, eos_token=tokenizer.stop_id)


def _library() -> Any:
    try:
        import llguidance
    except ImportError as error:
        raise ValueError(EXTRA) from error
    return llguidance
