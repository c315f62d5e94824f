"""Graph: names and relations out of texts, to look around in and to keep."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from duomo.page.jobs import Graph, Jobs
from duomo.page.parts import Lacking, Update, about, busy, grid, notes, safe, view
from duomo.page.words import both, say


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    names = list(jobs.able("names"))
    gr.HTML(about("graph.about"))
    if not names:
        gr.HTML(f'<p class="quiet">{both("graph.rules")} <code>duomo train entities</code></p>')
    text = gr.Textbox(label=say("graph.text"), lines=6, max_lines=14)
    files = gr.File(label=say("graph.files"), file_count="multiple", file_types=[".txt", ".md"], height=120)
    choices = [(say("graph.alone"), ""), *((name, name) for name in names)]
    model = gr.Dropdown(choices, value=names[0] if names else "", label=say("page.model"), filterable=False, visible=bool(names))
    go = gr.Button(say("graph.go"), variant="primary")
    note, result = gr.HTML(), gr.HTML()
    keep = gr.File(label=say("graph.keep"), interactive=False, visible=False)
    work = safe(jobs, partial(read, jobs, result, keep), note, result)
    go.click(work, [text, files, model], [note, result, keep], api_visibility="private")


async def read(jobs: Jobs, result: Any, keep: Any, text: str, files: Sequence[str] | None, model: str | None) -> AsyncIterator[Update]:
    """The graph of a text and of files."""
    import gradio as gr

    if not text.strip() and not files:
        raise Lacking("graph.wanted")
    yield {result: busy(), keep: gr.File(visible=False)}
    found = await jobs.graph(text, [Path(file) for file in files or ()], model or None)
    yield {result: shown(jobs, found), keep: gr.File(value=str(found.turtle), visible=True)}


def shown(jobs: Jobs, found: Graph) -> str:
    """The picture, the relations, the names."""
    triples = [both(f"graph.{name}") for name in ("subject", "predicate", "object", "sentence")]
    names = [both(f"graph.{name}") for name in ("name", "kind", "file")]
    if not found.names and not found.triples:
        return f"<p>{both('graph.nothing')}</p>{notes(found.notes)}"
    drawn = view(jobs, found.page, "graph.view") if found.triples else ""
    tables = (grid(triples, found.triples) if found.triples else "") + (grid(names, found.names) if found.names else "")
    return f"{drawn}{tables}{notes(found.notes)}"
