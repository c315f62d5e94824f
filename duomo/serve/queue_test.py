"""Laws of the queue: nobody's answer, fault or leaving touches another's."""

import asyncio
import threading
import time
from contextlib import aclosing, asynccontextmanager

import pytest
import torch

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate import Sampling, Speaker, generate
from duomo.sample import Part, ask
from duomo.serve.queue import Closed, Full, Piece, Queue, Request, TooLong
from tests.small import media, model, model_recipe, question, redrawn, tokenizer

KINDS = ("text", "image", "audio", "video")
ENDLESS = Sampling(max_tokens=200, repetition_penalty=1.5)


def speaker(**how):
    torch.set_num_threads(1)
    return Speaker(redrawn(model(model_recipe())), tokenizer(), **how)


@asynccontextmanager
async def opened(mine=None, **how):
    """A queue that is drained at the end."""
    queue = Queue(mine or speaker(), **{"rows": 4, "waiting": 8, "tokens": 4 * 240, "chunk": 16} | how)
    try:
        yield queue
    finally:
        await queue.drain(0)


async def said(queue, request):
    """All pieces of an answer."""
    return [piece async for piece in queue.stream(request)]


def endless(number=0):
    return Request(question("text", number), ENDLESS)


async def quiet(queue):
    """Waits until nothing is running; the gauges then."""
    await until(lambda: not any(queue.gauges[name] for name in ("running", "waiting", "cache_tokens")))
    return queue.gauges


async def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never"
        await asyncio.sleep(0.001)


class Held:
    """A grammar that never ends an answer, or a cutter that reads nothing: after so many calls it waits until it may go on.

    So the order of a test's steps does not hang on the machine's speed.
    """

    def __init__(self, after=0):
        self.left, self.reached, self.go = after, threading.Event(), threading.Event()

    def hold(self):
        if self.left == 0:
            self.reached.set()
            assert self.go.wait(60), "never let go"
        self.left -= 1

    def mask(self):
        self.hold()
        return [100, 101]

    def take(self, id):
        pass

    def __call__(self, part, cuts, root):
        self.hold()
        raise ValueError("no picture")


def test_many_at_once_are_told_what_each_is_told_alone():
    samples = [question(KINDS[n % 4], n) for n in range(10)]
    samplings = [Sampling(max_tokens=5 + n, temperature=n % 3 / 2, seed=n, stop=("e",) * (n % 2)) for n in range(10)]

    async def all_said():
        async with opened() as queue:
            found = await asyncio.gather(*(said(queue, Request(*both)) for both in zip(samples, samplings, strict=True)))
            return found, await quiet(queue)

    found, gauges = asyncio.run(all_said())
    assert [pieces[-1].finish in ("stop", "length") for pieces in found] == [True] * 10
    assert all(piece.finish is None for pieces in found for piece in pieces[:-1])
    for pieces, sample, sampling in zip(found, samples, samplings, strict=True):
        alone = speaker(sampling=sampling)
        assert "".join(piece.text for piece in pieces) == "".join(alone.stream(sample))
        assert pieces[-1].prompt_tokens == alone.length(sample) and pieces[-1].completion_tokens <= sampling.max_tokens
    assert gauges["tokens"] >= sum(pieces[-1].completion_tokens for pieces in found) and gauges["tokens_per_second"] > 0


def test_a_raw_prompt_goes_on_where_it_ends():
    ids = tokenizer().encode("the cat sat on")

    async def raw():
        async with opened() as queue:
            return await said(queue, Request(ids=tuple(ids), sampling=Sampling(max_tokens=8), logprobs=2))

    pieces = asyncio.run(raw())
    item = prompt([Rendered(ids, [False] * len(ids))], "decoder")
    wanted = [int(id) for id in generate(speaker().model, item, Sampling(max_tokens=8), tokenizer().stop_id)]
    tokens = [token for piece in pieces for token in piece.logprobs]
    assert [token.id for token in tokens] == wanted and all(len(token.top) == 2 for token in tokens)


def test_what_can_not_be_asked_is_refused_before_the_first_piece():
    refused = {
        "20 alternatives, not 99": Request(question("text", 0), logprobs=99),
        "beams are not searched": Request(question("text", 0), Sampling(beams=2)),
        "give one of them": Request(),
        "between 0 and 399": Request(ids=(400,)),
        "one token or more": Request(ids=()),
        "1 placeholders but 0 patches": Request(ids=(tokenizer().special["<|image|>"],)),
        "can not be read|cannot|not an image": Request(ask(Part("image", b"no picture"), "what?")),
    }

    async def all_refused():
        async with opened() as queue:
            for words, request in refused.items():
                with pytest.raises(ValueError, match=words):
                    await said(queue, request)
            with pytest.raises(TooLong, match="tokens, but a prompt has at most 240 here"):
                await said(queue, Request(ask("书" * 300)))
            assert (await said(queue, Request(question("image", 1))))[-1].finish
            await quiet(queue)

    asyncio.run(all_refused())


