"""Curves: how a training went, drawn from its log as SVG that follows the reader's light or dark colours."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import StringIO
from typing import Any

import numpy as np

Line = Mapping[str, Any]  # of log.jsonl
Draw = Callable[[Any, Sequence[Line]], None]  # on an axes of matplotlib

# matplotlib writes plain colours; each of these becomes a variable of the page's style.
INK, GRID, MAIN = "#010203", "#d1d2d3", "#0b5cad"
THEMED = {INK: "var(--ink)", GRID: "var(--grid)", MAIN: "var(--main)"}
STYLE = """<style>
svg { --ink: #1d2430; --grid: #d5dae1; --main: #0b5cad; --paper: #ffffff; }
@media (prefers-color-scheme: dark) { svg { --ink: #e4e8ee; --grid: #39424f; --main: #6cb2ff; --paper: #12161c; } }
</style><rect width="100%" height="100%" style="fill: var(--paper)"/>"""
LABELLED = ("loss (nats per target)", "held-out loss by data set", "tokens per second")


def drawings(lines: Sequence[Line]) -> list[tuple[str, str]]:
    """(label, SVG) of each curve, for a page that defines --ink, --grid and --main; nothing of an empty log."""
    if not any("loss" in line for line in lines):
        return []
    return [(label, _svg([draw], lines, (6.4, 3.4), label)) for label, draw in zip(LABELLED, (_loss, _held_out, _speed), strict=True)]


def picture(lines: Sequence[Line]) -> str:
    """Loss and held-out loss side by side, as an SVG file that brings its own colours."""
    return standing(_svg([_loss, _held_out], lines, (10, 3.8), ""))


def figure(draws: Sequence[Callable[[Any], None]], inches: tuple[float, float], name: str) -> str:
    """Drawings side by side, each on an axes of its own, as an SVG for a page that defines --ink, --grid and --main.

    Draw in INK, GRID and MAIN, and they follow the page's light or dark. Raises ValueError where matplotlib is missing.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("curves are drawn with matplotlib: pip install 'duomo[report]'") from error
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": f"duomo {name}", "font.size": 10}
    style |= {name: INK for name in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor")}
    with matplotlib.rc_context(style):
        figure = Figure(inches, layout="constrained")
        figure.patch.set_visible(False)
        for place, draw in enumerate(draws, 1):
            axes = figure.add_subplot(1, len(draws), place)
            draw(axes)
            _plain(axes)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return _themed(out.getvalue())


def _svg(draws: Sequence[Draw], lines: Sequence[Line], inches: tuple[float, float], name: str) -> str:
    def stepped(draw: Draw, axes: Any) -> None:
        draw(axes, lines)
        axes.set_xlabel("step")

    return figure([partial(stepped, draw) for draw in draws], inches, name)


def standing(svg: str) -> str:
    """The same drawing as a file of its own, which brings its colours."""
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + STYLE, svg, count=1)


def _themed(svg: str) -> str:
    """The bare <svg> element, as wide as its place, in the page's colours and letters."""
    body = svg[svg.index("<svg") :]
    for colour, variable in THEMED.items():
        body = body.replace(colour, variable)
    body = re.sub(r"'[^']*'(, '[^']*')*, sans-serif|'DejaVu Sans'", "sans-serif", body)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"|(<svg[^>]*?) height="[^"]*"', lambda found: found[1] or found[2], body, count=2)


def _plain(axes: Any) -> None:
    axes.patch.set_visible(False)
    axes.grid(color=GRID, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _loss(axes: Any, lines: Sequence[Line]) -> None:
    steps, losses = _series(lines, "loss")
    axes.plot(steps, losses, color=MAIN, alpha=0.25, linewidth=0.8)
    axes.plot(steps, _smooth(losses), color=MAIN, linewidth=2)
    axes.set_title(LABELLED[0], loc="left", fontsize=10)


def _held_out(axes: Any, lines: Sequence[Line]) -> None:
    found = [(line["step"], line["valid"]) for line in lines if "valid" in line]
    last = found[-1][1] if found else {}
    for place, name in enumerate(sorted(last, key=lambda name: -last[name])):
        own = [(step, valid[name]) for step, valid in found if name in valid]
        axes.plot(*zip(*own, strict=True), color=f"C{place % 10}", marker="o", markersize=3, label=f"{name} {last[name]:.2f}")
    if last:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.set_title(LABELLED[1], loc="left", fontsize=10)


def _speed(axes: Any, lines: Sequence[Line]) -> None:
    steps, speeds = _series(lines, "tokens_per_second")
    axes.plot(steps, speeds, color=MAIN, alpha=0.25, linewidth=0.8)
    axes.plot(steps, _smooth(speeds), color=MAIN, linewidth=2)
    axes.set_ylim(bottom=0)
    axes.set_title(LABELLED[2], loc="left", fontsize=10)


def _series(lines: Sequence[Line], key: str) -> tuple[np.ndarray, np.ndarray]:
    own = [line for line in lines if key in line]
    return np.array([line["step"] for line in own]), np.array([line[key] for line in own], np.float64)


def _smooth(values: np.ndarray) -> np.ndarray:
    """A running mean over a fortieth of the run, shorter at its ends."""
    half = max(1, len(values) // 80)
    total = np.concatenate([[0.0], np.cumsum(values)])
    low, high = np.maximum(np.arange(len(values)) - half, 0), np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)
