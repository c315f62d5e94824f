"""Watch: a film becomes key frames with their times, what is seen in them and what is said; something in it can be found."""

from collections.abc import AsyncIterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from duomo.modalities.video import VIDEO
from duomo.page.jobs import Jobs, Moment, Watched
from duomo.page.parts import Lacking, Update, about, address, busy, clock, notes, safe
from duomo.page.words import LANGUAGES, both, say

ENDINGS = [VIDEO.suffix, *VIDEO.suffixes, ".mov", ".mkv", ".m4v"]


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    seers = list(jobs.able("see"))
    gr.HTML(about("film.about"))
    if not jobs.able("hear"):
        gr.HTML(f'<p class="quiet">{both("film.deaf")} <code>duomo fetch whisper-base</code></p>')
    film, folder = gr.File(label=say("film.clip"), file_types=ENDINGS, height=140), gr.State(None)
    with gr.Row():
        nobody = (say("film.nobody"), "")
        seer = gr.Dropdown([nobody, *((name, name) for name in seers)], value=seers[0] if seers else "", label=say("film.seer"))
        language = gr.Radio([("English", "en"), ("中文", "zh")], value=LANGUAGES[0], label=say("film.language"))
    go = gr.Button(say("film.go"), variant="primary")
    note = gr.HTML()
    question = gr.Textbox(label=say("film.question"), max_lines=1, submit_btn=True)
    places, result = gr.HTML(), gr.HTML()
    keep = gr.File(label=say("film.keep"), interactive=False, visible=False)
    work = safe(jobs, partial(watch, jobs, Box(result, folder, keep, places)), note, result)
    go.click(work, [film, seer, language], [note, result, folder, keep, places], api_visibility="private")
    look = safe(jobs, partial(find, jobs, places), note, places)
    question.submit(look, [folder, question], [note, places], api_visibility="private")


class Box:
    """The components that watching changes."""

    def __init__(self, result: Any, folder: Any, keep: Any, places: Any) -> None:
        self.result, self.folder, self.keep, self.places = result, folder, keep, places


async def watch(jobs: Jobs, box: Box, film: str | None, seer: str, language: str) -> AsyncIterator[Update]:
    """The key frames of a film."""
    import gradio as gr

    if not film:
        raise Lacking("film.wanted")
    yield {box.result: busy(), box.keep: gr.File(visible=False), box.folder: None, box.places: ""}
    found = await jobs.watch(Path(film), seer or None, language)
    yield {box.result: shown(found, Path(film)), box.folder: found.folder, box.keep: gr.File(value=str(found.table), visible=True)}


async def find(jobs: Jobs, places: Any, folder: str | None, question: str) -> AsyncIterator[Update]:
    """Where something is seen or said."""
    if folder is None:
        raise Lacking("film.first")
    if not question.strip():
        raise Lacking("film.ask")
    yield {places: busy()}
    best = await jobs.find(folder, question)
    lines = "".join(
        f'<li>{button(second)}<span class="quiet">{both(f"film.{kind}")}</span><span>{escape(text)}</span></li>'
        for second, kind, text in best
    )
    yield {places: f'<ol class="places">{lines}</ol>'}


def shown(found: Watched, film: Path) -> str:
    """A player and the parts; all that a model says is escaped."""
    head = both("film.told", length=clock(found.seconds), parts=len(found.moments), language=found.spoken or "–")
    parts = "".join(part(moment, number) for number, moment in enumerate(found.moments, 1))
    player = f'<video controls preload="metadata" src="{address(film)}" aria-label="{escape(film.name)}"></video>'
    return f'<div class="timeline film"><p>{head}</p>{player}<div class="frames">{parts}</div></div>{notes(found.notes)}'


def part(moment: Moment, number: int) -> str:
    """One key frame, when it is, what is seen and said."""
    told = "".join(
        f"<dt>{both(f'film.{kind}')}</dt><dd>{escape(text)}</dd>" for kind, text in (("seen", moment.seen), ("said", moment.said)) if text
    )
    label = escape(moment.seen or f"{number}: {clock(moment.second)}")
    return (
        f'<article><img src="{address(moment.frame)}" alt="{label}" loading="lazy"><p>{button(moment.begin)} '
        f'<span class="quiet">– {clock(moment.end)}</span></p><dl>{told}</dl></article>'
    )


def button(second: float) -> str:
    """Plays the film from there."""
    return f'<button type="button" data-second="{second:.2f}" aria-label="▶ {clock(second)}">▶ {clock(second)}</button>'
