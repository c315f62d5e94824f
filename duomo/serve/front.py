"""Front: GET / where no page is built, and the form by which a browser shows its key: GET and POST /login, POST /logout."""

from html import escape
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from duomo.serve.access import chinese
from duomo.serve.fault import Fault
from duomo.serve.sessions import cookie, token_of
from duomo.serve.state import state_of

STYLE = """:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;margin:12vh auto;max-width:26rem;padding:0 1rem}
input,button{font:inherit;padding:.5rem .75rem;width:100%;box-sizing:border-box;margin:.25rem 0 .75rem}
code{font-size:.95em}.bad{color:#c02020}
@media(prefers-color-scheme:dark){.bad{color:#ff8080}}"""
TEXTS = {
    "key": ("Key", "密钥"),
    "enter": ("Enter", "进入"),
    "wanted": ("This server wants one of its keys.", "本服务器需要密钥。"),
    "wrong": ("That key is not known.", "没有这个密钥。"),
    "absent": ("The API answers at /v1. The page needs one more package:", "API 在 /v1。网页还需要一个软件包："),
    "off": ("The API answers at /v1. The page is switched off.", "API 在 /v1。网页已关闭。"),
}
INSTALL = "pip install 'duomo[page]'"


async def absent(http: Request) -> Response:
    """What stands at / where the page is not installed, or not wanted."""
    said = state_of(http).absent
    told = f"<p>{_text(http, 'absent')}</p><p><code>{escape(INSTALL)}</code></p>" if said else f"<p>{_text(http, 'off')}</p>"
    return _page(http, told)


async def form(http: Request) -> Response:
    """The form that asks for a key, where one is wanted."""
    if not state_of(http).door.keys:
        return RedirectResponse("/", 303)
    return _page(http, _form(http, "wanted"))


async def login(http: Request) -> Response:
    """Takes a key and gives a cookie for it."""
    state = state_of(http)
    given = parse_qs((await http.body()).decode("utf-8", "replace"), max_num_fields=8).get("key", [""])[0]
    try:
        state.door.check_key(f"Bearer {given}", "key")
    except Fault:
        return _page(http, _form(http, "wrong"), 401)
    secure = http.headers.get("origin", "").startswith("https://")  # a proxy speaks TLS for us
    made = cookie(state.sessions.open(), state.sessions.seconds, secure)
    return RedirectResponse("/", 303, {"Set-Cookie": made})


async def logout(http: Request) -> Response:
    """Ends the session."""
    state_of(http).sessions.close(token_of(http.headers.get("cookie")))
    return RedirectResponse("/login", 303, {"Set-Cookie": cookie("", 0, False)})


def _form(http: Request, said: str) -> str:
    """Of a wrong key is told; what was typed does not come back."""
    kind = ' class="bad" role="alert"' if said == "wrong" else ""
    return (
        f'<p{kind}>{_text(http, said)}</p><form method="post" action="/login"><label for="key">{_text(http, "key")}</label>'
        f'<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>'
        f"<button>{_text(http, 'enter')}</button></form>"
    )


def _text(http: Request, name: str) -> str:
    return escape(TEXTS[name][chinese(http.headers.get("accept-language"))])


def _page(http: Request, body: str, status: int = 200) -> Response:
    lang = ("en", "zh")[chinese(http.headers.get("accept-language"))]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Duomo</title><style>{STYLE}</style>'
    main = f"<main><h1>Duomo</h1>{body}</main>"
    return HTMLResponse(f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{main}</body></html>', status)
