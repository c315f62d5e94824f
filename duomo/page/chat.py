"""Chat: a talk with a model that is served, with files and by voice, through the same queue as the API."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from duomo.modalities import MODALITIES
from duomo.page.jobs import Jobs, Talk, Turn
from duomo.page.parts import Update, about, missing, safe
from duomo.page.words import say

EVERY = 0.08  # seconds between two states of a growing answer


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    names = list(jobs.able("write"))
    gr.HTML(about("chat.about"))
    if not names:
        gr.HTML(missing("chat.none", "duomo fetch smollm2", "duomo serve smollm2"))
        return
    known = gr.State(())
    model = gr.Dropdown(names, value=names[0], label=say("page.model"), filterable=False)
    talk = gr.Chatbot(
        label=say("chat.talk"), render_markdown=False, feedback_options=None, buttons=["copy"], height="52vh",
        allow_file_downloads=False, elem_classes="talk",
    )  # fmt: skip
    note = gr.HTML()
    ask = gr.MultimodalTextbox(
        label=say("chat.ask"), placeholder=say("chat.hint"), sources=["upload", "microphone"],
        file_count="multiple", file_types=endings(), show_label=False, max_plain_text_length=100_000,
    )  # fmt: skip
    with gr.Accordion(say("chat.more"), open=False):
        tokens = gr.Slider(1, 1024, 256, step=1, label=say("chat.tokens"))
        warmth = gr.Slider(0, 2, 0, step=0.1, label=say("chat.warmth"))
    again = gr.Button(say("chat.clear"), size="sm")
    work = partial(answer, jobs, Box(ask, talk, known))
    running = ask.submit(safe(jobs, work, note), [ask, known, model, tokens, warmth], [ask, talk, known, note], api_visibility="private")
    ask.stop(lambda: open_again(), None, ask, cancels=[running], api_visibility="private")
    anew = [again.click, talk.clear]
    gr.on(anew, lambda: ([], (), "", open_again()), None, [talk, known, note, ask], cancels=[running], api_visibility="private")


class Box:
    """The components that an answer changes."""

    def __init__(self, ask: Any, talk: Any, known: Any) -> None:
        self.ask, self.talk, self.known = ask, talk, known


async def answer(
    jobs: Jobs, box: Box, asked: dict[str, Any], known: Sequence[Turn], model: str, tokens: float, warmth: float
) -> AsyncIterator[Update]:  # fmt: skip
    """The talk as it grows. A fault leaves the talk as it was."""
    import gradio as gr

    files = tuple(Path(path) for path in asked.get("files") or ())
    words = (asked.get("text") or "").strip()
    if not words and not files:
        return
    turns, said, told = (*known, Turn("user", words, files)), "", 0.0
    yield {box.ask: gr.MultimodalTextbox(value=None, submit_btn=False, stop_btn=True), box.talk: list(shown(turns))}
    try:
        async for piece in jobs.chat(Talk(model, turns, int(tokens), float(warmth))):
            said += piece
            if time.monotonic() - told > EVERY:
                told, now = time.monotonic(), (*turns, Turn("assistant", said))
                yield {box.talk: list(shown(now)), box.known: now}
        now = (*turns, Turn("assistant", said))
        yield {box.talk: list(shown(now)), box.known: now, box.ask: open_again()}
    except Exception:
        yield {box.ask: open_again(), box.talk: list(shown(known)), box.known: tuple(known)}
        raise


def open_again() -> Any:
    """The field for the next message."""
    import gradio as gr

    return gr.MultimodalTextbox(submit_btn=True, stop_btn=False)


def shown(turns: Sequence[Turn]) -> Iterator[dict[str, Any]]:
    """The talk as Gradio's messages; the text is shown as it is."""
    for turn in turns:
        for file in turn.files:
            yield {"role": turn.role, "content": {"path": str(file)}}
        if turn.text or turn.role == "assistant":
            yield {"role": turn.role, "content": turn.text or " "}


def endings() -> list[str]:
    """Of the files that a model may read."""
    return [ending for modality in MODALITIES.values() for ending in (modality.suffix, *modality.suffixes)]
