"""Fence: what stands between the guard and the page: no file is served or named but those in the page's own folder, which has a bound."""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duomo.serve.fault import Fault, busy
from duomo.serve.limits import Limits
from duomo.serve.state import Page
from duomo.serve.wire import read_json

FILE = "/gradio_api/file="
UPLOAD = "/gradio_api/upload"
JSON = ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset")
Scope = Any


@dataclass(eq=False)
class Fence:
    """The page, in an ASGI application that looks at each request first."""

    page: Page
    limits: Limits

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One ASGI call. Raises Fault for a file that is not the page's, and for a body that is not what the page sends."""
        path = scope["path"]
        if path.startswith(FILE) and not inside(path.removeprefix(FILE), self.page.folder):
            raise Fault(404, "no such file", code="unknown_route")
        if path == UPLOAD:
            self._make_room()
        if path in JSON:
            receive = await self._checked(receive)
        scope = scope | {"headers": [pair for pair in scope["headers"] if not pair[0].startswith(b"x-forwarded-")]}
        await self.page.app(scope, receive, send)

    async def _checked(self, receive: Any) -> Any:
        """What gives the body again, once it was read and found harmless."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return lambda: _given(message)
            body, more = body + message.get("body", b""), message.get("more_body", False)
        refuse_paths(read_json(body, self.limits.json_depth), self.page.folder)
        return _again(body, receive)

    def _make_room(self) -> None:
        """Deletes files that are old. Raises Fault where there are still too many bytes of them."""
        held, now = 0, time.time()
        for path in self.page.folder.rglob("*"):
            try:
                known = path.lstat()
                if stat.S_ISREG(known.st_mode) and now - max(known.st_mtime, known.st_ctime) > self.limits.page_seconds:
                    path.unlink()
                elif stat.S_ISREG(known.st_mode):
                    held += known.st_size
            except OSError:  # gone meanwhile
                continue
        if held + self.limits.body_bytes > self.limits.page_bytes:
            raise busy("the page holds too many files; come again", 60)


def inside(path: str, folder: Path) -> bool:
    """Whether a path is that of a file in a folder, and no link leads out of it."""
    if "\0" in path or not path.startswith("/"):
        return False
    real = os.path.realpath(path)
    return real.startswith(f"{folder.resolve()}{os.sep}") and os.path.isfile(real)


def refuse_paths(tree: Any, folder: Path) -> None:
    """Raises Fault where a body names a file that is not in the folder, or an address: nothing is ever fetched or opened for it."""
    for name in _paths(tree):
        if not inside(name, folder):
            raise Fault(400, "a file was named that was not sent to this page; send it first", code="invalid_file")


def _paths(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "path" and isinstance(value, str):
                yield value
            yield from _paths(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _paths(value)


async def _given(message: Any) -> Any:
    return message


def _again(body: bytes, receive: Any) -> Any:
    told = False

    async def again() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
