"""Laws of the guard, on a live server: access on every route, limits before bytes are held, silence in the log."""

import http.client
import json
import logging
import socket
import time
from contextlib import contextmanager

import pytest

from duomo.serve.access import SECURE, Door, hashed
from duomo.serve.app import app_of
from duomo.serve.limits import Limits
from duomo.serve.routes import ROUTES, route_of
from tests.served import serving, state

KEY = "qN3v-8Zt_Lw0rXy5Pb2KdMfHsUeGcJaT"
DOOR = Door((hashed(KEY, ""),), origins=frozenset({"https://mine.example"}))
SHORT = dict(head_seconds=0.5, body_seconds=0.5, linger_seconds=0.3)
LIMITS = Limits(body_bytes=100_000, body_rate=10_000, held_bytes=150_000, head_bytes=4096, **SHORT)
MINE = {"Authorization": f"Bearer {KEY}"}
JSON = MINE | {"Content-Type": "application/json"}
CHAT = {"model": "small", "messages": [{"role": "user", "content": "a secret prompt"}], "max_tokens": 3}


@pytest.fixture(scope="module")
def port():
    with serving(LIMITS, DOOR) as at:
        yield at


def ask(port, method, path, headers=None, body=None):
    """(status, headers, body) of one request."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        link.request(method, path, body, headers or {})
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        link.close()


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never"
        time.sleep(0.01)


def path_of(route):
    return route.path.replace("{name:path}", "small")


API = [route for route in ROUTES if route.policy == "api"]  # the page's own are in front_test.py and tests/test_page.py


def test_every_route_of_the_app_stands_in_the_table():
    rows = {(route.path, method) for route in ROUTES for method in route.methods if route.handler or route.path == "/"}
    assert {(route.path, method) for route in app_of(state()).routes for method in route.methods} == rows
    assert len({(route.path, method) for route in ROUTES for method in route.methods}) == sum(len(route.methods) for route in ROUTES)


@pytest.mark.parametrize("route", API, ids=lambda route: route.path)
def test_every_route_has_the_access_that_its_row_says(route, port):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}):
        status, _, body = ask(port, route.methods[0], path_of(route), headers)
        assert (status == 401) == (route.access == "key"), body
    status, headers, _ = ask(port, route.methods[0], path_of(route), MINE)
    assert status == (415 if route.takes else 200)
    assert all(headers[name] == value for name, value in SECURE.items())
    assert "server" not in headers


def test_only_health_and_the_form_for_a_key_are_open():
    assert [route.path for route in ROUTES if route.access == "open"] == ["/health", "/login", "/login"]


STRANGE = ["/docs", "/v1", "/v1/models/", "/V1/models", "/v1//models", "/health/", "/%2e%2e/etc/passwd", "/v1/chat"]


@pytest.mark.parametrize("path", STRANGE)
def test_what_is_not_in_the_table_is_not_there_and_nobody_learns_so_without_a_key(path, port):
    assert route_of(path) is None
    assert ask(port, "GET", path)[0] == 401
    status, _, body = ask(port, "GET", path, MINE)
    assert (status, json.loads(body)["error"]["code"]) == (404, "unknown_route")


def test_a_wrong_method_is_told_the_right_one(port):
    status, headers, _ = ask(port, "DELETE", "/v1/chat/completions", MINE)
    assert (status, headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0"])
def test_another_sites_name_is_refused_even_for_health(host, port):
    assert ask(port, "GET", "/health", {"Host": host})[0] == 421


def test_other_sites_are_refused_and_listed_ones_may_read(port):
    for origin, wanted in (("https://evil.example", 403), ("null", 403), ("https://mine.example", 200)):
        status, headers, _ = ask(port, "POST", "/v1/chat/completions", JSON | {"Origin": origin}, json.dumps(CHAT))
        assert status == wanted
        assert headers["Access-Control-Allow-Origin"] == (origin if wanted == 200 else None)
        before, allowed, _ = ask(port, "OPTIONS", "/v1/chat/completions", {"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert before == (204 if wanted == 200 else 403)
        assert (allowed["Access-Control-Allow-Headers"] is not None) == (wanted == 200)
    assert ask(port, "POST", "/v1/chat/completions", JSON | {"Sec-Fetch-Site": "cross-site"}, json.dumps(CHAT))[0] == 403


def test_a_preflight_of_an_unlisted_site_reaches_nothing(port):
    assert ask(port, "OPTIONS", "/v1/models", MINE)[0] == 405


@contextmanager
def raw(port, head):
    """A connection on which these bytes were sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(head)
        yield link


