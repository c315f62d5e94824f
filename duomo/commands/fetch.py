"""duomo fetch: brings sources into the cache."""

import time
from collections.abc import Mapping, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any

from duomo.report import Report
from duomo.sources import SOURCES, nearest
from duomo.sources.fetch import bars, cached, fetch, need_room_for, place
from duomo.sources.network import ask_pip
from duomo.sources.source import Source


def run(names: Sequence[str], cache: Path, path: Path | None = None, sources: Mapping[str, Source] = SOURCES) -> Report:
    """Fetches the named sources, or takes one from `path`: a file, or a folder that holds its files.

    Files in the cache are verified and not fetched again. Raises ValueError for unknown names before anything is fetched,
    and as `duomo.sources.fetch.fetch` does.
    """
    for name in names:
        if name not in sources:
            raise ValueError(f"no source {name!r}{nearest(name, sources)}")
    if not names or (path and len(names) > 1):
        raise ValueError(f"name {'one source' if path else 'a source'} to fetch: {', '.join(sources)}")
    need_room_for(map(sources.__getitem__, names), cache)
    started = time.perf_counter()
    network = once(ask_pip)
    facts: list[dict[str, Any]] = []
    with bars() as progress:
        for source in map(sources.__getitem__, names):
            had, began = cached(source, cache), time.perf_counter()
            paths = place(source, path, cache) if path else fetch(source, cache, progress, network)
            size = sum(file.stat().st_size for file in paths.values())
            seconds = round(time.perf_counter() - began, 2)
            facts.append({"source": source.name, "bytes": size, "seconds": seconds, "cached": had, "files": list(map(str, paths.values()))})
    lines = tuple(f"{row['source']}: {row['bytes'] / 1e6:.1f} MB{' (was there)' if row['cached'] else ''}" for row in facts)
    return Report("fetch", facts={"sources": facts, "seconds": round(time.perf_counter() - started, 2)}, lines=lines)
