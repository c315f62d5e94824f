"""Board: the scoreboard as HTML, each figure a bar with its interval, against chance, baselines and control."""

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from duomo.evaluate.scoreboard import beaten_by, looked
from duomo.report import Control, ReportRow

ROUND = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)  # where an axis may end, times a power of ten


def both(english: str, chinese: str) -> str:
    """A text in two languages, of which the page shows one. Both are HTML already."""
    return f'<span class="en" lang="en">{english}</span><span class="zh" lang="zh">{chinese}</span>'


def board(rows: Sequence[ReportRow]) -> str:
    """All figures, task by task."""
    by_task: dict[str, list[ReportRow]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row)
    return f'<ul class="board">{"".join(map(_task, by_task.values()))}</ul>'


def ablations(rows: Iterable[ReportRow]) -> str:
    """What is left of each task's main figure when its input is altered; nothing where no task does so."""
    first: dict[str, ReportRow] = {}
    for row in rows:
        first.setdefault(row.task, row)
    return "".join(_ablation(row) for row in first.values() if row.ablations)


def scale(figures: Iterable[float]) -> float:
    """Where the axis of these figures ends: 1 for shares, else the next round number."""
    largest = max((figure for figure in figures if math.isfinite(figure)), default=1.0)
    if largest <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step for step in ROUND if step * power >= largest) * power


def _task(rows: Sequence[ReportRow]) -> str:
    made = f' {_badge("plain", "synthetic", "合成数据")}' if rows[0].synthetic else ""
    split = f' {_badge("plain", f"{escape(rows[0].split)} split", escape(rows[0].split))}' if rows[0].split != "test" else ""
    head = f'<h3>{escape(rows[0].task)}{made}{split}</h3><p class="about">{escape(rows[0].about)}</p>'
    return f"<li>{head}{''.join(map(_row, rows))}</li>"


def _row(row: ReportRow) -> str:
    shown = _figure(row)
    marks = [("chance", both("chance", "随机"), row.chance)] if row.chance is not None else list[tuple[str, str, float]]()
    marks += [("baseline", escape(one.name), one.value) for one in row.baselines]
    marks += [("control", both("swapped", "换错输入"), row.control.value)] if row.control else []
    end = scale([row.value, row.high, *(value for _, _, value in marks)])
    others = "".join(f'<li class="{kind}">{name} {shown(value)}</li>' for kind, name, value in marks)
    track = _track(row.value, (row.low, row.high), [(kind, value) for kind, _, value in marks], end)
    return (
        f'<div class="row"><p class="what">{_metric(row)}{_badges(row)}</p><div class="draw">{track}<ul class="others">{others}</ul></div>'
        f'<p class="figure"><b>{shown(row.value)}</b> [{shown(row.low)}, {shown(row.high)}]<br>n = {row.n:,}</p></div>'
    )


def _ablation(row: ReportRow) -> str:
    shown = _figure(row)
    altered = [*([row.control] if row.control else []), *row.ablations]
    end = scale([row.value, row.high, *(one.value for one in altered)])
    whole = Control(row.value, row.n, "everything as it is", row.low, row.high, row.chance)
    lines = "".join(
        f"<tr><th scope=row>{escape(one.name)}</th><td class=draw>{_track(one.value, (one.low, one.high), _blind(one), end)}</td>"
        f"<td>{shown(one.value)}</td><td>{'' if one.chance is None else shown(one.chance)}</td><td>{one.n:,}</td></tr>"
        for one in (whole, *altered)
    )
    head = "".join(f"<th scope=col>{name}</th>" for name in (both("input", "输入"), "", _metric(row), both("blind guess", "盲猜"), "n"))
    return f'<h3>{escape(row.task)}</h3><div class="wide"><table class="ablation"><tr>{head}</tr>{lines}</table></div>'


def _blind(one: Control) -> list[tuple[str, float]]:
    return [] if one.chance is None else [("chance", one.chance)]


def _track(value: float, bounds: tuple[float | None, float | None], marks: Iterable[tuple[str, float | None]], end: float) -> str:
    """A bar up to the value, its interval as a whisker, and a mark for each comparison; the text beside it says the same."""

    def place(figure: float) -> str:
        return f"{100 * min(max(figure / end, 0), 1) if math.isfinite(figure) else 0:.1f}%"

    low, high = bounds
    whisker = f'<i class="interval" style="left:{place(low)};right:calc(100% - {place(high)})"></i>' if None not in bounds else ""  # type: ignore[arg-type]
    drawn = "".join(f'<i class="{kind}" style="left:{place(figure)}"></i>' for kind, figure in marks if figure is not None)
    return f'<div class="track" aria-hidden="true"><i class="bar" style="width:{place(value)}"></i>{whisker}{drawn}</div>'


def _metric(row: ReportRow) -> str:
    return f'{escape(row.metric)} <span class="quiet">{"↑" if row.higher_is_better else "↓"}</span>'


def _badges(row: ReportRow) -> str:
    worse = beaten_by(row)
    blind = "" if looked(row) else _badge("bad", "did not look", "没有看输入")
    return f" {blind} " + (_badge("warn", f"below {escape(worse.name)}", f"不如 {escape(worse.name)}") if worse else "")


def _badge(kind: str, english: str, chinese: str) -> str:
    return f'<span class="badge {kind}">{both(english, chinese)}</span>'


def _figure(row: ReportRow) -> Callable[[float], str]:
    places = 1 if max(abs(row.value), abs(row.high)) >= 10 else 3
    return lambda value: f"{value:.{places}f}"
