"""Showing: what a contest found as ratios, a table and a chart."""

import statistics
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from contest import Ceilings, Contest, spread


def ratios(rates: Mapping[str, list[float]], more: bool) -> dict[str, dict[str, float]]:
    """Ours over each peer's, round by round (they ran one after the other): the median and the quartiles; above 1 ours is better."""
    ours, *peers = rates
    found = {}
    for peer in peers:
        pairs = [(a / b if more else b / a) for a, b in zip(rates[ours], rates[peer], strict=True)]
        found[peer] = {name: round(value, 3) for name, value in vars(spread(pairs)).items()}
    return found


def fraction(contest: Contest, found: Mapping[str, Mapping[str, float]], machines: Sequence[Ceilings]) -> dict[str, dict[str, float]]:
    """The share of the machine's ceilings, measured before and after the row, that each program reaches."""
    shares: dict[str, dict[str, float]] = {}
    for ceiling, cost, best in (
        ("sgemm", contest.flops, max(machine.sgemm for machine in machines)),
        ("read", contest.bytes, max(machine.read for machine in machines)),
    ):
        if cost:
            shares[ceiling] = {name: round(one["median"] * cost / best, 3) for name, one in found.items()}
            shares[ceiling]["ceiling, G/s"] = round(best / 1e9, 1)
    return shares


def table(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], brief: bool = False) -> str:
    """Markdown: one line for each program of each row."""
    lines = [] if brief else [*_head(facts), ""]
    lines += ["| row | program | figure | quartiles | Duomo is | of the ceiling |", "|---|---|---|---|---|---|"]
    for row in rows:
        lines += [f"| {row['title']} | failed | {row['failed']} | | | |"] if "failed" in row else _lines(row)
    notes = [f"- {row['title']}: {note}" for row in rows for note in _notes(row)]
    return "\n".join([*lines, "", *notes]) + "\n"


def _head(facts: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return [
        f"{facts['processor']}, {facts['cores']} cores, load {facts['load'][0]}; {facts['threads']} thread(s), {facts['clock']} seconds. "
        f"Ceilings: sgemm {facts['sgemm GFLOP/s']} GFLOP/s, bfloat16 {facts['bfloat16 GFLOP/s']}, read {facts['read GB/s']} GB/s.",
        "",
        versions,
    ]


def _lines(row: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, one in row["rates"].items():
        ratio = row["ratios"].get(name)
        times = f"{ratio['median']:.2f}× ({ratio['low']:.2f}–{ratio['high']:.2f})" if ratio else ""
        shares = ", ".join(f"{share[name]:.0%} of {ceiling}" for ceiling, share in row["ceilings"].items() if name in share)
        figure = f"{_digits(one['median'])} {row['unit']}"
        lines.append(f"| {row['title']} | {name} | {figure} | {_digits(one['low'])}–{_digits(one['high'])} | {times} | {shares} |")
    return lines


def _notes(row: Mapping[str, Any]) -> list[str]:
    if "failed" in row:
        return []
    notes = [f"equal: {row['agreed']}"]
    notes += [f"{aim['against']}: aim {aim['least']:g}, {_reached(row, aim)}" for aim in row["aims"]]
    notes += [f"without {peer}: {why}" for peer, why in row["absent"].items()]
    return notes + [f"{name}: {value}" for name, value in row["facts"].items()]


def _reached(row: Mapping[str, Any], aim: Mapping[str, Any]) -> str:
    """What the row shows of an aim."""
    ours, against = next(iter(row["rates"])), aim["against"]
    if against in row["ratios"]:
        value = row["ratios"][against]["median"]
    elif against in row["ceilings"]:
        value = row["ceilings"][against][ours]
    elif against == "at most":
        value = row["rates"][ours]["median"]
        return f"{'reached' if value <= aim['least'] else 'MISSED'} with {value:.3g}"
    else:
        return "not measured"
    return f"{'reached' if value >= aim['least'] else 'MISSED'} with {value:.2f}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """An SVG: how many times each peer Duomo is, on a logarithmic scale, row by row; the share of the ceiling in the row's name."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    bars = [(_named(row), peer, one) for row in rows for peer, one in row["ratios"].items() if not peer.startswith("duomo")]
    figure, axes = pyplot.subplots(figsize=(9, max(2.0, 0.27 * len(bars) + 1)))
    colours = {peer: f"C{number % 10}" for number, peer in enumerate(dict.fromkeys(peer for _, peer, _ in bars))}
    for place, (_, peer, one) in enumerate(bars):
        error = [[max(0, one["median"] - one["low"])], [max(0, one["high"] - one["median"])]]
        axes.barh(place, one["median"] - 1, left=1, color=colours[peer], xerr=error, ecolor="0.4")
        axes.annotate(f" {one['median']:.2f}×", (max(one["median"], one["high"], 1), place), va="center", fontsize=7)
    axes.set_yticks(range(len(bars)), [f"{title} · {peer}" for title, peer, _ in bars], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="0.2", linewidth=0.8)
    axes.set_xlabel("Duomo against the peer: right of 1 Duomo is better", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    file = StringIO()
    figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return file.getvalue()


def _named(row: Mapping[str, Any]) -> str:
    ours = next(iter(row["rates"]))
    shares = [f"{share[ours]:.0%} of {ceiling}" for ceiling, share in row["ceilings"].items()]
    return f"{row['title']} ({', '.join(shares)})" if shares else str(row["title"])


def geometric_mean(values: Sequence[float]) -> float:
    """Of ratios."""
    return statistics.geometric_mean(values)
