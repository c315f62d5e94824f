"""Runs: the curves of a training while it goes on, its report, and the scoreboard of all that were evaluated."""

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from html import escape
from typing import Any, cast

from duomo.page.jobs import Jobs, Progress
from duomo.page.parts import Update, about, safe, view
from duomo.page.words import TEXTS, both, say

EVERY = 3.0  # seconds between two looks at a run's log


def build(jobs: Jobs) -> None:
    """Fills the tab."""
    import gradio as gr

    names = list(jobs.runs())
    gr.HTML(about("runs.about"))
    with gr.Row():
        name = gr.Dropdown(names, value=names[0] if names else None, label=say("runs.run"), filterable=False, scale=4)
        again = gr.Button(say("runs.again"), scale=1)
    note, curves, report, board = gr.HTML(), gr.HTML(), gr.HTML(), gr.HTML()
    seen, clock = gr.State(-1), gr.Timer(EVERY, active=False)
    look = safe(jobs, partial(follow, jobs, Box(name, curves, report, board, seen)), note)
    outputs, tab = [note, name, curves, report, board, seen], cast(Any, gr.context.Context.block)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(lambda: gr.Timer(active=True), None, clock, **quiet)  # whoever never comes here asks nothing
    tab.select(look, [name, gr.State(-1)], outputs, **quiet)
    clock.tick(look, [name, seen], outputs, **quiet)
    name.input(look, [name, gr.State(-1)], outputs, **quiet)
    again.click(look, [name, gr.State(-1)], outputs, **quiet)


class Box:
    """The components that a look changes."""

    def __init__(self, name: Any, curves: Any, report: Any, board: Any, seen: Any) -> None:
        self.name, self.curves, self.report, self.board, self.seen = name, curves, report, board, seen


async def follow(jobs: Jobs, box: Box, name: str | None, seen: int) -> AsyncIterator[Update]:
    """What is new of a run; of its report only where it has changed."""
    import asyncio

    import gradio as gr

    if seen < 0 or name is None:
        names = list(jobs.runs())
        name = name if name in names else names[0] if names else None
        yield {box.name: gr.Dropdown(names, value=name), box.board: table(await asyncio.to_thread(jobs.scoreboard))}
    if name is None:
        yield {box.curves: f'<p class="quiet">{both("runs.none")} <code>duomo train tiny</code></p>'}
        return
    found = await asyncio.to_thread(jobs.run, name, seen)
    if found is not None:
        yield {box.curves: drawn(found), box.report: view(jobs, found.page, "runs.report") if found.page else "", box.seen: found.size}


def drawn(found: Progress) -> str:
    """The curves, and where the run is."""
    held = ", ".join(f"{name} {value:.3f}" for name, value in found.held_out.items())
    told = both("runs.step", step=f"{found.step:,}", loss="–" if found.loss is None else f"{found.loss:.3f}")
    more = f'<p class="quiet">{both("runs.held", losses=held)}</p>' if held else ""
    curves = "".join(f'<figure role="img" aria-label="{escape(label)}">{svg}</figure>' for label, svg in found.curves)
    return f'<p>{told}</p>{more}<div class="curves">{curves}</div>' if found.step else ""


def table(lines: Sequence[Sequence[Sequence[str]]]) -> str:
    """The scoreboard: each cell may have several lines."""
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{_title(cell)}</th>' for cell in lines[0])
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in line)}</tr>" for line in lines[1:])
    title = f"<h3>{both('runs.board')}</h3>"
    return f'{title}<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _title(lines: Sequence[str]) -> str:
    """The head of a column in both languages, where the table of texts knows it."""
    name = f"board.{lines[0].split(' ')[0]}" if lines else ""
    return both(name) if name in TEXTS else _cell(lines)


def _cell(lines: Iterable[str]) -> str:
    return "<br>".join(map(escape, lines))
