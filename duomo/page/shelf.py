"""Shelf: a question to files is answered with their own sentences, each with its place and a button that plays it, or not at all."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from duomo.modalities.audio import AUDIO
from duomo.modalities.video import VIDEO
from duomo.page.jobs import Found, Jobs, Passage
from duomo.page.parts import Lacking, Update, about, address, busy, clock, notes, safe
from duomo.page.words import both, say

HERE = ""  # the key of the shelf that the server was started with


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    there = jobs.shelves()
    gr.HTML(about("shelf.about"))
    key = gr.State(HERE if there else None)
    laid = gr.HTML(f'<p class="quiet">{both("shelf.there", name=there)}</p>' if there else f'<p class="quiet">{both("shelf.empty")}</p>')
    with gr.Accordion(say("shelf.own"), open=there is None):
        files = gr.File(label=say("shelf.files"), file_count="multiple")
    question = gr.Textbox(label=say("shelf.question"), placeholder=say("shelf.hint"), max_lines=3, submit_btn=True)
    note, result = gr.HTML(), gr.HTML()
    files.upload(safe(jobs, partial(lay, jobs, laid, key), note, laid), files, [note, laid, key], api_visibility="private")
    ask = safe(jobs, partial(answer, jobs, result), note, result)
    question.submit(ask, [key, question], [note, result], api_visibility="private")


async def lay(jobs: Jobs, laid: Any, key: Any, files: Sequence[str] | None) -> AsyncIterator[Update]:
    """Reads what was sent."""
    if not files:
        return
    yield {laid: busy()}
    shelf = await jobs.lay([Path(file) for file in files])
    told = both("shelf.laid", files=shelf.files, passages=f"{shelf.passages:,}")
    yield {laid: f"<p>{told}</p>{notes(shelf.notes)}", key: shelf.key}


async def answer(jobs: Jobs, result: Any, key: str | None, question: str) -> AsyncIterator[Update]:
    """The quotes, or that there are none and what came closest."""
    if key is None:
        raise Lacking("shelf.wanted")
    if not question.strip():
        raise Lacking("shelf.ask")
    yield {result: busy()}
    yield {result: shown(await jobs.answer(key, question))}


def shown(found: Found) -> str:
    """An answer as HTML; all that files say is escaped."""
    if found.quotes:
        sure, way = both("shelf.sure", share=f"{found.confidence:.0%}"), both("shelf.meaning" if found.by_meaning else "shelf.words")
        return f'<p class="quiet">{sure} · {way}</p>{"".join(map(card, found.quotes))}{notes(found.notes)}'
    told = f'<p class="abstained" role="status">{both("shelf.abstained")}</p>'
    close = f'<p class="quiet">{both("shelf.nearest")}</p>' if found.nearest else ""
    return f'{told}<div class="greyed">{close}{"".join(map(card, found.nearest))}</div>{notes(found.notes)}'


def card(passage: Passage) -> str:
    """One passage: where it stands, its text with the quote marked, a player that begins at its second."""
    before, quoted, after = map(escape, passage.text)
    head = f'<p class="quiet">{escape(passage.head)}</p>' if passage.head else ""
    return (
        f'<article class="passage timeline"><p class="where">{escape(passage.where)}</p>{head}'
        f"<blockquote>{before}<mark>{quoted}</mark>{after}</blockquote>{player(passage)}</article>"
    )


def player(passage: Passage) -> str:
    """Of a sound or a film: a button that plays it from the second on."""
    if passage.media is None or passage.second is None:
        return ""
    tag = (AUDIO.name, VIDEO.name)[passage.film]  # the elements are called as the senses are
    at, label = clock(passage.second), escape(passage.file)
    button = f'<button type="button" data-second="{passage.second:.2f}" aria-label="▶ {at} {label}">▶ {at}</button>'
    return f'<p>{button}</p><{tag} controls preload="metadata" src="{address(passage.media)}" aria-label="{label}"></{tag}>'
