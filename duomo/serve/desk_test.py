"""Laws of the desk: those who wait are read together, each as it would be alone, and nobody's going or fault touches another."""

import asyncio
import threading

import numpy as np
import pytest

from duomo.serve.desk import Desk
from duomo.vectors_test import embedder

TEXTS = [["the cat sat"], ["the cat", "the cat sat on the mat"], ["the mat"], ["the cat sat"], ["on"]]


class Reader:
    """The embedder, which waits at its first batch until it may go on, and notes how many texts each batch has."""

    def __init__(self):
        self.made, self.sizes, self.reached, self.go = embedder(), [], threading.Event(), threading.Event()

    def __call__(self, texts, kind):
        self.sizes.append(len(texts))
        if len(self.sizes) == 1:
            self.reached.set()
            assert self.go.wait(60), "never let go"
        if "" in texts:
            raise ValueError("an empty text")
        return self.made.embed(texts, kind)


async def behind(reader, calls, desk, act=lambda tasks: None):
    """What became of calls behind a first one that is being read; `act` on their tasks before it goes on."""
    turns = asyncio.Lock()
    tasks = [asyncio.ensure_future(desk.vectors(reader, calls[0], "passage", turns))]
    await asyncio.to_thread(reader.reached.wait)
    tasks += [asyncio.ensure_future(desk.vectors(reader, texts, "passage", turns)) for texts in calls[1:]]
    await asyncio.sleep(0.01)
    act(tasks)
    reader.go.set()
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    assert not desk.calls
    return found


def test_who_waits_is_read_in_one_batch_and_gets_what_it_gets_alone():
    reader = Reader()
    found = asyncio.run(behind(reader, TEXTS, Desk()))
    assert reader.sizes == [1, 5]
    for texts, vectors in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vectors, embedder().embed(texts, "passage"), atol=1e-5)


def test_a_batch_has_a_bound():
    reader = Reader()
    asyncio.run(behind(reader, TEXTS, Desk(most=3)))
    assert reader.sizes == [1, 3, 2]


def test_a_text_that_can_not_be_read_is_its_own_callers_fault():
    first, wrong, right = asyncio.run(behind(Reader(), [["the cat"], [""], ["the mat"]], Desk()))
    assert isinstance(wrong, ValueError) and len(first) == len(right) == 1


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_who_goes_takes_no_others_vectors_along(gone):
    found = asyncio.run(behind(Reader(), TEXTS, Desk(), lambda tasks: tasks[gone].cancel()))
    assert isinstance(found[gone], asyncio.CancelledError)
    assert all(len(vectors) == len(texts) for texts, vectors in zip(TEXTS, found, strict=True) if not isinstance(vectors, BaseException))
    assert sum(isinstance(one, BaseException) for one in found) == 1