def test_one_too_many_is_told_when_to_come_again():
    held = Held()

    async def crowd():
        async with opened(rows=2, waiting=3) as queue:
            one = Request(question("text", 0), Sampling(max_tokens=5), allow=held)
            tasks = [asyncio.ensure_future(said(queue, one)) for _ in range(9)]
            await until(lambda: sum(task.done() for task in tasks) == 4)
            held.go.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert await queue.ready()
            return found

    found = asyncio.run(crowd())
    full = [one for one in found if isinstance(one, Full)]
    assert len(full) == 4 and {one.retry_after for one in full} == {1}, "five that take a second each: one has ended by then"
    assert all(one[-1].finish for one in found if not isinstance(one, Full))


def test_a_hundred_cancelled_in_every_phase_leave_nothing():
    async def go_away(queue, phase, number):
        kind = KINDS[number % 4]
        task = asyncio.ensure_future(said(queue, Request(question(kind, number), ENDLESS)))
        await asyncio.sleep((0, 0.0005, 0.003, 0.01, 0.05)[phase])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def all_gone():
        async with opened(rows=4, waiting=200) as queue:
            steady = asyncio.ensure_future(said(queue, Request(question("image", 3), Sampling(max_tokens=150))))
            await asyncio.gather(*(go_away(queue, n % 5, n) for n in range(100)))
            pieces = await steady
            await quiet(queue)
            return "".join(piece.text for piece in pieces)

    assert asyncio.run(all_gone()) == "".join(speaker(sampling=Sampling(max_tokens=150)).stream(question("image", 3)))


def test_closing_a_stream_frees_its_row_within_one_step():
    held = Held(after=20)

    async def closed():
        async with opened(rows=1) as queue:
            async with aclosing(queue.stream(Request(question("text", 0), Sampling(max_tokens=200), allow=held))) as stream:
                await anext(stream)
                await until(held.reached.is_set)
                assert queue.gauges["running"] == 1
            before = queue.gauges["turns"]
            held.go.set()
            after = await quiet(queue)
            await asyncio.sleep(0.05)
            return queue.gauges["turns"] - before, after["turns"] - before

    assert max(asyncio.run(closed())) <= 1


def test_one_who_went_before_the_worker_took_it_never_runs():
    held = Held()

    async def went():
        async with opened() as queue:
            first = asyncio.ensure_future(said(queue, Request(question("text", 0), Sampling(max_tokens=2), allow=held)))
            await until(held.reached.is_set)
            second = asyncio.ensure_future(said(queue, endless()))
            await until(lambda: queue._come)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            held.go.set()
            await first
            return await quiet(queue)

    assert asyncio.run(went())["tokens"] == 2


def test_the_next_in_line_gets_the_row_of_one_who_went():
    held = Held(after=5)

    async def line():
        async with opened(rows=1) as queue:
            first = asyncio.ensure_future(said(queue, Request(question("text", 0), Sampling(max_tokens=200), allow=held)))
            await until(held.reached.is_set)
            second = asyncio.ensure_future(said(queue, Request(question("text", 1), Sampling(max_tokens=3))))
            await until(lambda: queue._come)
            assert queue.gauges["running"] == queue.gauges["waiting"] == 1
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            held.go.set()
            return await second, await quiet(queue)

    pieces, gauges = asyncio.run(line())
    assert pieces[-1].completion_tokens <= 3 and gauges["tokens"] <= 6 + 4, "of the first not one more"


def test_a_deadline_ends_an_answer_where_it_stands():
    async def late():
        async with opened(rows=1) as queue:
            begun = time.monotonic()
            slow = Request(question("text", 0), Sampling(max_tokens=10_000), deadline=begun + 0.15, logprobs=0)
            over = Request(question("text", 1), deadline=begun - 1)
            waits = Request(question("text", 2), Sampling(max_tokens=2), deadline=begun + 0.05)
            return await asyncio.gather(*(said(queue, one) for one in (slow, over, waits)))

    slow, over, waits = asyncio.run(late())
    assert [(piece.text, piece.finish, piece.completion_tokens) for piece in over] == [("", "deadline", 0)] and waits[-1].finish is not None
    assert slow[-1].finish in ("deadline", "length") and slow[-1].completion_tokens == sum(len(piece.logprobs) for piece in slow)


def test_a_deadline_comes_while_a_request_is_still_being_rendered():
    reader = Held()

    async def late():
        async with opened(speaker(cutter=reader)) as queue:
            one = Request(question("image", 0), deadline=time.monotonic() + 0.02)
            assert await said(queue, one) == [Piece("", finish="deadline")]
            reader.go.set()

    asyncio.run(late())


def test_draining_lets_the_running_end_and_takes_no_more():
    held = Held(after=1)

    async def drained():
        async with opened() as queue:
            short = asyncio.ensure_future(said(queue, Request(question("text", 1), Sampling(max_tokens=3), allow=held)))
            await until(held.reached.is_set)
            ending = asyncio.ensure_future(queue.drain(60))
            await asyncio.sleep(0)
            assert not await queue.ready()
            with pytest.raises(Closed):
                await said(queue, endless())
            assert not ending.done()
            held.go.set()
            await ending
            return (await short)[-1]

    last = asyncio.run(drained())
    assert (last.finish, last.completion_tokens) == ("length", 3)


