"""Patient: the HTTP protocol of uvicorn, which waits for a request's head for a bounded time, on a bounded number of connections."""

import asyncio
from typing import Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from duomo.serve.limits import Limits


class Patient(H11Protocol):
    """Closes a connection whose next head is not whole in time, counted from its first byte; of a new connection from its start.

    uvicorn itself would wait for a first byte, and for a last, for ever.
    """

    limits = Limits()
    due: asyncio.TimerHandle | None = None  # when a head must be whole
    end: asyncio.TimerHandle | None = None  # when a body that nobody reads must be over

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._wait()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop("due")
        else:
            self._wait()  # the body that nobody read is over
        if self.conn.their_state is not h11.SEND_BODY:
            self._stop("end")

    def on_response_complete(self) -> None:
        """A request was answered."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.end = self.loop.call_later(self.limits.linger_seconds, self.transport.abort)
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:  # of the next head a part is here
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop("due")
        self._stop("end")
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.due is None and self.conn.their_state is h11.IDLE:
            self.due = self.loop.call_later(self.limits.head_seconds, self._late)

    def _stop(self, name: Literal["due", "end"]) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)

    def _late(self) -> None:
        self.due = None
        if self.conn.their_state is h11.IDLE:
            self.transport.abort()


def patient(limits: Limits) -> type[Patient]:
    """The protocol with these limits, for uvicorn's `http`."""
    return type("Patient", (Patient,), {"limits": limits})
