"""Laws of the form for a key, and of the cookie that a browser gets for it: it opens the page alone, to its own site alone."""

import asyncio
import time
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from urllib.parse import urlencode

import pytest
from fastapi import Request

from duomo.serve import sessions
from duomo.serve.access import POLICIES, Door, chinese, hashed
from duomo.serve.app import app_of
from duomo.serve.front import absent
from duomo.serve.guard_test import KEY, LIMITS, ask
from duomo.serve.routes import ROUTES
from duomo.serve.sessions import COOKIE, Sessions, token_of
from tests.served import serving, state

OTHER = "https://mine.example"
DOOR = Door((hashed(KEY[::-1], ""), hashed(KEY, "")), origins=frozenset({OTHER}))
FIELDS = {"Content-Type": "application/x-www-form-urlencoded"}
PAGE = [(route, method) for route in ROUTES if route.access == "page" for method in route.methods]


@pytest.fixture(scope="module")
def port():
    with serving(LIMITS, DOOR) as at:
        yield at


def post(port, key=KEY, **headers):
    own = FIELDS | {"Origin": f"http://127.0.0.1:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(port, "POST", "/login", own, urlencode({"key": key}))


def session(port):
    """A Cookie header of a browser that showed a key."""
    status, headers, _ = post(port)
    assert (status, headers["Location"]) == (303, "/")
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


def test_the_page_asks_for_a_key_and_gives_a_cookie_that_no_script_reads(port):
    status, headers, _ = ask(port, "GET", "/")
    assert (status, headers["Location"]) == (303, "/login")
    status, headers, body = ask(port, "GET", "/login", {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert status == 200 and "需要密钥" in body.decode() and b"<script" not in body
    assert headers["Content-Security-Policy"] == POLICIES["form"]["Content-Security-Policy"]
    given = post(port)[1]["Set-Cookie"]
    assert given.startswith(f"{COOKIE}=") and "HttpOnly" in given and "SameSite=Strict" in given and "Secure" not in given
    assert "Secure" in post(port, Origin=f"https://127.0.0.1:{port}")[1]["Set-Cookie"], "behind a proxy that speaks TLS"


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1], f"{KEY}x", "sha256:00", "é" * 30, "a" * 3000])
def test_a_wrong_key_gets_no_cookie_and_is_not_shown_again(port, key):
    status, headers, body = post(port, key)
    assert status == 401 and headers["Set-Cookie"] is None
    assert not key or key.encode() not in body


@pytest.mark.parametrize(("route", "method"), PAGE, ids=lambda value: getattr(value, "path", value))
def test_every_route_of_the_page_wants_a_key_or_a_session(route, method, port):
    path = route.path.replace("{path}", "x").replace("{session}", "x")
    refused = 303 if path == "/" else 401
    for headers in ({}, {"Cookie": f"{COOKIE}=wrong"}, {"Cookie": f"other={KEY}"}):
        assert ask(port, method, path, headers)[0] == refused
    assert ask(port, method, path, {"Authorization": "Bearer wrong"})[0] == 401
    for headers in (session(port), {"Authorization": f"Bearer {KEY}"}):
        status, got, _ = ask(port, method, path, headers)
        assert status in (200, 303, 404, 415), "no page is built here"
        assert got["X-Content-Type-Options"] == "nosniff" and "Content-Security-Policy" in got


def test_a_session_opens_nothing_of_the_api(port):
    for path in ("/v1/models", "/ready", "/metrics", "/openapi.json"):
        assert ask(port, "GET", path, session(port))[0] == 401
        assert ask(port, "GET", path, session(port) | {"Authorization": f"Bearer {KEY}"})[0] == 200


def test_a_session_is_of_no_use_to_another_site_listed_or_not(port):
    own = session(port)
    for origin in (OTHER, "https://evil.example", "null"):
        assert ask(port, "GET", "/", own | {"Origin": origin})[0] == 403
        assert ask(port, "POST", "/gradio_api/queue/join", own | {"Origin": origin, "Content-Type": "application/json"}, "{}")[0] == 403
        assert ask(port, "OPTIONS", "/gradio_api/queue/join", {"Origin": origin, "Access-Control-Request-Method": "POST"})[0] == 403
        assert post(port, Origin=origin)[0] in (303, 403)
    assert post(port, Origin="https://evil.example")[0] == 403
    assert ask(port, "POST", "/logout", own | {"Sec-Fetch-Site": "cross-site"})[0] == 403


def test_whoever_logs_out_is_out(port):
    own = session(port)
    assert ask(port, "GET", "/", own)[0] == 200
    status, headers, _ = ask(port, "POST", "/logout", own | {"Origin": f"http://127.0.0.1:{port}"})
    assert (status, headers["Location"]) == (303, "/login") and "Max-Age=0" in headers["Set-Cookie"]
    assert ask(port, "GET", "/", own)[0] == 303


def test_what_is_sent_to_the_form_is_short(port):
    assert ask(port, "POST", "/login", FIELDS, "key=" + "a" * 10_000)[0] == 413
    assert ask(port, "POST", "/login", {"Content-Type": "application/json"}, "{}")[0] == 415


@contextmanager
def later(monkeypatch, seconds):
    began = time.monotonic
    with monkeypatch.context() as patched:
        patched.setattr(sessions.time, "monotonic", lambda: began() + seconds)
        yield


def test_a_session_ends_by_itself_and_there_are_never_many(monkeypatch):
    held = Sessions(most=3, seconds=60)
    tokens = [held.open() for _ in range(5)]
    assert [held.known(token) for token in tokens] == [False, False, True, True, True]
    assert not held.known(None) and not held.known("") and tokens[-1] not in repr(held)
    with later(monkeypatch, 61):
        assert not any(map(held.known, tokens))
        assert held.known(held.open())
    held.close(tokens[-1])
    assert not held.known(tokens[-1])


def test_only_our_cookie_is_read():
    assert token_of(f"a=b; {COOKIE}=x; {COOKIE}2=y") == "x"
    assert token_of(None) is None and token_of("a") is None


LANGUAGES = {
    "": False, "en": False, "zh": True, "zh-TW": True, "en-US,en;q=0.9,zh;q=0.8": False, "zh-CN,zh;q=0.9,en;q=0.8": True,
    "fr,zh;q=0.5,en;q=0.4": True, "fr": False, "en;q=0.1,zh;q=0.9": True, "zh;q=nan": True, ",;q=,": False,
}  # fmt: skip


@pytest.mark.parametrize("accepted", LANGUAGES)
def test_the_language_is_what_the_browser_prefers(accepted):
    assert chinese(accepted) == LANGUAGES[accepted]


def test_without_the_page_its_place_says_how_to_get_it():
    with serving() as at:
        assert "switched off" in ask(at, "GET", "/")[2].decode()
        assert ask(at, "GET", "/login")[0] == 303, "nobody is asked for a key where there is none"
        assert ask(at, "GET", "/gradio_api/queue/data?session_hash=x")[0] == 404
        assert ask(at, "GET", "/assets/x")[0] == 404


@pytest.mark.parametrize(("language", "told"), [("en", "The page needs one more package"), ("zh", "网页还需要一个软件包")])
def test_where_its_package_is_missing_the_page_says_what_to_install(language, told):
    app = app_of(replace(state(), absent=True))
    asked = Request({"type": "http", "app": app, "headers": [(b"accept-language", language.encode())]})
    body = asyncio.run(absent(asked)).body.decode()
    assert told in body and escape("pip install 'duomo[page]'") in body and "http" not in body.replace("http-equiv", "")
