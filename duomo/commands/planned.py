"""Planned: a plan as tables for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
WIDTH = 118


def lines_of(facts: Mapping[str, Any]) -> Iterator[str]:
    """What `duomo plan` prints of its facts."""
    yield f"{facts['recipe']}: {facts['parameters']:,} parameters"
    yield from _parts(facts["parts"])
    yield from _steps(facts)
    yield from _memory(facts)
    yield from _machines(facts["machines"])
    yield from (f"note: {note}" for note in facts["notes"])
    for machine in facts["machines"]:
        told = "; ".join(f"{what} {where}" for what, where in machine["sources"].items())
        yield f"source, {machine['name']}: {told}"


def amount(value: float, unit: str = "") -> str:
    """A number with three digits and its thousand's letter."""
    for size, letter in UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}{unit}"
    return f"{value:.3g} {unit}".rstrip()


def memory(value: float) -> str:
    """Bytes in MiB or GiB."""
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.1f} MiB"


def time(hours: float) -> str:
    """A time in the unit that a person would take."""
    for size, name in ((24.0, "days"), (1.0, "h"), (1 / 60, "min")):
        if hours >= size:
            return f"{hours / size:.1f} {name}"
    seconds = 3600 * hours
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _parts(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [(p["name"], f"{p['parameters']:,}", f"{p['trained']:,}", f"{p['multiply']:,}") for p in parts]
    return _table(("part", "parameters", "trained", "in products"), rows)


def _steps(facts: Mapping[str, Any]) -> Iterator[str]:
    share = facts["tokens"] / facts["optimal_tokens"]
    yield from ("", f"a step: {facts['step_is']}")
    rows = [
        ("tokens a step", f"{facts['tokens_a_step']:,}", ""),
        ("FLOPs a token", amount(facts["flops_a_token"]), "6 × parameters in products + 12 × layers × width × tokens"),
        ("tokens in all", amount(facts["tokens"]), f"{facts['steps']:,} steps"),
        ("FLOPs in all", amount(facts["flops"]), ""),
        ("compute-optimal tokens", amount(facts["optimal_tokens"]), f"20 a parameter (Hoffmann et al. 2022); the recipe reads {share:.1%}"),
    ]
    yield from _table(("training", "", ""), rows)


def _memory(facts: Mapping[str, Any]) -> Iterator[str]:
    machines, cache = facts["machines"], facts["cache"]
    names = list(machines[0]["bytes"])
    labels = {"optimizer state": f"optimizer state ({facts['optimizer']})", "process": "process, or accelerator"}
    rows = [(labels.get(name, name), *(memory(machine["bytes"][name]) for machine in machines)) for name in names]
    told = f"decode cache, {cache['rows']} × {cache['context']:,} tokens"
    rows.append((told, *(memory(cache["bytes"]) for _ in machines)))
    yield from _table(("memory of one device", *(machine["name"] for machine in machines)), rows)


def _machines(machines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    heads = ("machine", "dense peak", "utilisation", "a step", "in all", "cost", "memory", "fits")
    yield from _table(heads, [_row(machine) for machine in machines])


def _row(m: Mapping[str, Any]) -> tuple[str, ...]:
    peak = f"{m['devices']} × " * (m["devices"] > 1) + amount(m["peak"], "FLOP/s")
    cost = "--price" if m["cost"] is None else f"{m['cost']:,.2f}"
    fits = "yes" if m["fits"] else ("no: " + (" ".join(m["mend"]) or "the weights alone are too large; adapt fewer, or a smaller model"))
    return (
        m["name"], peak, f"{m['utilisation']:.0%}", time(m["seconds_a_step"] / 3600), time(m["hours"]), cost,
        f"{memory(m['bytes']['process'])} of {memory(m['memory'])}", fits,
    )  # fmt: skip


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if not number or head in ("fits", "") else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out = StringIO()
    Console(file=out, width=WIDTH, markup=False, highlight=False).print(table)
    yield from ("", *(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")))
