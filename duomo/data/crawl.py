"""Crawl: the pages of a web archive (Common Crawl's WARC and WET files, recorders' own) as texts.

Requests, metadata, pictures, pages that say that something went wrong, and pages without a text of their own are passed over.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from duomo.data.encoding import decoded
from duomo.data.main_text import main_lines, main_text
from duomo.data.markup import read_page
from duomo.data.quarantine import Fault, Refuse
from duomo.data.rows import Row
from duomo.data.texts import Document
from duomo.data.warc import BLANK_LINE, HEAD, MB, Record, fields, records

ENDINGS = (".warc", ".wet", ".warc.gz", ".wet.gz")
MOST_PAGE = 4 * MB  # bytes of a page, unpacked
META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
CHARSET = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
LENGTH = re.compile(rb"(?:\r?\n)?([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]{0,200})?\r?\n")  # of a chunk
ANY_ZLIB = 47  # zlib's word for gzip or zlib


def crawl_rows(path: Path, refuse: Refuse) -> Iterator[Row]:
    """A document per page of a file, or of the files of a folder in order of names; its group is its address."""
    for file in crawl_files(path):
        for record in records(file, refuse):
            try:
                text = page_text(record)
            except ValueError as error:
                refuse(Fault(str(file), record.number, str(error)))
                continue
            if text:
                yield Row(file, record.number, Document(text, record.fields.get("warc-target-uri", "")))


def crawl_files(path: Path) -> list[Path]:
    """The web archives at a path."""
    return sorted(file for file in path.rglob("*") if file.name.lower().endswith(ENDINGS) and file.is_file()) if path.is_dir() else [path]


def page_text(record: Record) -> str:
    """The text of the page that a record holds; "" where it holds none. Raises ValueError for what can not be read."""
    kind = record.fields.get("warc-type", "").lower()
    if kind not in KINDS:
        return ""
    told, body = KINDS[kind](record)
    read = READ.get(told.partition(";")[0].strip().lower())
    if read is None:
        return ""
    if len(body) > MOST_PAGE:
        raise ValueError(f"its page has {len(body) / MB:,.0f} MB, more than {MOST_PAGE // MB}; it is left out")
    return read(body, [name for name in CHARSET.findall(told)[:1]])


def _response(record: Record) -> tuple[str, bytes]:
    """What a server answered, where it was a page: its type and its body, unpacked."""
    end = BLANK_LINE.search(record.body, 0, HEAD)
    if not end or not record.body.startswith(b"HTTP/"):
        raise ValueError("its response has no HTTP head")
    named, body = fields(record.body[: end.end()]), record.body[end.end() :]
    kind = named.get("content-type", "text/html" if b"<html" in body[:1024].lower() else "")
    status = record.body[:15].split(b" ")[1:2]
    if status and status[0].startswith(b"2") and kind.partition(";")[0].strip().lower() in READ:
        return kind, _unpacked(_joined(body) if "chunked" in named.get("transfer-encoding", "").lower() else body, named)
    return "", b""


def _resource(record: Record) -> tuple[str, bytes]:
    return record.fields.get("content-type", ""), record.body


def _conversion(record: Record) -> tuple[str, bytes]:
    """The text that Common Crawl made of a page."""
    return "conversion; charset=utf-8", record.body


KINDS: Mapping[str, Callable[[Record], tuple[str, bytes]]] = {"response": _response, "resource": _resource, "conversion": _conversion}


def _html(body: bytes, told: list[str]) -> str:
    named = [name.decode("ascii", "replace") for name in META.findall(body[:4096])[:1]]
    return main_text(read_page(decoded(body, told + named)))


READ: Mapping[str, Callable[[bytes, list[str]], str]] = {
    "text/html": _html,
    "application/xhtml+xml": _html,
    "text/plain": lambda body, told: decoded(body, told).strip(),
    "conversion": lambda body, told: main_lines(decoded(body, told)),
}


def _joined(body: bytes) -> bytes:
    """A body that came in chunks, a line with its length before each; as it is where it was joined already, as Common Crawl does."""
    parts, at = list[bytes](), 0
    while found := LENGTH.match(body, at):
        size = int(found[1], 16)
        parts.append(body[found.end() : found.end() + size])
        at = found.end() + size
    return b"".join(parts) if parts else body


def _unpacked(body: bytes, named: Mapping[str, str]) -> bytes:
    way = named.get("content-encoding", "identity").lower()
    if way in ("identity", "", "none", "utf-8") or body[:64].lstrip()[:1] == b"<":
        return body
    if way not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"its page is packed as {way[:20]}, which is not read here")
    bare = way == "deflate" and body[:1] != b"\x78"
    inflate = zlib.decompressobj(-zlib.MAX_WBITS if bare else ANY_ZLIB)
    try:
        return inflate.decompress(body, MOST_PAGE + 1)
    except zlib.error as error:
        raise ValueError(f"its page is no {way} ({error})") from error