def test_draining_waits_no_longer_than_for_the_last_that_can_not_be_read():
    reader = Held()

    async def drained():
        async with opened(speaker(cutter=reader)) as queue:
            asked = asyncio.ensure_future(said(queue, Request(question("image", 0))))
            await until(reader.reached.is_set)
            ending = asyncio.ensure_future(queue.drain(30))
            await asyncio.sleep(0.05)  # the worker sleeps by now, until somebody wakes it
            reader.go.set()
            await asyncio.wait_for(ending, 15)
            with pytest.raises(ValueError, match="no picture"):
                await asked

    asyncio.run(drained())


def test_what_is_left_after_draining_ends_as_late_in_every_phase():
    reader, held = Held(), Held(after=60)

    async def drained():
        async with opened(speaker(cutter=reader), rows=2) as queue:
            requests = [Request(question("text", n), Sampling(max_tokens=10_000), allow=held) for n in range(4)]
            tasks = [asyncio.ensure_future(said(queue, one)) for one in (*requests, Request(question("image", 0)))]
            await until(held.reached.is_set)
            await until(reader.reached.is_set)
            assert (queue.gauges["running"], queue.gauges["waiting"]) == (2, 3)
            ending, begun = asyncio.ensure_future(queue.drain(0.02)), time.monotonic()
            await asyncio.sleep(0.02)
            held.go.set()
            found, _ = await asyncio.gather(asyncio.gather(*tasks), ending)
            assert time.monotonic() - begun < 30, "nobody waits for the reader"
            reader.go.set()
            return found, queue.gauges

    found, gauges = asyncio.run(drained())
    assert [pieces[-1].finish for pieces in found] == ["deadline"] * 5
    assert gauges["running"] == gauges["waiting"] == gauges["cache_tokens"] == 0


def test_a_grammar_that_fails_fails_alone():
    class Lost:
        def mask(self):
            raise KeyError("lost")

        def take(self, id):
            pass

    async def beside():
        async with opened() as queue:
            one = Request(question("text", 0), Sampling(max_tokens=12))
            return await asyncio.gather(said(queue, one), said(queue, Request(question("text", 1), allow=Lost())), return_exceptions=True)

    fine, lost = asyncio.run(beside())
    assert fine[-1].finish and isinstance(lost, KeyError)


def test_where_the_model_itself_fails_everybody_is_told_and_nobody_more_is_taken():
    mine, taken = speaker(), Held()

    def fail(module, given):
        if given[0].shape[:2] == (2, 1):  # a step of two, not a prompt
            taken.hold()
            raise RuntimeError("out of memory")

    async def broken():
        async with opened(mine, rows=2) as queue:
            mine.model.decoder.register_forward_pre_hook(fail)
            tasks = [asyncio.ensure_future(said(queue, endless(n))) for n in range(4)]
            await until(lambda: len(queue._open) == 4)
            taken.go.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            with pytest.raises(Closed, match="out of memory"):
                await said(queue, endless())
            return found, await queue.ready(), queue.gauges

    found, ready, gauges = asyncio.run(broken())
    assert all(isinstance(one, RuntimeError) and "out of memory" in str(one) for one in found) and not ready
    assert gauges["running"] == gauges["waiting"] == gauges["cache_tokens"] == 0


def test_a_prompt_at_which_the_model_fails_fails_alone():
    mine = speaker()

    def fail(module, given):
        if given[0].shape[1] > 60:
            raise RuntimeError("out of memory")

    async def beside():
        async with opened(mine, chunk=100) as queue:
            mine.model.decoder.register_forward_pre_hook(fail)
            one, other = (Request(ask(words), Sampling(max_tokens=12)) for words in ("书", "书" * 60))
            return await asyncio.gather(said(queue, one), said(queue, other), return_exceptions=True), await queue.ready()

    (fine, lost), ready = asyncio.run(beside())
    assert fine[-1].finish and isinstance(lost, RuntimeError) and ready


def test_media_that_take_long_to_read_hold_nobody_up():
    reader = Held()

    async def beside():
        async with opened(speaker(cutter=reader)) as queue:
            slow = asyncio.ensure_future(said(queue, Request(ask(Part("image", media("image", 0))))))
            await until(reader.reached.is_set)
            pieces = await said(queue, Request(question("text", 1), Sampling(max_tokens=3)))
            assert pieces[-1].finish in ("stop", "length") and not slow.done()
            reader.go.set()
            with pytest.raises(ValueError, match="no picture"):
                await slow

    asyncio.run(beside())


def test_an_encoder_has_no_queue():
    with pytest.raises(ValueError, match="an encoder can not generate"):
        Queue(Speaker(model(model_recipe("encoder")), tokenizer()))
