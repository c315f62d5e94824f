"""Laws of pieces: whoever leaves frees a place at once, whatever has become of the request by then."""

import asyncio

import pytest

from duomo.generate import Sampling
from duomo.serve.queue import Full, Request
from duomo.serve.queue_test import Held, endless, opened, quiet, until
from tests.small import question


def test_pieces_that_are_closed_free_their_row_before_the_next_step_in_every_phase():
    async def closed(queue, phase):
        held = Held(after=5)
        pieces = queue.ask(Request(question("text", 0), Sampling(max_tokens=200), allow=held))
        if phase == "being read":
            await until(lambda: queue._come or queue.gauges["turns"])
        elif phase == "running":
            await anext(pieces)
            await until(held.reached.is_set)
        before = queue.gauges["turns"]
        pieces.close()
        pieces.close()
        held.go.set()
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        return (await quiet(queue))["turns"] - before

    async def all_closed():
        async with opened(rows=1) as queue:
            return [await closed(queue, phase) for phase in ("waiting", "being read", "running") for _ in range(3)], len(queue._open)

    steps, left = asyncio.run(all_closed())
    assert max(steps) <= 1 and left == 0


def test_a_queue_that_is_full_says_so_and_takes_the_next_when_one_has_gone():
    held = Held()

    async def crowd():
        async with opened(rows=1, waiting=1) as queue:
            asked = []
            for _ in range(2):
                assert queue.full is None
                asked.append(queue.ask(Request(question("text", 0), allow=held)))
            assert isinstance(queue.full, Full)
            with pytest.raises(Full):
                queue.ask(endless())
            asked[0].close()
            assert queue.full is None
            queue.ask(endless()).close()
            asked[1].close()
            held.go.set()

    asyncio.run(crowd())
