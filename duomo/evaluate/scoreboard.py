"""The scoreboard: the rows of one report or of several runs as one table, with what each figure must be compared with.

A model that answers as well with another sample's input did not look; one below a baseline is worse than a method without it.
Both are said in the row's remarks, beside "synthetic".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from duomo.report import Baseline, Control, Report, ReportRow, load

Cell = tuple[str, ...]  # its lines
Line = tuple[Cell, ...]
HEAD = ("run", "task", "metric", "value [95 %]", "n", "chance", "baselines", "control", "remarks")


def looked(row: ReportRow) -> bool:
    """Whether the figure is better than the control's by more than both intervals; True where there is no control to tell."""
    if row.control is None:
        return True
    low = row.control.value if row.control.low is None else row.control.low
    high = row.control.value if row.control.high is None else row.control.high
    return row.low > high if row.higher_is_better else row.high < low


def beaten_by(row: ReportRow) -> Baseline | None:
    """The best baseline, if it is better than the figure."""
    sign = 1 if row.higher_is_better else -1
    best = max(row.baselines, key=lambda baseline: sign * baseline.value, default=None)
    return best if best and sign * best.value > sign * row.value else None


def remarks(row: ReportRow) -> tuple[str, ...]:
    """What a reader must know before believing the figure."""
    worse = beaten_by(row)
    found = (
        "" if looked(row) else "did not look",
        f"below {worse.name}" if worse else "",
        "synthetic" if row.synthetic else "",
        f"{row.split} split" if row.split != "test" else "",
    )
    return tuple(remark for remark in found if remark)


def merge(reports: Mapping[str, Report]) -> list[Line]:
    """The table of several runs, name -> report: a heading, then all runs of one figure side by side, in the order of first sight.

    The column of runs is there only where there are several.
    """
    rows = [(run, row) for run, report in reports.items() for row in report.rows]
    figures = list(dict.fromkeys((row.task, row.metric) for _, row in rows))
    rows.sort(key=lambda pair: figures.index((pair[1].task, pair[1].metric)))  # stable: the runs keep their order
    lines = [tuple((name,) for name in HEAD), *(((run,), *_line(row)) for run, row in rows)]
    return lines if len(reports) > 1 else [line[1:] for line in lines]


def read(paths: Iterable[Path]) -> dict[str, Report]:
    """The reports of run folders or report.json files, by the folder's name, or its whole path where names clash.

    Raises ValueError for a path without a report.
    """
    files = [path / "report.json" if path.is_dir() else path for path in paths]
    names = [file.resolve().parent.name for file in files]
    return {(name if names.count(name) == 1 else str(file.parent)): load(file) for name, file in zip(names, files, strict=True)}


def text(lines: Sequence[Line]) -> str:
    """For a terminal: columns aligned, a cell of several lines below itself."""
    widths = [max(len(part) for line in lines for part in (*line[i], "")) for i in range(len(lines[0]))]
    drawn = [_block(line, widths) for line in lines]
    return "\n".join([drawn[0], "  ".join("─" * width for width in widths), *drawn[1:]])


def markdown(lines: Sequence[Line]) -> str:
    """A Markdown table."""
    drawn = ["| " + " | ".join("<br>".join(part.replace("|", "\\|") for part in cell) for cell in line) + " |" for line in lines]
    return "\n".join([drawn[0], "|" + " --- |" * len(lines[0]), *drawn[1:]])


def _line(row: ReportRow) -> Line:
    controls = ([row.control] if row.control else []) + list(row.ablations)
    places = 1 if max(abs(row.value), abs(row.high)) >= 10 else 3

    def figure(value: float) -> str:
        return f"{value:.{places}f}"

    return (
        (row.task,),
        (f"{row.metric} {'↑' if row.higher_is_better else '↓'}",),
        (f"{figure(row.value)} [{figure(row.low)}, {figure(row.high)}]",),
        (str(row.n),),
        ("" if row.chance is None else figure(row.chance),),
        tuple(f"{baseline.name} {figure(baseline.value)}" for baseline in row.baselines),
        tuple(_control(control, figure) for control in controls),
        remarks(row),
    )


def _control(control: Control, figure: Callable[[float], str]) -> str:
    chance = "" if control.chance is None else f" (chance {figure(control.chance)})"
    return f"{control.name} {figure(control.value)}{chance}"


def _block(line: Line, widths: Sequence[int]) -> str:
    height = max(1, *(len(cell) for cell in line))
    rows = [[cell[k] if k < len(cell) else "" for cell in line] for k in range(height)]
    return "\n".join("  ".join(part.ljust(width) for part, width in zip(row, widths, strict=True)).rstrip() for row in rows)
