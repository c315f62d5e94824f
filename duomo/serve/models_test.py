"""Laws of the shelf of models: opened when asked for, within the budget, never let go while in use."""

import asyncio
from dataclasses import replace

import pytest

from duomo.serve.fault import Fault
from duomo.serve.models import Offer, Served, models


def shelf(budget, **sizes):
    opened = []
    offers = [Offer(name, size, lambda name=name: opened.append(name) or Served()) for name, size in sizes.items()]
    return models(offers, budget), opened


def test_a_model_is_opened_when_it_is_first_asked_for_and_once():
    known, opened = shelf(10, a=1, b=1)

    async def ask():
        assert not opened
        leases = await asyncio.gather(*(known.take("a") for _ in range(5)))
        assert opened == ["a"] and known.held["a"].users == 5
        for lease in leases * 2:
            lease.give_back()
        assert known.held["a"].users == 0

    asyncio.run(ask())


def test_who_was_idle_longest_makes_room():
    known, opened = shelf(2, a=1, b=1, c=1)

    async def ask():
        for name in ("a", "b", "a", "c", "a"):
            async with known.use(name):
                assert known.bytes <= 2
        assert (opened, sorted(known.held)) == (["a", "b", "c"], ["a", "c"])

    asyncio.run(ask())


def test_who_is_in_use_stays_and_the_next_comes_again_later():
    known, opened = shelf(1, a=1, b=1)

    async def ask():
        async with known.use("a"):
            with pytest.raises(Fault) as caught:
                await known.take("b")
            assert caught.value.status == 429 and int(caught.value.headers["Retry-After"]) > 0
        (await known.take("b")).give_back()
        assert opened == ["a", "b"]

    asyncio.run(ask())


def test_an_unknown_name_tells_the_nearest():
    known, _ = shelf(1, smollm2=1)
    for name, told in (("smolm2", "did you mean 'smollm2'?"), ("zzz", "there are: smollm2")):
        with pytest.raises(Fault, match=told) as caught:
            asyncio.run(known.take(name))
        assert caught.value.status == 404


def test_what_never_fits_and_two_of_one_name_are_told_at_once():
    with pytest.raises(ValueError, match="raise it"):
        shelf(1, a=2)
    with pytest.raises(ValueError, match="two models"):
        models([Offer("a", 1, Served), Offer("a", 1, Served)], 10)


class Broken:
    """A queue whose thread has died."""

    async def ready(self):
        return False


def test_a_model_that_has_failed_is_opened_anew():
    known, opened = shelf(1, a=1)

    async def ask():
        (await known.take("a")).give_back()
        known.held["a"].served = replace(known.held["a"].served, queue=Broken())
        assert not await known.ready()
        (await known.take("a")).give_back()
        assert opened == ["a", "a"] and await known.ready()

    asyncio.run(ask())


def test_one_call_at_a_time_and_few_wait():
    known, _ = shelf(1, a=1)
    running, most = [], []

    async def call():
        async with known.turn("a", 2):
            running.append(1)
            most.append(len(running))
            await asyncio.sleep(0.01)
            running.pop()

    async def ask():
        (await known.take("a")).give_back()
        ended = await asyncio.gather(*(call() for _ in range(4)), return_exceptions=True)
        assert max(most) == 1 and [type(one) for one in ended] == [type(None)] * 2 + [Fault] * 2

    asyncio.run(ask())


def test_nothing_new_is_taken_while_it_goes_down():
    known, _ = shelf(1, a=1)

    async def ask():
        await known.drain()
        with pytest.raises(Fault) as caught:
            await known.take("a")
        assert caught.value.status == 503

    asyncio.run(ask())
