"""Comments page: a summary of comments as one file that opens offline, with a chart for each topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from importlib import resources
from string import Template
from typing import Any

from duomo.commands.board import both
from duomo.commands.curves import GRID, INK, MAIN, figure

ALL = "all"


@dataclass(frozen=True)
class Quote:
    """A comment as it is shown."""

    text: str
    label: str
    probability: float
    where: str


@dataclass(frozen=True)
class Cell:
    """What is said of one topic in one week. `share`: of good ones, with its 95 % Wilson interval."""

    topic: str
    week: str  # its Monday; "all": every week
    n: int
    good: int
    share: float
    low: float
    high: float
    praised: tuple[str, ...]  # words that tell its good comments from its bad ones
    blamed: tuple[str, ...]
    words: tuple[str, ...]  # words that tell the cell from the rest
    quotes: tuple[Quote, ...]


def html(cells: Sequence[Cell], about: Mapping[str, Any]) -> str:
    """The whole page. Every text that a table or a user gave is escaped."""
    whole = [cell for cell in cells if cell.week == ALL]
    template = Template(resources.files("duomo.commands").joinpath("comments.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(str(about["table"])),
        about=_about(about),
        overview=_overview(whole) if len(whole) > 1 else "",
        topics="".join(_topic(cell, [one for one in cells if one.topic == cell.topic and one.week != ALL], about) for cell in whole),
    )


def chart(weeks: Sequence[Cell]) -> str:
    """The share of good comments by week with its interval, above how many there were."""

    def shares(axes: Any) -> None:
        days = [date.fromisoformat(cell.week) for cell in weeks]
        axes.fill_between(days, [cell.low for cell in weeks], [cell.high for cell in weeks], color=MAIN, alpha=0.18, linewidth=0)
        axes.plot(days, [cell.share for cell in weeks], color=MAIN, linewidth=2, marker="o", markersize=4)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter("{x:.0%}")
        _dated(axes, days, "share of good, 95 %")

    def counts(axes: Any) -> None:
        days = [date.fromisoformat(cell.week) for cell in weeks]
        axes.bar(days, [cell.n for cell in weeks], width=5, color=INK, alpha=0.35)
        axes.yaxis.get_major_locator().set_params(integer=True)
        _dated(axes, days, "comments")

    return figure([shares, counts], (10, 2.8), weeks[0].topic)


def _dated(axes: Any, days: Sequence[date], title: str) -> None:
    step = max(1, -(-len(days) // 6))
    axes.set_xticks(days[::step], [f"{day:%m-%d}" for day in days[::step]])
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", color=GRID, linewidth=0)


def _about(about: Mapping[str, Any]) -> str:
    held = f"{about['comments']:,}", about["from"], about["to"], escape(str(about["model"])), escape(" / ".join(about["labels"]))
    count, first, last, model, labels = held
    return both(
        f"{count} comments, {first} to {last}; put under {labels} by {model}.",
        f"{count} 条评论，{first} 至 {last}；由 {model} 标为 {labels}。",
    )


def _overview(whole: Sequence[Cell]) -> str:
    names = (("topic", "话题"), ("comments", "评论数"), ("good", "好评率"), ("praised", "赞的是"), ("blamed", "怨的是"))
    head = "".join(f"<th scope=col>{both(*name)}</th>" for name in names)
    lines = "".join(
        f"<tr><th scope=row>{_name(cell.topic)}</th><td>{cell.n:,}</td><td>{_share(cell)}</td>"
        f"<td class=words>{_listed(cell.praised)}</td><td class=words>{_listed(cell.blamed)}</td></tr>"
        for cell in whole
    )
    return f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>'


def _topic(cell: Cell, weeks: Sequence[Cell], about: Mapping[str, Any]) -> str:
    names = (("week of", "周（周一）"), ("comments", "评论数"), ("good", "好评率"), ("telling words", "突出的词"), ("quoted", "原话"))
    head = "".join(f"<th scope=col>{both(*name)}</th>" for name in names)
    lines = "".join(
        f"<tr><th scope=row>{one.week}</th><td>{one.n:,}</td><td>{_share(one)}</td><td class=words>{_listed(one.words)}</td>"
        f"<td>{_quotes(one.quotes, about['good'])}</td></tr>"
        for one in weeks
    )
    drawn = f'<figure role="img" aria-label="{escape(cell.topic)}">{chart(weeks)}</figure>' if weeks else ""
    told = both(f"{cell.n:,} comments, good {_share(cell)}", f"{cell.n:,} 条评论，好评率 {_share(cell)}")
    table = f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>'
    return f"<section><h2>{_name(cell.topic)}</h2><p>{told}</p>{drawn}{table}</section>"


def _quotes(quotes: Sequence[Quote], good: str) -> str:
    return "".join(
        f'<blockquote class="{"good" if one.label == good else "bad"}">{escape(one.text)} '
        f'<span class="quiet">{escape(one.label)} {one.probability:.2f} · {escape(one.where)}</span></blockquote>'
        for one in quotes
    )


def _name(topic: str) -> str:
    return both("all comments", "全部评论") if topic == ALL else escape(topic)


def _share(cell: Cell) -> str:
    return f"{cell.share:.0%} [{cell.low:.0%}, {cell.high:.0%}]"


def _listed(words: Sequence[str]) -> str:
    return escape(", ".join(words))
