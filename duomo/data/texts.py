"""Texts: plain text files -> documents, and long documents -> pieces that a row of tokens can hold."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from duomo.data.quarantine import Fault, Refuse
from duomo.data.rows import Row
from duomo.sample import Sample, document

SUFFIXES = (".txt", ".md", ".text")
BREAKS = (r"\n\s*\n", r"\n", r"(?<=[.!?])\s+|(?<=[。！？])", r"\s+", r"")  # where to cut, best first


class Document(NamedTuple):
    """A text, and what it is a part of: documents of one group never straddle a split."""

    text: str
    group: str = ""


def text_rows(path: Path, refuse: Refuse) -> Iterator[Row]:
    """One file: a document per block between blank lines. A folder: a document per file, in order of names."""
    if path.is_dir():
        for file in sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file()):
            yield from _whole(file, refuse)
        return
    block: list[str] = []
    start = 1
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                refuse(Fault(str(path), number, "not UTF-8; save the file as UTF-8"))
                continue
            if line.strip():
                start = start if block else number
                block.append(line)
            elif block:
                yield Row(path, start, "".join(block).strip("\r\n"))
                block = []
    if block:
        yield Row(path, start, "".join(block).strip("\r\n"))


def pieces(samples: Iterable[Sample], limit: int) -> Iterator[Sample]:
    """Cuts documents (a lone assistant's text) longer than `limit` bytes at paragraphs, lines, sentences or words.

    Nothing is lost but the white space at a cut. All pieces carry the document's id as their group, so that they never straddle a split.
    Bytes, because a token of a byte-level tokenizer holds about as many bytes in every language.
    """
    for sample in samples:
        lone = len(sample.messages) == 1 and not any(sample.media())
        if not lone or len(sample.answer.encode()) <= limit:
            yield sample
            continue
        for number, piece in enumerate(cut(sample.answer, limit)):
            origin = sample.origin and replace(
                sample.origin, id=f"{sample.origin.id}#{number}", group=sample.origin.group or sample.origin.id
            )
            yield replace(document(piece), origin=origin)


def cut(value: str, limit: int, breaks: tuple[str, ...] = BREAKS) -> Iterator[str]:
    """The text in pieces of at most `limit` bytes, each as long as the best break allows."""
    piece = ""
    for part in _split(breaks[0], value):
        if len((piece + part).rstrip().encode()) <= limit:
            piece += part
            continue
        if piece.strip():
            yield piece.strip()
        piece = ""
        if len(part.rstrip().encode()) > limit and len(breaks) > 1:
            *done, piece = cut(part, limit, breaks[1:])
            yield from done
        else:
            piece = part
    if piece.strip():
        yield piece.strip()


def _split(pattern: str, value: str) -> Iterator[str]:
    start = 0
    for found in re.finditer(pattern, value):
        yield value[start : found.end()]
        start = found.end()
    yield value[start:]


def _whole(file: Path, refuse: Refuse) -> Iterator[Row]:
    try:
        value = file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        refuse(Fault(str(file), 0, "not UTF-8; save the file as UTF-8"))
        return
    if value:
        yield Row(file, 1, value)
    else:
        refuse(Fault(str(file), 0, "empty file"))
