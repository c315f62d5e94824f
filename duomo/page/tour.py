"""The tour of `duomo demo`: ask the shelf, then teach a model, pull the plug, draw a digit and ask it; all acts on one tab."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from duomo.page import tour_view as view
from duomo.page.events import Event, Tour
from duomo.page.jobs import Jobs
from duomo.page.parts import Lacking, Update, about, busy, fault, safe
from duomo.page.parts import view as framed
from duomo.page.words import say

NAME = "tour"
EVERY = 1.0  # seconds between two looks
PNG, MOST = "data:image/png;base64,", 400_000  # of a drawing: how it begins, and its characters
SHEET = """<div class="sheet"><p>{label}</p><canvas class="sketch" width="280" height="280" role="img" aria-label="{label}"></canvas>
<button type="button" data-clear>{clear}</button></div>"""
LATER: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden", "api_visibility": "private"}
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    tour: Tour = jobs.more[NAME]
    gr.HTML(about("tour.about"))
    parts = dict[str, Any]()
    gr.HTML(f"<h2>1 · {say('tour.one')}</h2>")
    parts["growth"], parts["shelf"] = gr.HTML(busy()), gr.HTML()
    gr.HTML(f"<h2>2 · {say('tour.two')}</h2>")
    question = gr.Textbox(label=say("shelf.question"), placeholder=say("tour.hint"), max_lines=3, submit_btn=True)
    asked, own, made, open_question = gr.HTML(), gr.HTML(), gr.HTML(), gr.State("")
    parts["answers"] = gr.HTML()
    _lesson(jobs, tour, parts)
    gr.HTML(f"<h2>5 · {say('tour.five')}</h2>")
    parts["end"] = gr.HTML()
    answering = safe(jobs, partial(ask, tour, Sheet(own, made, open_question)), asked, own, made)
    answered = question.submit(answering, question, [asked, own, made, open_question], api_visibility="private")
    inventing = answered.then(safe(jobs, partial(invent, tour, made), made), open_question, made, **LATER)
    question.submit(None, None, None, cancels=[inventing], api_visibility="private")
    seen, hidden, clock = gr.State({}), gr.HTML(visible=False), gr.Timer(EVERY)
    look = safe(jobs, partial(follow, jobs, tour, parts, seen), hidden)
    clock.tick(look, seen, [hidden, seen, *parts.values()], **QUIET)


def _lesson(jobs: Jobs, tour: Tour, parts: dict[str, Any]) -> None:
    """Acts 3 and 4: the buttons, what is shown, and where the model is asked."""
    import gradio as gr

    gr.HTML(f"<h2>3 · {say('tour.three')}</h2>")
    with gr.Row(equal_height=True):
        minutes = gr.Slider(1, 30, 8, step=1, label=say("tour.minutes"), scale=3)
        teach = gr.Button(say("tour.teach"), variant="primary", scale=1)
    note = gr.HTML()
    parts["pulse"] = gr.HTML()
    parts["lesson"] = gr.HTML()
    with gr.Row():
        with gr.Column():
            gr.HTML(SHEET.format(label=say("tour.draw"), clear=say("tour.clear")))
            paper = gr.Textbox(elem_id="duomo-ink", show_label=False, container=False, label=say("tour.draw"), max_length=MOST)
            look = gr.Button(say("tour.look"))
            drawn, said = gr.HTML(), gr.HTML()
        with gr.Column():
            sound = gr.Audio(sources=["microphone", "upload"], type="filepath", label=say("tour.speak"), buttons=[])
            listen = gr.Button(say("tour.listen"))
            spoken, word = gr.HTML(), gr.HTML()
    gr.HTML(f"<h2>4 · {say('tour.four')}</h2>")
    pull = gr.Button(say("tour.pull"), variant="stop")
    plugged = gr.HTML()
    parts["plug"] = gr.HTML()
    hidden: dict[str, Any] = {"api_visibility": "private"}
    teach.click(safe(jobs, partial(done, tour.teach), note), minutes, note, **hidden)
    pull.click(safe(jobs, partial(done, tour.kill), plugged), None, plugged, **hidden)
    look.click(safe(jobs, partial(read, tour, said), drawn, said), paper, [drawn, said], **hidden)
    listen.click(safe(jobs, partial(hear, tour, word), spoken, word), sound, [spoken, word], **hidden)


async def follow(jobs: Jobs, tour: Tour, parts: Mapping[str, Any], seen: Any, known: Mapping[str, Any]) -> AsyncIterator[Update]:
    """What has changed since the last look; a section that has not is left alone, so that what plays goes on playing."""
    found = tour.look(known.get("version", -1))
    if found is None:
        return
    version, events = found
    drawn = await asyncio.to_thread(sections, jobs, tour, list(events))
    changed = {name: html for name, html in drawn.items() if known.get(name) != hash(html)}
    yield {parts[name]: html for name, html in changed.items()} | {
        seen: {"version": version, **{name: hash(html) for name, html in drawn.items()}}
    }


def sections(jobs: Jobs, tour: Tour, events: list[Event]) -> dict[str, str]:
    """Each section as HTML."""
    taught = view.acts(events, (3, 4))
    return {
        "growth": view.growth(view.acts(events, (0, 1))),
        "shelf": view.shelf(view.acts(events, (0, 1)), tour.play),
        "answers": view.answers(view.acts(events, (2,)), tour.play),
        "pulse": view.downloads(taught) + view.pulse(taught),
        "lesson": view.lesson(taught, tour.play),
        "plug": view.plug(taught),
        "end": view.pulse(view.acts(events, (5,))) + view.end(view.acts(events, (3, 4, 5)), partial(_page, jobs, tour)),
    }


class Sheet:
    """The components that a question changes: the answer, what is made up, and the question that is still open."""

    def __init__(self, own: Any, made: Any, open_question: Any) -> None:
        self.own, self.made, self.open_question = own, made, open_question


async def ask(tour: Tour, sheet: Sheet, question: str) -> AsyncIterator[Update]:
    """A question of the reader's: what the shelf says. Where it says nothing, the question stays open for `invent`."""
    yield {sheet.made: "", sheet.open_question: ""}
    if not question.strip():
        raise Lacking("shelf.ask")
    yield {sheet.own: busy()}
    found = await asyncio.to_thread(tour.ask, question)
    yield {sheet.own: view.answers([found], tour.play), sheet.open_question: "" if found.quote else question}


