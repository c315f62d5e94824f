"""duomo fetch: brings sources into the cache; of weights it makes a model there."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache as once
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from duomo.report import Report
from duomo.sources import SOURCES, nearest
from duomo.sources.fetch import bars, cached, fetch, need_room_for, place
from duomo.sources.network import ask_pip
from duomo.sources.source import Source

MODELS = "models"  # the folder of models inside the cache
FETCHED = "fetched.json"  # of such a model: the files that it was made of


def run(names: Sequence[str], cache: Path, path: Path | None = None, sources: Mapping[str, Source] = SOURCES) -> Report:
    """Fetches the named sources, or takes one from `path`: a file, or a folder that holds its files.

    Files in the cache are verified and not fetched again; weights are kept as `cache/models/NAME`. Raises ValueError for
    unknown names before anything is fetched, and as `duomo.sources.fetch.fetch` does.
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
            model = keep(source, paths, cache) if source.kind == "weights" else None
            size = sum(file.stat().st_size for file in paths.values())
            seconds = round(time.perf_counter() - began, 2)
            told = {"source": source.name, "bytes": size, "seconds": seconds, "cached": had, "files": list(map(str, paths.values()))}
            facts.append(told | ({"model": str(model), "licence": source.licence, "note": source.note} if model else {}))
    lines = tuple(line for row in facts for line in _lines(row))
    return Report("fetch", facts={"sources": facts, "seconds": round(time.perf_counter() - started, 2)}, lines=lines)


def keep(source: Source, paths: Mapping[str, Path], cache: Path) -> Path:
    """A fetched source of weights as a model in the cache, laid out like a run; one that came from these very files stays.

    Raises ValueError where the files are in no known format, as the format's reader does, and where the name is that of another model.
    """
    from duomo.commands.models import keep as kept
    from duomo.interchange import read  # here, so that fetching data does not wait for torch

    target, hashes = cache / MODELS / source.name, {file.name: file.sha256 for file in source.files if file.name in paths}
    if (target / FETCHED).is_file() and (target / FETCHED).read_text(encoding="utf-8") == json.dumps(hashes):
        return target
    if target.exists() and not (target / FETCHED).is_file():
        raise ValueError(f"{target}: holds a model that was not fetched; delete it, or choose another cache")
    with TemporaryDirectory(dir=cache, prefix=f".{source.name}-") as folder:
        outside = read(lay(source, paths, Path(folder)))
        own = outside.card
        card = replace(own, title=source.title, licence=source.licence, languages=source.languages or own.languages, note=source.note)
        return kept(replace(outside, card=card), target, {FETCHED: json.dumps(hashes)})


def lay(source: Source, paths: Mapping[str, Path], folder: Path) -> Path:
    """Writes what a source of weights streams into a folder; gives the file where there is only one, else the folder."""
    streams: Any = source.open(paths)  # of (name, stream)
    for name, stream in streams:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("ab") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
    files = list(folder.iterdir())
    return files[0] if len(files) == 1 else folder


def _lines(row: Mapping[str, Any]) -> list[str]:
    size = f"{row['source']}: {row['bytes'] / 1e6:.1f} MB{' (was there)' if row['cached'] else ''}"
    return [size, f"  kept as {row['model']} · {row['licence']} · {row['note']}"] if "model" in row else [size]
