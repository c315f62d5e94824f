"""Live: the server's process: it listens, and when it is told to end it lets answers end first."""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from duomo.serve.access import Door
from duomo.serve.app import guarded
from duomo.serve.patient import patient
from duomo.serve.state import State


class Draining(uvicorn.Server):
    """Ends the work of the models while uvicorn waits for the connections to close."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self.models, self.page = state.models, state.page

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As the base does."""
        drained = asyncio.ensure_future(self._drain())
        await super().shutdown(sockets)
        await drained

    async def _drain(self) -> None:
        await self.models.drain()
        if self.page is not None:
            self.page.end()


def server_of(state: State, door: Door) -> Draining:
    """A server, not yet listening."""
    limits, wait = state.limits, state.models.drain_seconds + 5
    config = uvicorn.Config(
        guarded(state, door),
        http=patient(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # its errors would tell the texts of exceptions, which may hold a prompt
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.head_bytes,
        timeout_graceful_shutdown=round(wait),
    )
    return Draining(config, state)


def listening(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0: any that is free. Raises ValueError where it is in use or not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(512)
        return made
    except (OSError, OverflowError) as error:
        raise ValueError(f"--host {host} --port {port}: can not listen there ({error}); choose another port") from error


def live(state: State, door: Door, at: socket.socket, started: Callable[[int], None] = lambda port: None) -> None:
    """Serves until SIGTERM or Ctrl-C. `started` is told the port."""
    started(at.getsockname()[1])
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)  # uvicorn raises it once more at its end, to kill the process
    try:
        with suppress(KeyboardInterrupt):
            server_of(state, door).run([at])
    finally:
        signal.signal(signal.SIGTERM, before)
