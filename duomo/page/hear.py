"""Transcribe: a recording becomes text with times, and files of subtitles."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from duomo.page.jobs import Jobs
from duomo.page.parts import Lacking, Update, about, address, busy, clock, missing, safe, timeline, written
from duomo.page.words import TEXTS, both, say


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    names = list(jobs.able("hear"))
    gr.HTML(about("hear.about"))
    if not names:
        gr.HTML(missing("hear.none", "duomo fetch whisper-base", "duomo serve whisper-base"))
        return
    model = gr.Dropdown(names, value=names[0], label=say("page.model"), filterable=False)
    sound = gr.Audio(sources=["upload", "microphone"], type="filepath", label=say("hear.sound"), buttons=[])
    with gr.Row():
        language = gr.Textbox(label=say("hear.language"), max_lines=1)
        english = gr.Checkbox(label=say("hear.english"))
    go = gr.Button(say("hear.go"), variant="primary")
    note, times = gr.HTML(), gr.HTML(label=say("hear.times"))
    files = gr.File(label=say("hear.files"), file_count="multiple", interactive=False, visible=False)
    work = safe(jobs, partial(write, jobs, times, files), note, times)
    go.click(work, [model, sound, language, english], [note, times, files], api_visibility="private")


async def write(
    jobs: Jobs, times: Any, files: Any, model: str, sound: str | None, language: str, english: bool
) -> AsyncIterator[Update]:  # fmt: skip
    """The timeline of a recording, and its files."""
    import gradio as gr

    if not sound:
        raise Lacking("hear.wanted")
    yield {times: busy(), files: gr.File(visible=False)}
    heard = await jobs.transcribe(model, Path(sound), language.strip() or None, english)
    told = both("hear.told", seconds=clock(heard.seconds), language=heard.language or "–")
    lines = timeline(address(sound), ((piece.begin, piece.text.strip()) for piece in heard.pieces), " · ".join(TEXTS["hear.sound"]))
    made = written(jobs, {f"{Path(sound).stem}.{form}": text for form, text in heard.forms.items()})
    shown = lines if heard.pieces else f"<p>{both('hear.silent')}</p>"
    yield {times: f"<p>{told}</p>{shown}", files: gr.File(value=made, visible=True)}
