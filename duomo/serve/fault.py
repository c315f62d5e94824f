"""Fault: what a client did wrong, or what this server can not do now, in the shape that OpenAI's clients read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
SHOWN = 400  # characters of a message, at most: nobody's whole prompt comes back


@dataclass(eq=False)
class Fault(Exception):
    """An answer that is none. `param`: the field at fault; `code`: a word that programs may test."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def envelope(self) -> dict[str, Any]:
        """{"error": {message, type, param, code}}."""
        kind = TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": one_line(self.message), "type": kind, "param": self.param, "code": self.code}}


def busy(message: str, seconds: float) -> Fault:
    """429, with when to come again."""
    return Fault(429, message, code="rate_limit_exceeded", headers={"Retry-After": str(max(1, round(seconds + 0.5)))})


def crowded(seconds: float) -> Fault:
    """429 of a queue that is full."""
    return busy("too many requests wait already; come again", seconds)


def one_line(message: object) -> str:
    """A message on one line, of bounded length, without signs that JSON or a terminal could not show."""
    words = " ".join(str(message).encode(errors="replace").decode().split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}…"
