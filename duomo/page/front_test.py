"""Laws of the first page: what would come from elsewhere is gone, every script bears the nonce, the language is the reader's."""

import asyncio
from html import escape

import pytest

from duomo.page.front import Front, language

PAGE = """<!doctype html>
<html lang="en" style="x"><head><meta charset="utf-8" />
<meta property="og:image" content="https://elsewhere.example/a.jpg" /><meta
  name="twitter:image"
  content="https://elsewhere.example/a.jpg"
/>
<link rel="manifest" href="/manifest.json" /><link rel="preconnect" href="https://elsewhere.example">
<script>window.gradio_config = {"label": "@@chat.title@@"};</script><script type="module" src="./a.js"></script>
</head><body style="y"><gradio-app></gradio-app><script>end()</script></body></html>"""


def front(folder, logout=False):
    return Front(None, None, folder, logout)


def test_nothing_from_elsewhere_is_left_and_every_script_bears_the_nonce(tmp_path):
    made = front(tmp_path).page(PAGE, "zh", "abc")
    assert "elsewhere.example" not in made and "manifest" not in made
    assert made.count("<script") == made.count('<script nonce="abc"') == 4
    assert '<html lang="zh"' in made and '"label": "聊天"' in made and "@@" not in made
    assert 'href="/?lang=en"' in made and "/logout" not in made
    assert 'action="/logout"' in front(tmp_path, logout=True).page(PAGE, "en", "abc")


ASKED = [
    ("", "zh-CN,en;q=0.5", "zh"), ("lang=en", "zh", "en"), ("lang=xx", "zh", "zh"), ("lang=zh", "en", "zh"), ("", "", "en"),
    ("", "fr", "en"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "accepted", "wanted"), ASKED)
def test_the_language_is_what_the_address_says_or_the_browser(query, accepted, wanted):
    assert language({"query_string": query.encode(), "headers": [(b"accept-language", accepted.encode())]}) == wanted


def viewed(folder, path, referer=b"http://x/?lang=zh"):
    told = []

    async def send(message):
        told.append(message)

    asyncio.run(front(folder).view({"path": f"/view/{path}", "query_string": b"", "headers": [(b"referer", referer)]}, send))
    return told[0]["status"], told[1]["body"]


def test_a_page_of_another_command_is_shown_from_the_own_folder_alone(tmp_path):
    (tmp_path / "own" / "x").mkdir(parents=True)
    inside, outside = tmp_path / "own" / "x" / "a.html", tmp_path / "b.html"
    radio = b'<input type="radio" id="en" checked><input type="radio" id="zh">'
    inside.write_bytes(radio)
    outside.write_bytes(b"secret")
    (tmp_path / "own" / "link.html").symlink_to(outside)
    (tmp_path / "own" / "a.txt").write_text("no page")
    assert viewed(tmp_path / "own", "x/a.html") == (200, b'<input type="radio" id="en"><input type="radio" id="zh" checked>')
    assert viewed(tmp_path / "own", "x/a.html", b"http://x/?lang=en") == (200, radio)
    for path in ("../b.html", "x/../../b.html", "link.html", "a.txt", "", "x", str(outside), f"/{outside}"):
        assert viewed(tmp_path / "own", path) == (404, b""), path


def test_the_line_on_top_is_text(tmp_path):
    made = front(tmp_path, logout=True).page(PAGE.replace("@@chat.title@@", escape("<b>")), "en", "n")
    assert "<b>" not in made
