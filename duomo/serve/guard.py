"""Guard: what stands before every route: access, limits on what comes in, headers on what goes out, one line of the log a request."""

import asyncio
import json
import logging
import secrets
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from duomo.serve.access import POLICIES, SECURE, Door, check_content
from duomo.serve.fault import Fault, busy
from duomo.serve.limits import Limits
from duomo.serve.metrics import Metrics
from duomo.serve.routes import ROUTES, Route, route_of
from duomo.serve.sessions import Sessions, token_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
LOG = "duomo.serve"


@dataclass(eq=False)
class Guard:
    """The app behind its door. Of what fails inside, the log is told where, and not with which text: it may hold a prompt."""

    app: App
    door: Door
    limits: Limits
    metrics: Metrics
    sessions: Sessions = field(default_factory=Sessions)
    held: int = 0
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(LOG))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        began, route = time.monotonic(), route_of(scope["path"], scope["method"])
        passage = Passage(self, scope, receive, send, route)
        try:
            await passage.through()
        finally:
            self._told(scope, route, passage.status or 499, time.monotonic() - began)

    def _told(self, scope: Scope, route: Route | None, status: int, seconds: float) -> None:
        name = route.path if route else "unknown"
        self.metrics.count(name, status, seconds)
        method = scope["method"] if route else "-"
        self.log.info("%s %s %d %.0f ms", method, name, status, 1e3 * seconds)


