"""Comments: a table of dated comments is classified and summed up by topic and week."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from duomo.page.jobs import Jobs, Summed
from duomo.page.parts import Lacking, Update, about, busy, grid, missing, notes, safe, view
from duomo.page.words import both, say

TEXT = ("text", "comment", "review", "content", "文本", "评论", "内容", "评价")
DATE = ("date", "day", "time", "日期", "时间")
TOPIC = ("topic", "subject", "category", "话题", "主题")


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    names = [*jobs.able("embed"), *jobs.able("write")]
    gr.HTML(about("table.about"))
    if not names:
        gr.HTML(missing("table.none", "duomo fetch e5", "duomo serve e5"))
        return
    model = gr.Dropdown(names, value=names[0], label=say("page.model"), filterable=False)
    table = gr.File(label=say("table.file"), file_types=[".csv", ".tsv", ".jsonl", ".parquet"], height=140)
    with gr.Row():
        text, date, topic = (gr.Dropdown([], label=say(f"table.{name}"), filterable=False) for name in ("text", "date", "topic"))
    labels = gr.Textbox(label=say("table.labels"), placeholder="good=…,bad=…", max_lines=2)
    topics = gr.Textbox(label=say("table.topics"), max_lines=2)
    go = gr.Button(say("table.go"), variant="primary")
    note, result = gr.HTML(), gr.HTML()
    files = gr.File(label=say("table.keep"), file_count="multiple", interactive=False, visible=False)
    read = safe(jobs, partial(columns, jobs, (text, date, topic)), note)
    table.upload(read, table, [note, text, date, topic], api_visibility="private")
    work = safe(jobs, partial(classify, jobs, result, files), note, result)
    go.click(work, [model, table, text, date, topic, labels, topics], [note, result, files], api_visibility="private")


async def columns(jobs: Jobs, boxes: tuple[Any, Any, Any], table: str | None) -> AsyncIterator[Update]:
    """The columns to choose from, the usual ones chosen."""
    import gradio as gr

    if not table:
        return
    found = list(jobs.columns(Path(table)))
    by_name = {name.strip().casefold(): name for name in found}
    for box, usual in zip(boxes, (TEXT, DATE, TOPIC), strict=True):
        chosen = next((by_name[name] for name in usual if name in by_name), None)
        choices = [(name, name) for name in found]
        yield {box: gr.Dropdown([("–", ""), *choices] if usual is TOPIC else choices, value=chosen if chosen or usual is not TOPIC else "")}


async def classify(jobs: Jobs, result: Any, files: Any, model: str, table: str | None, *given: str | None) -> AsyncIterator[Update]:
    """The comments by topic and week."""
    import gradio as gr

    if not table:
        raise Lacking("table.wanted")
    named = dict(zip(("text", "date", "topic", "labels", "topics"), given, strict=True))
    if not named["text"] or not named["date"]:
        raise Lacking("table.columns")
    yield {result: busy(), files: gr.File(visible=False)}
    found = await jobs.comments(model, Path(table), {name: (value or "").strip() for name, value in named.items()})
    yield {result: shown(jobs, found), files: gr.File(value=[str(file) for file in found.files], visible=True)}


def shown(jobs: Jobs, found: Summed) -> str:
    """The summary, the page with its charts, the first rows."""
    topics = ((cell.topic, f"{cell.n:,}", f"{cell.share:.0%} [{cell.low:.0%}, {cell.high:.0%}]") for cell in found.cells)
    heads = [both(f"table.{name}") for name in ("topic_is", "count", "good")]
    rows = [both(f"table.{name}") for name in ("day", "topic_is", "label", "share", "comment")]
    first = both("table.first", shown=len(found.rows), count=f"{found.count:,}")
    charts = view(jobs, found.page, "table.charts")
    return f'{grid(heads, topics)}{charts}<p class="quiet">{first}</p>{grid(rows, found.rows)}{notes(found.notes)}'
