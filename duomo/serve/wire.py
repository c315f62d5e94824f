"""Wire: bytes of a request become JSON, or a Fault: never deeper, longer or stranger than is allowed."""

import json
import re
from typing import Any, NoReturn

from duomo.serve.fault import Fault

HALVES = re.compile(r"[\ud800-\udfff]")
NOT_BRACKETS = bytes(sign for sign in range(256) if sign not in b"[]{}")
MOST_VALUES = 100_000  # of one body: two bytes of it can become sixty-four in memory
MOST_ESCAPES = 2_000_000  # the parser takes each by itself; of text there may be half as much


def read_json(body: bytes, depth: int) -> dict[str, Any]:
    """The object that a body holds. Raises Fault: not UTF-8, not JSON, no object, too deep, no finite number, half a character."""
    _refuse_structure(body, depth)
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise Fault(400, "the body is not UTF-8; encode it", code="invalid_json") from error
    except (ValueError, RecursionError) as error:
        told = error.msg if isinstance(error, json.JSONDecodeError) else "a number out of range"
        raise Fault(400, f"the body is not JSON ({told}); send one JSON object", code="invalid_json") from error
    if not isinstance(found, dict):
        raise Fault(400, "the body is JSON, but no object; send one with named fields", code="invalid_json")
    if rb"\u" in body and half(found):
        raise Fault(400, "a text holds half a character (a lone surrogate); send whole ones", code="invalid_json")
    return found


def _refuse_structure(body: bytes, depth: int) -> None:
    """Counts what stands outside of texts, so that no parser has to go there; every pass over the body is one of C's."""
    if body.count(b"\\") > MOST_ESCAPES:
        raise Fault(400, f"the JSON holds more than {MOST_ESCAPES:,} escaped characters; send them as UTF-8", code="json_too_large")
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # now a quotation mark begins or ends a text
    bare = b"".join(plain.split(b'"')[::2]) if plain.count(b'"') <= 4 * MOST_VALUES else b"," * (MOST_VALUES + 1)
    brackets = bare.translate(None, NOT_BRACKETS)
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > MOST_VALUES or len(brackets) > 2 * MOST_VALUES:
        raise Fault(400, f"the JSON holds more than {MOST_VALUES:,} values; send fewer", code="json_too_large")
    here = 0
    for sign in brackets:
        here += 1 if sign in b"[{" else -1
        if here > depth:
            raise Fault(400, f"the JSON is nested deeper than {depth}; send a flatter one", code="json_too_deep")


def half(value: Any) -> bool:
    """Whether a text inside holds a lone surrogate, which has no bytes."""
    if isinstance(value, str):
        return HALVES.search(value) is not None
    if isinstance(value, dict):
        return any(half(key) or half(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(half, value))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return number
