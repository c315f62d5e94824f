"""Laws of writing, on a live server: who goes away frees a row, who comes too many is told when, a fault of our own is told."""

import http.client
import json
import threading
import time
from dataclasses import replace

import pytest

from duomo.generate import Sampling
from duomo.serve.events import event
from duomo.serve.fault import Fault
from duomo.serve.fields import Chat, Completion
from duomo.serve.limits import Limits
from duomo.serve.models import Offer
from duomo.serve.queue import Closed, Full, Piece, Request, TooLong
from duomo.serve.writing import drawn, fault_of, joined, sampling_of, usage_of, used
from tests.served import OFFERS, serving, writes

LONG = {"model": "small", "messages": [{"role": "user", "content": "a"}], "max_tokens": 200, "repetition_penalty": 1.5}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served():
    """Made once; its queue tells what runs."""
    return writes()


@pytest.fixture(scope="module")
def port(served):
    broken = replace(served, queue=Raising())
    offers = (Offer("small", 1, lambda: served), Offer("broken", 1, lambda: broken), *OFFERS[1:])
    with serving(offers=offers) as at:
        yield at


class Raising:
    """A queue with a fault of our own."""

    gauges: dict[str, float] = {}
    full = None

    def ask(self, request):
        return Broken(request.sampling.max_tokens > 1)

    async def ready(self):
        return True

    async def drain(self, seconds):
        pass


class Broken:
    """What it gives: a piece, if one, and then the fault."""

    def __init__(self, begun):
        self.begun = begun

    async def __anext__(self):
        if not self.begun:
            raise KeyError("a secret prompt")
        self.begun = False
        return Piece("begun")

    def close(self):
        pass


def post(port, body, path="/v1/chat/completions"):
    """The connection and its answer, whose body is not read yet."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.request("POST", path, json.dumps(body), JSON)
    return link, link.getresponse()


def quiet(queue, seconds=30):
    """Whether nothing runs and nothing waits, soon."""
    end = time.monotonic() + seconds
    while queue.gauges["running"] or queue.gauges["waiting"]:
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("n", [1, 3])
def test_who_goes_away_in_the_middle_frees_the_rows(n, port, served):
    written = 0
    for _ in range(5):
        link, answer = post(port, LONG | {"stream": True, "n": n})
        assert answer.readline().startswith(b"data: {")
        before = served.queue.gauges["tokens"]
        link.close()
        answer.close()
        assert quiet(served.queue)
        written += served.queue.gauges["tokens"] - before
    assert written < 5 * 150 * n, "the rest was not written"


def test_who_goes_away_before_the_first_word_frees_the_row(port, served):
    for stream in (False, True):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        link.request("POST", "/v1/chat/completions", json.dumps(LONG | {"stream": stream}), JSON)
        time.sleep(0.02)
        link.close()
        assert quiet(served.queue)


def test_who_comes_too_many_is_told_when_to_come_again(port, served):
    told, lock = [], threading.Lock()

    def ask():
        link, answer = post(port, LONG)
        with lock:
            told.append((answer.status, answer.headers["Retry-After"], json.loads(answer.read())))
        link.close()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [one for one in told if one[0] == 429]
    assert {status for status, *_ in told} == {200, 429} and len(refused) <= 8
    assert all(int(after) >= 1 and body["error"]["code"] == "rate_limit_exceeded" for _, after, body in refused)
    assert quiet(served.queue)


def test_a_fault_of_our_own_is_told_without_its_text(port, caplog):
    link, answer = post(port, LONG | {"model": "broken", "max_tokens": 1})
    body = answer.read()
    assert answer.status == 500 and json.loads(body)["error"]["type"] == "server_error" and b"secret" not in body
    link.close()
    link, answer = post(port, LONG | {"model": "broken", "stream": True})
    lines = [line for line in answer.read().decode().splitlines() if line]
    assert answer.status == 200 and lines[-1] == "data: [DONE]" and '"server_error"' in lines[-2] and "secret" not in "".join(lines)
    assert "secret" not in caplog.text
    link.close()


def test_errors_of_the_queue_become_the_clients():
    errors = (Full(3.2), Closed(), TooLong("a"), ValueError("b"), Fault(418, "c"))
    assert [fault_of(error).status for error in errors] == [429, 503, 400, 400, 418]
    assert fault_of(Full(3.2)).headers == {"Retry-After": "4"} and fault_of(TooLong("a")).code == "context_length_exceeded"
    with pytest.raises(KeyError):
        fault_of(KeyError("ours"))


def test_choices_become_sampling():
    asked = Chat(model="m", messages=[1], temperature=0.5, top_p=0.9, seed=3, stop="x")
    assert sampling_of(asked, 7, Limits()) == Sampling(7, temperature=0.5, top_p=0.9, seed=3, stop=("x",))
    for wrong in ({"stop": [""]}, {"stop": ["a"] * 5}, {"n": 9}, {"stop": "a" * 201}):
        with pytest.raises(Fault):
            sampling_of(Completion(model="m", prompt="a", **wrong), None, Limits())
    with pytest.raises(Fault):
        sampling_of(asked, 5000, Limits())
    with pytest.raises(Fault):
        usage_of(Chat(model="m", messages=[1], stream_options={"usage": True}))


def test_each_answer_has_a_seed_and_a_guide_of_its_own():
    each = drawn(Request(None, Sampling(seed=5), ids=(1,)), 3, object)
    assert [one.sampling.seed for one in each] == [5, 6, 7] and len({one.allow for one in each}) == 3


def test_pieces_are_joined_and_a_prompt_counts_once():
    told = joined(joined(Piece("a"), Piece("b")), Piece("c", finish="stop", prompt_tokens=4, completion_tokens=3))
    assert (told.text, told.finish) == ("abc", "stop")
    assert used([told, told]) == {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}


def test_an_event_is_one_line():
    assert event({"a": "x\ny\u2028"}).count("\n") == 2