@dataclass(eq=False)
class Passage:
    """One request on its way through the guard."""

    guard: Guard
    scope: Scope
    inner_receive: Receive
    inner_send: Send
    route: Route | None
    status: int = 0
    came: int = 0  # bytes of the body
    due: float = 0.0
    more: bool = True
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))  # what scripts of the page itself bear

    async def through(self) -> None:
        """Checks the head, then calls the app; the bytes of a body count as held until it is answered."""
        try:
            origin = self._checked()
            if origin is not None and self.scope["method"] == "OPTIONS":
                await self._answer(204, b"", _preflight(origin))
                return
            await self.guard.app(dict(self.scope) | {"duomo.nonce": self.nonce}, self.receive, self.send)
        except Fault as fault:
            await self._fail(fault)
        except Exception as error:  # of the app, which has answered; where it has not, uvicorn closes the connection
            if type(error).__name__ != "ClientDisconnect":
                self.guard.log.error("%s: %s", type(error).__name__, _places(error))
        finally:
            self._hold(-self.came)

    def _checked(self) -> str | None:
        """The listed origin of another site that asks, if one does. Raises Fault."""
        door, heads = self.guard.door, self.scope["headers"]
        host = _one(heads, b"host")
        door.check_host(host)
        origin = _one(heads, b"origin")
        door.check_origin(origin, host or "", None if self.scope["method"] == "GET" else _one(heads, b"sec-fetch-site"))
        listed = origin if origin in door.origins else None
        if listed is not None and self.scope["method"] == "OPTIONS" and not (self.route and self.route.access == "page"):
            return listed
        self._check_asker(listed)
        if self.route is None:
            raise Fault(404, "no such route; GET /v1/models is one", code="unknown_route")
        if self.scope["method"] not in self.route.methods:
            allow = ", ".join(dict.fromkeys(method for one in ROUTES if one.path == self.route.path for method in one.methods))
            raise Fault(405, f"this route takes {allow}", code="wrong_method", headers={"Allow": allow})
        check_content(self.route.takes, _one(heads, b"content-type"), _one(heads, b"content-encoding"))
        length = _one(heads, b"content-length") or "0"
        if length.isdigit() and len(length) < 20 and int(length) > self.most:
            raise _too_large(self.most)
        self.due = time.monotonic() + self.guard.limits.body_seconds
        return listed

    def _check_asker(self, listed: str | None) -> None:
        """Raises Fault for who shows neither a key nor, on the page's own routes, the cookie of a session.

        A cookie counts for the page alone, and for nobody who comes from another site, listed or not: a browser sends it unasked.
        """
        heads, access = self.scope["headers"], self.route.access if self.route else "key"
        if access == "page" and listed is not None:
            raise Fault(403, "the page is for browsers at this address; other sites may use /v1", code="unknown_origin")
        if access == "page" and self.guard.sessions.known(token_of(_cookies(heads))):
            return
        try:
            self.guard.door.check_key(_one(heads, b"authorization"), access)
        except Fault as fault:
            asks = self.route is not None and self.route.path == "/" and _one(heads, b"authorization") is None
            raise Fault(303, "log in", code="login", headers={"Location": "/login"}) if asks else fault from None

    @property
    def most(self) -> int:
        """How many bytes a body may have."""
        own = self.route.most if self.route else None
        return self.guard.limits.body_bytes if own is None else min(own, self.guard.limits.body_bytes)

    async def receive(self) -> Message:
        """The app's `receive`: counts bytes, and waits no longer than a body of this size may take."""
        if not self.more:
            return await self.inner_receive()
        limits = self.guard.limits
        try:
            async with asyncio.timeout(self.due + self.came / limits.body_rate - time.monotonic()):
                message = await self.inner_receive()
        except TimeoutError:
            raise Fault(408, "the body came too slowly", code="too_slow") from None
        self.more = message["type"] == "http.request" and message.get("more_body", False)
        size = len(message.get("body", b""))
        self.came += size
        self._hold(size)
        if self.came > self.most:
            raise _too_large(self.most)
        if self.guard.held > limits.held_bytes:
            raise busy("too much is being read at once; come again", 1)
        return message

    async def send(self, message: Message) -> None:
        """The app's `send`: adds the headers; ends where the client leaves the answer unread."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            origin = _one(self.scope["headers"], b"origin")
            own = dict(SECURE) | (_shared(origin) if origin in self.guard.door.origins else {}) | dict(self._policy())
            kept = _others(message.get("headers", []), own, self.route is not None and self.route.access == "page")
            message["headers"] = [*kept, *_raw(own)]
        async with asyncio.timeout(self.guard.limits.send_seconds):
            await self.inner_send(message)

    def _policy(self) -> Mapping[str, str]:
        """What differs for this route; errors are not kept."""
        policy = POLICIES[self.route.policy] if self.route else {}
        made = {name: value.replace("{nonce}", self.nonce) for name, value in policy.items()}
        return made if self.status < 400 else {name: value for name, value in made.items() if name != "Cache-Control"}

    async def _fail(self, fault: Fault) -> None:
        headers = {"Content-Type": "application/json", **fault.headers}
        await self._answer(fault.status, json.dumps(fault.envelope()).encode(), headers)

    async def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        headers = headers | {"Content-Length": str(len(body))}
        await self.send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
        await self.send({"type": "http.response.body", "body": body})

    def _hold(self, size: int) -> None:
        self.guard.held += size
        self.guard.metrics.bytes_held.set(self.guard.held)


def _too_large(most: int) -> Fault:
    size = f"{most / 2**20:.0f} MiB" if most >= 2**20 else f"{most:,} bytes"
    return Fault(413, f"the body is larger than {size}; send less", code="body_too_large")


def _cookies(heads: list[tuple[bytes, bytes]]) -> str:
    """All of them: HTTP/2 proxies may send several headers."""
    return "; ".join(value.decode("latin-1") for key, value in heads if key == b"cookie")


def _others(heads: Iterable[tuple[bytes, bytes]], own: Mapping[str, str], page: bool) -> list[tuple[bytes, bytes]]:
    """An app's headers without those that the guard sets; of the page also without its own word on who else may read."""
    names = {name.lower().encode() for name in own}
    kept = [(key, value) for key, value in heads if key.lower() not in names]
    return [(key, value) for key, value in kept if not (page and key.lower().startswith(b"access-control-"))]


def _one(heads: list[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The value of a header. Raises Fault where there are several: a proxy may have read another one."""
    found = [value for key, value in heads if key == name]
    if len(found) > 1:
        raise Fault(400, f"several {name.decode()} headers; send one", code="invalid_header")
    return found[0].decode("latin-1") if found else None


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1", errors="replace")) for name, value in headers.items()]


def _shared(origin: str | None) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin or "", "Vary": "Origin", "Cross-Origin-Resource-Policy": "cross-origin"}


def _preflight(origin: str) -> dict[str, str]:
    allowed = {"Methods": "GET, POST", "Headers": "Authorization, Content-Type", "Max-Age": "600"}
    return {f"Access-Control-{'' if name == 'Max-Age' else 'Allow-'}{name}": value for name, value in allowed.items()}


def _places(error: BaseException) -> str:
    """Where a fault came from, without its text."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-8:])
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)


def noted(error: BaseException) -> None:
    """Logs where a fault of ours came from, without its text."""
    logging.getLogger(LOG).error("%s: %s", type(error).__name__, _places(error))


def logged(level: int = logging.INFO) -> None:
    """Sends the log to standard error, a line a request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger(LOG)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)
