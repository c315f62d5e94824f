"""Laws of the gate, on a live server: where nobody can be taken, nothing of a request is read; where somebody may be, all of it is."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager, contextmanager

import pytest

from duomo.generate import Sampling
from duomo.serve.access import Door, hashed
from duomo.serve.models import Offer, Served
from duomo.serve.queue import Queue, Request
from duomo.serve.queue_test import Held, speaker
from tests.served import OFFERS, serving
from tests.small import question

KEY = "qN3v-8Zt_Lw0rXy5Pb2KdMfHsUeGcJaT"
BODY = json.dumps({"model": "small", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}).encode()
PATHS = ("/v1/chat/completions", "/v1/completions")


@contextmanager
def house(*more):
    """A server and its queue, of two places."""
    queue = Queue(speaker(), rows=1, waiting=1, tokens=240)
    offers = (Offer("small", 1, lambda: Served(queue, continued=lambda text: [40], sayable=lambda id: True)), *more)
    with serving(offers=offers, door=Door((hashed(KEY, ""),))) as port:
        assert asyncio.run(status(port, PATHS[0], BODY)) == 200
        yield port, queue


@asynccontextmanager
async def crowded(queue):
    """While it is full."""
    held = Held()
    asked = [queue.ask(Request(question("text", 0), Sampling(max_tokens=2), allow=held)) for _ in range(2)]
    try:
        yield
    finally:
        for pieces in asked:
            pieces.close()
        held.go.set()


async def status(port, path, body, key=KEY, size=None):
    """Of the answer to a head and as much of a body as is given."""
    return await asyncio.to_thread(_status, port, path, body, key, size)


def _status(port, path, body, key, size):
    heads = {"Host": "localhost", "Authorization": f"Bearer {key}", "Content-Type": "application/json", "Content-Length": size or len(body)}
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall("\r\n".join((f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in heads.items()), "", "")).encode() + body)
        return int(link.recv(12)[9:])


@pytest.mark.parametrize("path", PATHS)
def test_who_would_be_refused_is_refused_at_the_head_and_who_has_no_key_first(path):
    async def ask(port, queue):
        async with crowded(queue):
            assert await status(port, path, b"", size=5000) == 429, "of the body nothing has come"
            assert await status(port, path, b"no JSON") == 429
            assert await status(port, path, b"", size=5000, key="wrong") == 401
            assert await status(port, "/v1/embeddings", b"no JSON") == 400, "this one has no queue"
        assert await status(port, path, b"no JSON") == 400

    with house() as (port, queue):
        asyncio.run(ask(port, queue))


def test_where_another_model_may_have_room_the_name_is_read_first():
    async def ask(port, queue):
        async with crowded(queue):
            assert await status(port, PATHS[0], BODY) == 429
            assert await status(port, PATHS[0], b"no JSON") == 400
            assert await status(port, PATHS[0], BODY.replace(b"small", b"whisper")) == 400, "it writes no answers"

    with house(OFFERS[2]) as (port, queue):
        asyncio.run(ask(port, queue))
