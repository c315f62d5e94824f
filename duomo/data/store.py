"""Store: what tasks may ask of the machine: opened sources, and a place for media inside the data root."""

import builtins
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duomo.disk import whole_file
from duomo.sources import SOURCES, nearest
from duomo.sources.fetch import fetch
from duomo.sources.source import Source

if TYPE_CHECKING:
    from rich.progress import Progress

MEDIA = "media"


@dataclass(frozen=True)
class Store:
    """The data root of a run: fetched files in `packages/`, kept media in `media/`."""

    root: Path
    progress: "Progress | None" = None  # shows downloads; `duomo.sources.fetch.bars` makes one
    sources: Mapping[str, Source] = field(default_factory=lambda: SOURCES)
    _opened: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def open(self, source: str) -> Any:
        """The source's samples, its voice or the path of its weights; fetched before where the cache does not hold it.

        Raises ValueError for an unknown source (naming the nearest), and as `fetch` does.
        """
        if source not in self.sources:
            raise ValueError(f"no source {source!r}{nearest(source, self.sources)}")
        if source not in self._opened:  # several tasks and splits ask for the same
            row = self.sources[source]
            opened = row.open(fetch(row, self.root, self.progress))
            self._opened[source] = list(opened) if row.kind == "samples" else opened
        return self._opened[source]

    def keep(self, data: builtins.bytes, suffix: str) -> str:
        """Writes media under the hash of its content, once: "media/ab/abcd….png", relative to the root.

        Raises ValueError for a suffix that is none, and with the mend where the disk refuses.
        """
        if not re.fullmatch(r"\.[a-z0-9]+", suffix):
            raise ValueError(f"{suffix!r} is no file ending; give one like '.png'")
        digest = hashlib.sha256(data).hexdigest()
        name = f"{MEDIA}/{digest[:2]}/{digest}{suffix}"
        path = self.root / name
        if not (path.is_file() and path.stat().st_size == len(data)):
            with whole_file(path) as new:
                new.write_bytes(data)
        return name

    def bytes(self, path: str) -> builtins.bytes:
        """What was kept. Raises ValueError for a path that leaves the root, and for one that is not there."""
        root = self.root.resolve()
        full = (root / path).resolve()
        if not full.is_relative_to(root):
            raise ValueError(f"{path}: lies outside the data root {self.root}; give a path inside it")
        if not full.is_file():
            raise ValueError(f"{full}: no such file; run `duomo prepare` again")
        return full.read_bytes()
