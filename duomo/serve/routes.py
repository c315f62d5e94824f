"""Routes: all of them, each with its access, in one table. What does not stand here is not reached."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from duomo.serve.access import Access

Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """A way to ask. `takes`: the kind of body; `handler`: the name of a module of this package and of a function in it."""

    path: str
    access: Access
    handler: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    takes: Literal["json", "form"] | None = None
    fields: str = ""  # the record in `fields` that a body is

    def matches(self, path: str) -> bool:
        """Whether a path is one of this route; what stands in braces is any rest."""
        head, brace, _ = self.path.partition("{")
        return path.startswith(head) and len(path) > len(head) if brace else path == self.path


POST = ("POST",)
ROUTES: tuple[Route, ...] = (
    Route("/health", "open", "about.health"),
    Route("/ready", "key", "about.ready"),
    Route("/metrics", "key", "about.metrics"),
    Route("/openapi.json", "key", "about.openapi"),
    Route("/v1/models", "key", "about.models"),
    Route("/v1/models/{name:path}", "key", "about.model"),
    Route("/v1/chat/completions", "key", "chat.chat", POST, "json", "Chat"),
    Route("/v1/completions", "key", "completions.complete", POST, "json", "Completion"),
    Route("/v1/embeddings", "key", "embeddings.embed", POST, "json", "Embeddings"),
    Route("/v1/audio/transcriptions", "key", "speech.transcribe", POST, "form"),
    Route("/v1/audio/translations", "key", "speech.translate", POST, "form"),
)


def route_of(path: str) -> Route | None:
    """The row of a path; None where there is none."""
    return next((route for route in ROUTES if route.matches(path)), None)
