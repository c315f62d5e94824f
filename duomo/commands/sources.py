"""duomo sources: what can be fetched, and what is there already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duomo.report import Report
from duomo.sources import SOURCES
from duomo.sources.fetch import cached, suitable
from duomo.sources.source import Source


def run(cache: Path = Path("cache"), sources: Mapping[str, Source] = SOURCES) -> Report:
    """Lists the table. `facts["sources"]` has a row per source, `lines` the same as text."""
    rows = [_row(source, cache) for source in sources.values()]
    width = 2 + max((len(row["name"]) for row in rows), default=0)
    return Report("sources", facts={"sources": rows}, lines=tuple(line for row in rows for line in _lines(row, width)))


def _row(source: Source, cache: Path) -> dict[str, Any]:
    plain = {"name": source.name, "title": source.title, "kind": source.kind, "licence": source.licence, "note": source.note}
    try:
        here: dict[str, Any] = {"bytes": sum(file.bytes for file in suitable(source)), "cached": cached(source, cache)}
    except ValueError:  # no file for this platform
        here = {"bytes": None, "cached": False}
    packages = sorted({f"{file.registry} {file.package} {file.version}" for file in source.files})
    return plain | here | {"synthetic": source.synthetic, "packages": packages}


def _lines(row: Mapping[str, Any], width: int) -> tuple[str, str]:
    size = f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] else "not for this platform"
    state = "in the cache" if row["cached"] else "to fetch"
    about = f"{row['licence']} · {', '.join(row['packages'])} · {row['note']}"
    return f"{row['name']:<{width}}{row['title']} ({size}, {state})", f"{'':<{width}}{about}"
