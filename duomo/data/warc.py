"""WARC: the records of a web archive, one after the other; a bad one is refused and the rest goes on.

Form: ISO 28500, as Common Crawl and web recorders write it: each record a gzip member of its own, one stream, or nothing packed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from duomo.data.inflate import Inflated
from duomo.data.quarantine import Fault, Refuse

MB = 1_000_000
MARK = b"WARC/1."
CLOSED = b"\r\n\r\n"
HEAD = 1 << 16  # bytes that the fields of a record may have
MOST = 16 * MB  # bytes of a record
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
HEAD_END = re.compile(BLANK_LINE.pattern + rb"|\n" + re.escape(MARK))  # or where the next head begins before this one has ended


class Record(NamedTuple):
    """One record. The names of `fields` are in small letters; `number` counts all records from 1."""

    number: int
    fields: Mapping[str, str]
    body: bytes


def records(path: Path, refuse: Refuse) -> Iterator[Record]:
    """The records of a .warc, .wet or .wat file, packed or not. Memory: one record."""
    with path.open("rb") as file:
        source, number, more = Inflated(file), 0, True
        while more:
            number += 1
            try:
                record = Record(number, *_record(source)) if source.begin() else None
            except ValueError as error:
                refuse(Fault(str(path), number, str(error)))
                more = source.seek(MARK)
                continue
            if record is None:
                return
            yield record


def fields(head: bytes) -> dict[str, str]:
    """The fields of a head, `Name: value` on each line but the first; of two with one name the last."""
    lines = (line.partition(":") for line in head.decode("utf-8", "replace").splitlines()[1:])
    return {name.strip().lower(): value.strip() for name, colon, value in lines if colon}


def _record(source: Inflated) -> tuple[dict[str, str], bytes]:
    begins = source.fill(len(MARK)) and source.take(len(MARK)) == MARK  # taken, so that this place is not found again
    end = source.find(HEAD_END, HEAD) if begins else None
    if end is None or end[0].endswith(MARK):
        raise ValueError("no WARC record begins here")
    named = fields(source.take(end.end()))
    told = named.get("content-length", "")
    if not (told.isascii() and told.isdigit()):
        raise ValueError(f"its Content-Length is {told[:20]!r}, which is no length")
    size = int(told[:20])
    if size > MOST:
        raise ValueError(f"has {size / MB:,.0f} MB, more than {MOST // MB}; it is left out")
    source.fill(size + len(CLOSED) + len(MARK))
    if len(source.buffer) < size or not _closed(bytes(source.buffer[size : size + len(CLOSED) + len(MARK)])):
        has = f"{len(source.buffer):,}" if len(source.buffer) < size else "more"
        raise ValueError(f"its Content-Length is {size:,}, but it has {has}")  # what follows stays: other records may be in it
    body = source.take(size)
    source.ended()  # only then is a member known to be sound
    return named, body


def _closed(rest: bytes) -> bool:
    """Whether a record ends before these bytes: two empty lines, or nothing, or only empty lines before the next record."""
    return rest.startswith(CLOSED) or MARK.startswith(rest.lstrip(b"\r\n")[: len(MARK)])