def answer(link):
    """All that comes until the server closes."""
    told = b""
    while piece := link.recv(65_536):
        told += piece
    return told


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + "".join(f"{key}: {value}\r\n" for key, value in JSON.items()).encode()


def test_a_body_is_refused_by_what_it_says_and_by_what_it_is(port):
    with raw(port, HEAD + b"Content-Length: 99999999999\r\n\r\n") as link:
        assert b" 413 " in answer(link)
    with raw(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n") as link:
        with pytest.raises(ConnectionError):  # it is closed while we still send
            until(lambda: link.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n"))
    with raw(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"a" * 32_768 + b"\r\n") * 4 + b"0\r\n\r\n") as link:
        assert b" 413 " in answer(link)


def test_bodies_together_have_a_bound_and_are_let_go(port):
    full = json.dumps(CHAT | {"user": "a" * 90_000}).encode()

    def held(size):
        return f"duomo_body_bytes_held {size}\n".encode() in ask(port, "GET", "/metrics", MINE)[2]

    with raw(port, HEAD + b"Content-Length: 90001\r\n\r\n" + b" " * 90_000):
        until(lambda: held(90_000.0))
        status, headers, _ = ask(port, "POST", "/v1/chat/completions", JSON, full)
        assert status == 429 and headers["Retry-After"]
    until(lambda: held(0.0))
    assert ask(port, "POST", "/v1/chat/completions", JSON, full)[0] == 200


SLOW = {
    "nothing": b"",
    "half a head": b"GET /health HTTP/1.1\r\nHost: local",
    "half a body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "a body that nobody reads": b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
    "half a second head": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea",
    "a dripping chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n100\r\n",
}


@pytest.mark.parametrize("head", SLOW.values(), ids=SLOW.keys())
def test_whoever_is_slow_is_closed(head, port):
    began = time.monotonic()
    with raw(port, head) as link:
        link.setblocking(False)
        while time.monotonic() - began < 9:
            time.sleep(0.05)
            try:
                link.send(b"a")
                if not link.recv(65_536):
                    break
            except BlockingIOError:
                continue
            except OSError:
                break
    assert time.monotonic() - began < 8, "where nobody says otherwise it is ten"


def test_a_long_head_and_a_doubled_header_are_refused(port):
    with raw(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_000) as link:
        assert b" 400 " in answer(link)
    with raw(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n") as link:
        assert b" 400 " in answer(link)


def test_the_log_holds_no_prompt_and_no_key(port, caplog):
    logging.getLogger("duomo.serve").propagate = True
    with caplog.at_level(logging.DEBUG):
        assert ask(port, "POST", "/v1/chat/completions?key=" + KEY, JSON, json.dumps(CHAT))[0] == 200
        assert ask(port, "POST", "/v1/chat/completions", JSON, json.dumps(CHAT | {"secret": "secret"}))[0] == 400
        assert ask(port, "GET", f"/secret/{KEY}", {"Authorization": "Bearer secret"})[0] == 401
        until(lambda: " 401 " in caplog.text)
    assert caplog.text.count("POST /v1/chat/completions") == 2
    assert "secret" not in caplog.text and KEY not in caplog.text and KEY[:8] not in caplog.text


def test_metrics_count_by_the_routes_of_the_table(port):
    assert ask(port, "POST", "/v1/chat/completions", JSON, json.dumps(CHAT))[0] == 200
    assert ask(port, "GET", "/nowhere")[0] == 401
    told = ask(port, "GET", "/metrics", MINE)[2].decode()
    assert 'duomo_requests_total{route="unknown",status="401"}' in told
    assert 'duomo_queue_waiting{model="small"} 0.0' in told
    assert "secret" not in told
