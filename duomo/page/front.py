"""Front: Gradio's application as browsers get it: its first page in the reader's language, without what would come from elsewhere."""

import re
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from duomo.page.words import LANGUAGES, filled

FOREIGN = re.compile(  # what link previews, installed pages and fonts would load
    r'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*?/>|\s*<link rel="(?:manifest|preconnect|dns-prefetch)"[^>]*>', re.S
)
VIEW = "/view/"


class Front:
    """An ASGI application: `/` is rewritten, the rest is Gradio's."""

    def __init__(self, app: Any, blocks: Any, folder: Path, logout: bool) -> None:
        self.app, self.blocks, self.folder, self.logout, self.started = app, blocks, folder.resolve(), logout, False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One ASGI call."""
        if not self.started:
            self.started = True
            self.blocks.run_startup_events()
            await self.blocks.run_extra_startup_events()
        if scope["path"].startswith(VIEW):
            await self.view(scope, send)
            return
        if scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        kept = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        gathered = Gathered()
        await self.app(scope | {"headers": kept}, receive, gathered)
        body = gathered.body
        if gathered.status == 200:
            body = self.page(body.decode(), language(scope), scope.get("duomo.nonce", "")).encode()
        head = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": gathered.status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def view(self, scope: Any, send: Any) -> None:
        """A page that another command made, from the page's own folder, in the reader's language."""
        file = (self.folder / scope["path"].removeprefix(VIEW)).resolve()
        found = file.suffix == ".html" and file.is_relative_to(self.folder) and file.is_file()
        body = file.read_bytes() if found else b""
        if language_of(dict(scope["headers"]).get(b"referer", b""), scope) == "zh":
            body = body.replace(b'id="en" checked>', b'id="en">', 1).replace(b'id="zh">', b'id="zh" checked>', 1)
        head = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def end(self) -> None:
        """Ends what is open, so that the server can end."""
        self.app.stop_event.set()
        self.blocks.close_all = True
        self.blocks._queue.close()

    def page(self, html: str, lang: str, nonce: str) -> str:
        """The first page; its scripts bear the nonce without which the browser runs none."""
        html = FOREIGN.sub("", html)
        html = re.sub(r"<html\s+lang=\"en\"", f'<html lang="{lang}"', html, count=1)
        head, body, rest = _parted(html)
        scripts = re.sub(r"(<script\b[^>]*>)(.*?)(</script>)", lambda m: m[1] + filled(m[2], lang, True) + m[3], head, flags=re.S)
        own = f'<meta name="referrer" content="same-origin"><script>{_script(lang)}</script>'
        scripts = scripts.replace('<meta charset="utf-8" />', f'<meta charset="utf-8" />{own}', 1)
        return re.sub(r"<script\b", f'<script nonce="{nonce}"', f"{scripts}{body}{filled(self.header(lang), lang, False)}{rest}")

    def header(self, lang: str) -> str:
        """The line on top: the name, the other language, dark or light, the way out."""
        other = LANGUAGES[1 - LANGUAGES.index(lang)]
        name = {"en": "English", "zh": "中文"}[other]
        out = '<form method="post" action="/logout"><button>@@page.logout@@</button></form>' if self.logout else ""
        return (
            f'<header class="duomo"><a class="name" href="/?lang={lang}">@@page.title@@</a><span class="quiet">@@page.about@@</span>'
            f'<nav aria-label="@@page.language@@"><a href="/?lang={other}" hreflang="{other}" lang="{other}">{name}</a>'
            f'<button type="button" id="duomo-theme" aria-label="@@page.dark@@" title="@@page.dark@@">◐</button>{out}</nav></header>'
        )


class Gathered:
    """What an application answers, kept."""

    def __init__(self) -> None:
        self.status, self.body = 0, b""

    async def __call__(self, message: Any) -> None:
        """The application's `send`."""
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


def language(scope: Any) -> str:
    """What the address asks for, else what the browser prefers."""
    return language_of(b"?" + scope.get("query_string", b""), scope)


def language_of(address: bytes, scope: Any) -> str:
    """What an address asks for, else what the browser prefers."""
    asked = parse_qs(address.decode("latin-1").partition("?")[2]).get("lang", [""])[0]
    if asked in LANGUAGES:
        return asked
    heads = dict(scope["headers"])
    return preferred(heads.get(b"accept-language", b"").decode("latin-1"))


def preferred(accept: str) -> str:
    """The first of our languages in an Accept-Language header; English where there is none."""
    tags = [tag.split(";")[0].strip().split("-")[0].lower() for tag in accept[:500].split(",")]
    return next((tag for tag in tags if tag in LANGUAGES), LANGUAGES[0])


def _parted(html: str) -> tuple[str, str, str]:
    """Until the body, the body's opening tag, and what is in it."""
    found = re.search(r"<body\b[^>]*>", html)
    assert found is not None
    return html[: found.start()], found[0], html[found.end() :]


def _script(lang: str) -> str:
    code = resources.files("duomo.page").joinpath("page.js").read_text(encoding="utf-8")
    return filled(code.replace("@@lang@@", {"en": "en", "zh": "zh-CN"}[lang]), lang, True)
