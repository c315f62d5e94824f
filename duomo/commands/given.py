"""Given: what a user names. Texts: words, the lines of a file, a column of a table, JSON lines, a folder, the input; and pictures."""

import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duomo.commands.resolve import nearest
from duomo.data.quarantine import strict
from duomo.data.rows import Row, arrow_rows, csv_columns, csv_rows, json_rows
from duomo.data.texts import SUFFIXES
from duomo.modalities.image import IMAGE

STDIN = "-"
TABLES = {".csv": ",", ".tsv": "\t"}
LINES = (".json", ".jsonl", ".ndjson")
COLUMNS = ("text", "comment", "review", "content", "文本", "评论", "内容", "评价")  # which column is meant where none is named
MOST = 512_000_000  # bytes of one file
HEAD = 50_000  # characters of the line that names the columns of a table


@dataclass(frozen=True)
class Given:
    """One text, where it stands (file and record), and what stands beside it in a table."""

    text: str
    where: str
    row: Mapping[str, Any] = field(default_factory=dict)


def texts(words: Sequence[str], column: str | None = None) -> list[Given]:
    """All texts of the words, empty ones left out: of each file its lines, its column or its records; of a folder its text files.

    Raises ValueError where there is none, for a file that is no text, and for a column that is not there.
    """
    found = [one for word in words for one in _of(word, column) if one.text.strip()]
    if not found:
        raise ValueError(f"{words[0] if words else 'texts'}: holds no text; give texts, a file of one text a line, a table or a folder")
    return found


def pictures(names: Sequence[Path]) -> list[Path]:
    """Files, and what folders hold of pictures. Raises ValueError as `media` does."""
    return media(names, (IMAGE.suffix, *IMAGE.suffixes), "picture")


def media(names: Sequence[Path], endings: Sequence[str], called: str) -> list[Path]:
    """Files, and what folders hold with these endings. Raises ValueError for a path that is none, and for a folder without any."""
    found = list[Path]()
    for name in names:
        inside = sorted(path for path in name.rglob("*") if path.suffix.lower() in endings and path.is_file()) if name.is_dir() else [name]
        if not inside:
            raise ValueError(f"{name}: holds no {called} ({', '.join(endings)})")
        found += inside
    if missing := next((path for path in found if not path.is_file()), None):
        raise ValueError(f"{missing}: no such file or folder; name a {called}, or a folder of them")
    return list(dict.fromkeys(found))


def table(path: Path) -> Iterator[Row]:
    """The records of a table or of JSON lines, as dicts. Raises ValueError with file and record for one that is none."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a table is a CSV, TSV, Parquet or JSON-lines file")
    if path.stat().st_size > MOST:
        raise ValueError(f"{path}: {path.stat().st_size / 1e6:,.0f} MB, at most {MOST // 1_000_000} are read at once; cut it in parts")
    if path.suffix.lower() not in (*LINES, ".parquet"):
        _refuse_binary(path)
        if not path.stat().st_size:
            raise ValueError(f"{path}: is empty; a table begins with a line that names its columns")
    return _rows(path)


def head_of(path: Path) -> str:
    """The first line of a table. Raises ValueError for one that is longer than names of columns are: nobody would wait for it."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.readline(HEAD)
    if len(head) == HEAD:
        raise ValueError(f"{path}: its first line has {HEAD:,} characters and more, and names no columns; give it the ending of what it is")
    return head


def column_of(path: Path, columns: Sequence[str], wanted: str | None, usual: Sequence[str] = COLUMNS) -> str:
    """The column that is wanted, or the one with a usual name, or the only one. Raises ValueError with the nearest name."""
    if wanted is not None and wanted in columns:
        return wanted
    if wanted is not None:
        raise ValueError(f"{path}: no column {wanted!r}{nearest(wanted, columns)}")
    by_name = {column.strip().casefold(): column for column in columns}
    found = next((by_name[name] for name in usual if name in by_name), None) or (columns[0] if len(columns) == 1 else None)
    if found is None:
        raise ValueError(f"{path}: which column holds the text? Say --column NAME; there are: {', '.join(columns)}")
    return found


def _rows(path: Path) -> Iterator[Row]:
    """The records; whatever a parser says of a damaged file becomes a ValueError of one line."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from arrow_rows(path, strict)
        elif suffix in LINES:
            yield from json_rows(path, strict)
        else:
            head_of(path)
            csv_columns(path, delimiter := TABLES.get(suffix, ","))
            yield from csv_rows(path, delimiter, strict)
    except csv.Error as error:
        raise ValueError(f"{path}: not a table ({error}); save it as CSV again, with quotes around its texts") from error
    except RecursionError as error:
        raise ValueError(f"{path}: holds lists in lists in lists; give one object a line") from error


def _of(word: str, column: str | None) -> Iterator[Given]:
    path = Path(word)
    if word == STDIN:
        yield from _lines(_input(), "input")
    elif os.path.isdir(word):
        yield from _folder(path)
    elif os.path.isfile(word):
        yield from _file(path, column)
    elif path.suffix.lower() in (*TABLES, *LINES, *SUFFIXES, ".parquet") and " " not in word:
        raise ValueError(f"{word}: no such file or folder")
    elif word.startswith("/") and os.path.exists(word):
        raise ValueError(f"{word}: neither a file nor a folder; pipe it in, and give - as the text")
    else:
        yield Given(word, "text")


def _file(path: Path, column: str | None) -> Iterator[Given]:
    if path.suffix.lower() not in (*TABLES, *LINES, ".parquet"):
        if column is not None:
            raise ValueError(f"{path}: has no columns, it is read as one text a line; --column is for CSV, TSV and JSON lines")
        yield from _lines(_text(path), path.name)
        return
    named = None
    for row in table(path):
        if not isinstance(row.value, Mapping):
            raise ValueError(f"{path}:{row.number}: not an object with named fields")
        named = named or column_of(path, list(row.value), column)
        value = row.value.get(named)
        yield Given("" if value is None else str(value), f"{path.name}:{row.number}", row.value)


def _folder(path: Path) -> Iterator[Given]:
    for file in sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()):
        yield Given(_text(file).strip(), str(file.relative_to(path)))


def _lines(body: str, where: str) -> Iterator[Given]:
    return (Given(line.strip(), f"{where}:{number}") for number, line in enumerate(body.split("\n"), 1))


def _text(path: Path) -> str:
    if path.stat().st_size > MOST:
        raise ValueError(f"{path}: {path.stat().st_size / 1e6:,.0f} MB, at most {MOST // 1_000_000} are read at once; cut it in parts")
    _refuse_binary(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text; save it as UTF-8") from error


def _refuse_binary(path: Path) -> None:
    with path.open("rb") as file:
        if b"\0" in file.read(65_536):
            raise ValueError(f"{path}: is no text (it holds zero bytes); give UTF-8 text, a table or a folder of text files")


def _input() -> str:
    try:
        body = sys.stdin.read(MOST + 1)
        body.encode()  # bytes that are no UTF-8 come through where the locale is C
    except UnicodeError as error:
        raise ValueError("input: is not UTF-8 text; convert it first") from error
    if len(body) > MOST:
        raise ValueError(f"input: more than {MOST // 1_000_000} MB; cut it in parts")
    if "\0" in body:
        raise ValueError("input: is no text (it holds zero bytes)")
    return body.removeprefix("\ufeff")
