"""Describe: what a model sees in a picture, in both languages."""

from collections.abc import AsyncIterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from duomo.page.jobs import Jobs
from duomo.page.parts import Lacking, Update, about, busy, missing, safe
from duomo.page.words import both, say


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    names = list(jobs.able("see"))
    gr.HTML(about("see.about"))
    if not names:
        gr.HTML(missing("see.none", "duomo demo describe", "duomo serve runs/describe"))
        return
    model = gr.Dropdown(names, value=names[0], label=say("page.model"), filterable=False)
    way: dict[str, Any] = {"type": "filepath", "image_mode": None}  # so that nothing decodes it before its header was looked at
    picture = gr.Image(sources=["upload", "clipboard"], label=say("see.picture"), buttons=[], height=320, **way)
    go = gr.Button(say("see.go"), variant="primary")
    note, result = gr.HTML(), gr.HTML()
    work = safe(jobs, partial(look, jobs, result), note, result)
    go.click(work, [model, picture], [note, result], api_visibility="private")


async def look(jobs: Jobs, result: Any, model: str, picture: str | None) -> AsyncIterator[Update]:
    """The answers in each language."""
    if not picture:
        raise Lacking("see.wanted")
    yield {result: busy()}
    said = await jobs.describe(model, Path(picture))
    pairs = ((escape(tag), escape(text.strip() or "–")) for tag, text in said.items())
    lines = "".join(f'<div lang="{tag}"><dt>{tag}</dt><dd>{text}</dd></div>' for tag, text in pairs)
    yield {result: f'<dl class="facts">{lines}</dl><p class="quiet">{both("see.known")}</p>'}
