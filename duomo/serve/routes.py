"""Routes: all of them, each with its access, in one table. What does not stand here is not reached."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from duomo.serve.access import Access
from duomo.serve.limits import MIB

Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """A way to ask. `takes`: the kind of body; `handler`: the name of a module of this package and of a function in it; "": the page's own.

    `policy`: which of `access.POLICIES` an answer gets; `most`: bytes of a body, where that is less than of all.
    """

    path: str
    access: Access
    handler: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    takes: Literal["json", "form", "fields"] | None = None
    fields: str = ""  # the record in `fields` that a body is
    policy: Literal["api", "form", "page", "asset", "view", "file"] = "api"
    most: int | None = None

    def matches(self, path: str) -> bool:
        """Whether a path is one of this route; what stands in braces is any rest."""
        head, brace, _ = self.path.partition("{")
        return path.startswith(head) and len(path) > len(head) if brace else path == self.path


POST, GET = ("POST",), ("GET",)
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
    Route("/login", "open", "front.form", policy="form"),
    Route("/login", "open", "front.login", POST, "fields", policy="form", most=4096),
    Route("/logout", "page", "front.logout", POST, policy="form", most=0),
    Route("/", "page", "", policy="page"),
    Route("/view/{path}", "page", "", GET, policy="view"),
    Route("/theme.css", "page", "", policy="asset"),
    Route("/favicon.ico", "page", "", policy="asset"),
    Route("/assets/{path}", "page", "", policy="asset"),
    Route("/static/{path}", "page", "", policy="asset"),
    Route("/gradio_api/heartbeat/{session}", "page", "", GET, policy="page"),
    Route("/gradio_api/queue/join", "page", "", POST, "json", policy="page", most=2 * MIB),
    Route("/gradio_api/queue/data", "page", "", GET, policy="page"),
    Route("/gradio_api/cancel", "page", "", POST, "json", policy="page", most=65_536),
    Route("/gradio_api/reset", "page", "", POST, "json", policy="page", most=65_536),
    Route("/gradio_api/upload", "page", "", POST, "form", policy="page"),
    Route("/gradio_api/upload_progress", "page", "", GET, policy="page"),
    Route("/gradio_api/file={path}", "page", "", policy="file"),  # of its own cache alone: `page.front` looks
)

GRADIO = "/gradio_api/"
REFUSED: tuple[str, ...] = (  # what Gradio has besides and nobody reaches: each is a decision, too (tests/test_page.py)
    "/login/", "/config", "/config/", "/robots.txt", "/manifest.json", "/pwa_icon", "/pwa_icon/{size}", "/svelte/{path:path}",
    "/monitoring", "/monitoring/summary", "/monitoring/{key}",
    *(GRADIO + name for name in (
        "user", "login_check", "token", "app_id", "runs", "info", "component_server", "dev/reload", "deep_link", "openapi.json",
        "custom_component/{id}/{environment}/{type}/{file_name}", "proxy={url_path:path}", "file/{path:path}", "stream/{event_id}",
        "stream/{event_id}/close", "stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
        "stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}", "stream/{session_hash}/{run}/{component_id}/playlist-file",
        "api/{api_name}", "run/{api_name}", "call/{api_name}", "call/v2/{api_name}", "call/{api_name}/{event_id}",
        "call/v2/{api_name}/{event_id}", "queue/status", "startup-events", "theme.css", "process_recording", "vibe-edit",
        "undo-vibe-edit", "vibe-code", "vibe-starter-queries",
    )),
)  # fmt: skip


def route_of(path: str, method: str = "") -> Route | None:
    """The row of a path; of several the one that takes the method, else the first; None where there is none."""
    found = [route for route in ROUTES if route.matches(path)]
    return next((route for route in found if method in route.methods), found[0] if found else None)
