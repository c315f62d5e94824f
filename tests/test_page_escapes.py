"""Whatever a model, a file, a table or a run says stays text: payloads in every place of the page, with a policy and without."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from duomo.page.jobs import Cell, Found, Graph, Heard, Jobs, Moment, Passage, Progress, Shelf, Spoken, Summed, Watched
from tests import own, small
from tests.paged import CHROMIUM, browser, lay_run, opened, paged

for library in ("fastapi", "uvicorn", "gradio", "playwright"):
    pytest.importorskip(library)
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; apt-get install chromium")
RUN = "window.__xss=1"
PAYLOADS = (
    f"<script>{RUN}</script>", f"<img src=x onerror={RUN}>", f"<svg onload={RUN}>", f"<svg/onload={RUN}//", f"<body onload={RUN}>",
    f'"><script>{RUN}</script>', f"'><img src=x onerror={RUN}>", f'" onmouseover="{RUN}" x="', f"' onfocus='{RUN}' autofocus x='",
    f"</title><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"</style><script>{RUN}</script>",
    f"</script><script>{RUN}</script>", f"--><script>{RUN}</script>", f"]]><script>{RUN}</script>", f"<iframe src=javascript:{RUN}>",
    "<iframe srcdoc='<script>parent.__xss=1</script>'>", f"<a href=javascript:{RUN}>a</a>", f"[a](javascript:{RUN})",
    f"![a](x\" onerror=\"{RUN})", f"<details open ontoggle={RUN}>", f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}>",
    f"<input autofocus onfocus={RUN}>", f"<select autofocus onfocus={RUN}>", f"<textarea autofocus onfocus={RUN}>",
    f"<keygen autofocus onfocus={RUN}>", f"<marquee onstart={RUN}>", f"<object data=javascript:{RUN}>", f"<embed src=javascript:{RUN}>",
    f"<math><mi xlink:href=javascript:{RUN}>", f"<form action=javascript:{RUN}><input type=submit>", f"<isindex action=javascript:{RUN}>",
    f"<link rel=stylesheet href=javascript:{RUN}>", f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>", "${window.__xss=1}",
    "{{constructor.constructor('window.__xss=1')()}}", "{{#with \"s\" as |string|}}{{/with}}", "`${window.__xss=1}`",
    "\\\"+window.__xss=1+\\\"",
    f"&lt;script&gt;{RUN}&lt;/script&gt;", f"&#60;img src=x onerror={RUN}&#62;", "\u003cimg src=x onerror=window.__xss=1\u003e",
    "<img src=x onerror=&#119;indow.__xss=1>", f"<IMG SRC=x OnErRoR={RUN}>", f"<img/src=x/onerror={RUN}>", f"<img src=x onerror\n={RUN}>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>", f"<template><script>{RUN}</script></template><img src=x onerror={RUN}>",
    f"<noscript><p title=\"</noscript><img src=x onerror={RUN}>\">", f"<svg><animate onbegin={RUN} attributeName=x>",
    f"<svg><script>{RUN}</script></svg>", f"<style>@import 'javascript:{RUN}'</style>", f"<x contenteditable onblur={RUN} autofocus>",
    f"$$\\href{{javascript:{RUN}}}{{a}}$$", f"```html\n<img src=x onerror={RUN}>\n```", f"<button onclick={RUN} autofocus>a</button>",
    f"<div style='background:url(javascript:{RUN})'>", f"@@chat.title@@<img src=x onerror={RUN}>",
)  # fmt: skip
assert len(PAYLOADS) >= 50
ALL = "\n\n".join(PAYLOADS)
HANDLERS = """[...document.querySelectorAll('gradio-app *')]
  .filter(one => [...one.attributes].some(a => a.name.startsWith('on') && a.value.includes('__xss')))
  .map(one => one.outerHTML.slice(0, 200))"""


def hostile(jobs: Jobs) -> Jobs:
    """The same page, whose models and files say payloads."""

    async def chat(talk: object) -> AsyncIterator[str]:
        for payload in PAYLOADS:
            yield f"{payload}\n\n"

    async def transcribe(*given: object) -> Heard:
        pieces = tuple(Spoken(float(place), place + 1.0, payload) for place, payload in enumerate(PAYLOADS))
        return Heard(PAYLOADS[1], 60.0, pieces, {"txt": ALL})

    async def describe(*given: object) -> dict[str, str]:
        return dict(zip(PAYLOADS, PAYLOADS, strict=True))

    async def lay(files: object) -> Shelf:
        return Shelf("x", 1, 1, PAYLOADS)

    async def answer(*given: object) -> Found:
        said = tuple(Passage(one, one, one, (one, one, one), 1.0, jobs.folder / "x.wav") for one in PAYLOADS)
        return Found(said[::2], 0.5, said, PAYLOADS) if given[1] == "quoted" else Found((), 0.1, said, PAYLOADS)

    async def watch(*given: object) -> Watched:
        (frame := jobs.folder / "f.png").write_bytes(small.media("image", 1))
        moments = tuple(Moment(0.0, 1.0, frame, 0.5, payload, payload) for payload in PAYLOADS)
        (table := jobs.folder / "watch.json").write_text("{}")
        return Watched("x", 1.0, PAYLOADS[1], moments, table, PAYLOADS)

    async def find(*given: object) -> list[tuple[float, str, str]]:
        return [(1.0, "said", payload) for payload in PAYLOADS]

    def run(name: str, known: int) -> Progress:
        return Progress(name, 1, 3, 1.0, dict.fromkeys(PAYLOADS, 1.0), (), None)

    return replace(
        jobs, chat=chat, transcribe=transcribe, describe=describe, lay=lay, answer=answer, watch=watch, find=find,
        shelves=lambda: PAYLOADS[1], runs=lambda: PAYLOADS, run=run, scoreboard=lambda: ((("a",),), *(((one,),) for one in PAYLOADS)),
        comments=table(jobs), graph=graph(jobs), columns=lambda file: [*PAYLOADS, "text", "date"],
        able=lambda ability: [*PAYLOADS],
    )  # fmt: skip


def table(jobs):
    async def comments(*given: object) -> Summed:
        (page := jobs.folder / "comments.html").write_text("<p>page")
        cells = tuple(Cell(payload, 1, 0.5, 0.1, 0.9) for payload in PAYLOADS)
        return Summed(cells, tuple((one,) * 5 for one in PAYLOADS), 1, page, (page,), PAYLOADS)

    return comments


def graph(jobs):
    async def made(*given: object) -> Graph:
        (page := jobs.folder / "graph.html").write_text("<p>page")
        return Graph(tuple((one,) * 3 for one in PAYLOADS), tuple((one,) * 4 for one in PAYLOADS), page, page, PAYLOADS)

    return made


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


def harmless(page, seen):
    """Nothing was run: not in the page, not in its frames, no dialog, no request to elsewhere."""
    page.wait_for_timeout(300)
    for frame in page.frames:
        assert frame.evaluate("window.__xss") is None, frame.url
    assert not seen.dialogs and not seen.outside
    assert page.evaluate(HANDLERS) == []


def walk(page, seen):
    """Every tab, until the payloads stand in it."""
    file = {"name": "<img src=x onerror=window.__xss=1>.png", "mimeType": "image/png", "buffer": small.media("image", 1)}
    sound = {"name": "<svg onload=window.__xss=1>.wav", "mimeType": "audio/wav", "buffer": small.media("audio", 1)}
    clip = {"name": "<svg onload=window.__xss=1>.mp4", "mimeType": "video/mp4", "buffer": small.media("video", 1)}
    rows = {"name": "<svg onload=window.__xss=1>.csv", "mimeType": "text/csv", "buffer": b"text,date\na,2026-01-01\n"}
    steps = (
        ("Chat", file, None, ".bot"), ("Transcribe", sound, "Write it down", ".timeline li"), ("Describe", file, "Describe it", "dl.facts"),
        ("Watch", clip, "Watch it", ".frames article"), ("Comments", rows, "Classify", "iframe.view"),
        ("Graph", None, "Find names and relations", "iframe.view"), ("Runs", None, "Look again", ".wide"),
    )  # fmt: skip
    for name, sent, button, wanted in steps:
        page.get_by_role("tab", name=name, exact=True).click()
        panel = page.locator("[role=tabpanel]:visible").first
        if sent is not None:
            panel.locator("input[type=file]").first.set_input_files(sent)
            page.wait_for_timeout(800)
        if name == "Comments":
            page.wait_for_function("() => [...document.querySelectorAll('input')].some(one => one.value === 'date')")
        if name == "Chat":
            panel.get_by_role("textbox", name="Write, or add files…").fill(ALL)
            panel.get_by_role("button", name="Submit").click()
        elif name == "Graph":
            panel.get_by_label("Text", exact=True).fill(ALL)
        if button:
            panel.get_by_role("button", name=button).click()
        panel.locator(wanted).first.wait_for()
        harmless(page, seen)
    for question in ("quoted", "unknown"):
        page.get_by_role("tab", name="Shelf", exact=True).click()
        panel = page.locator("[role=tabpanel]:visible").first
        panel.get_by_label("Question").fill(question)
        panel.get_by_role("button", name="Send").click()
        panel.locator("article.passage").first.wait_for()
        panel.locator(".abstained" if question == "unknown" else ".passage mark").first.wait_for()
        harmless(page, seen)


@pytest.mark.parametrize("free", [False, True], ids=["with the policy", "by escaping alone"])
def test_no_payload_is_run_wherever_it_stands(chromium, free):
    with paged(change=hostile) as (port, _), opened(chromium, port, bypass_csp=free) as (page, seen):
        walk(page, seen)
        text = page.inner_text("body")
        assert "window.__xss=1" in text, "payloads are there, as text"


def test_the_escapes_are_what_holds(chromium):
    """The same payloads as HTML are run where nothing escapes them: the test can fail."""
    window = chromium.new_context()
    page = window.new_page()
    page.set_content("".join(PAYLOADS[1:3]))
    page.wait_for_function("window.__xss === 1")
    window.close()


def test_real_files_with_hostile_names_and_texts_stay_text(chromium, tmp_path: Path):
    """Through the real index, graph and run readers, and into the frames of the pages that they write."""
    (tmp_path / "shelf").mkdir()
    for place, payload in enumerate(PAYLOADS):
        name = re.sub(r"[/\0\n]", "_", payload)[:80]
        text = f"The elephant number {place} eats {payload} at noon.\n"
        (tmp_path / "shelf" / f"{place}{name}.txt").write_text(text, encoding="utf-8")
    lay_run(tmp_path / "runs", "<img src=x onerror=window.__xss=1>")
    here, server = own.inside(tmp_path), paged(tmp_path / "shelf", tmp_path / "runs")
    with here, server as (port, _), opened(chromium, port, bypass_csp=True) as (page, seen):
        page.get_by_role("tab", name="Shelf", exact=True).click()
        panel = page.locator("[role=tabpanel]:visible").first
        for place in (1, 7, 40):
            panel.get_by_label("Question").fill(f"What does elephant number {place} eat at noon?")
            panel.get_by_role("button", name="Send").click()
            panel.locator("article.passage").first.wait_for()
            harmless(page, seen)
        page.get_by_role("tab", name="Graph", exact=True).click()
        panel = page.locator("[role=tabpanel]:visible").first
        told = " ".join(f"{payload} is a city. {payload} was born in Ulm." for payload in PAYLOADS)
        panel.get_by_label("Text", exact=True).fill(f"Paris is the capital of France. {told}")
        panel.get_by_role("button", name="Find names and relations").click()
        panel.frame_locator("iframe.view").locator("canvas").wait_for()
        harmless(page, seen)
        page.get_by_role("tab", name="Runs", exact=True).click()
        page.locator(".curves svg").first.wait_for()
        harmless(page, seen)