async def invent(tour: Tour, made: Any, question: str) -> AsyncIterator[Update]:
    """What the language model makes up to an open question, as it grows."""
    if not question:
        return
    yield {made: busy()}
    pieces = tour.invent(question)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield {made: view.answers([piece], tour.play)}


async def done(work: Callable[..., None], *values: Any) -> AsyncIterator[Update]:
    """What a button does; what comes of it is seen above and below."""
    await asyncio.to_thread(work, *values)
    nothing: tuple[Update, ...] = ()
    for update in nothing:
        yield update


async def read(tour: Tour, said: Any, drawing: str) -> AsyncIterator[Update]:
    """What the model says to a drawing, a data URL."""
    try:
        ink = base64.b64decode(drawing.removeprefix(PNG), validate=True) if drawing.startswith(PNG) else b""
    except ValueError:
        ink = b""
    if not ink:
        raise Lacking("tour.nothing_drawn")
    yield {said: busy()}
    yield {said: _said(await asyncio.to_thread(tour.drawn, ink))}


async def hear(tour: Tour, said: Any, sound: str | None) -> AsyncIterator[Update]:
    """What the model writes down of a word."""
    if not sound:
        raise Lacking("tour.nothing_said")
    yield {said: busy()}
    yield {said: _said(await asyncio.to_thread(tour.spoken, Path(sound)))}


def _said(text: str) -> str:
    return f'<p class="said" role="status">{escape(text) or "–"}</p>'


def _page(jobs: Jobs, tour: Tour, file: Path) -> str:
    """The report in a frame; where it is, where it can not be shown."""
    made = tour.page(file)
    return framed(jobs, made, "runs.report") if made is not None else fault(str(file))
