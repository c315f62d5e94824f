"""Documents: files of a folder as sections of text with their places; how each format is read, and what is refused."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from duomo.commands.given import head_of
from duomo.commands.markup import html_sections, markdown_sections
from duomo.data.quarantine import Quarantine
from duomo.data.rows import csv_columns, csv_rows, json_rows
from duomo.retrieve.passage import LINE, PAGE, ROW, SECOND, Marks, Section
from duomo.retrieve.shelf import is_shelf

MB = 1_000_000
MOST_TEXT = 32 * MB  # of a file of text or rows
MOST_PDF = 256 * MB
MOST_PAGES = 5_000
SEPARATORS = ",;\t"
ENCODINGS = ("utf-8-sig", "gb18030")  # what Chinese and English files are written in
Sections = Iterator[Section]
Read = Callable[[Path], Sections]
Spoken = Callable[[Path], Iterator[tuple[float, str]]]  # what is said in a recording or film, with the seconds


def readers(hear: Spoken, sounds: tuple[str, ...]) -> Mapping[str, Read]:
    """How a file is read, by its ending; `sounds` are the endings of what is heard."""
    return {
        **dict.fromkeys((".txt", ".text", ".log", ".srt", ".vtt"), text_sections),
        **dict.fromkeys((".md", ".markdown"), lambda path: markdown_sections(text_of(path))),
        **dict.fromkeys((".html", ".htm", ".xhtml"), lambda path: html_sections(text_of(path))),
        ".pdf": pdf_sections,
        ".csv": table_sections,
        ".tsv": partial(table_sections, separator="\t"),
        **dict.fromkeys((".jsonl", ".ndjson"), record_sections),
        ".json": json_sections,
        **dict.fromkeys(sounds, lambda path: spoken_sections(hear(path))),
    }


def files_in(folder: Path) -> Iterator[Path]:
    """The files below a folder, in order of names; nothing hidden, no link, no index, and nothing that is no plain file."""
    if folder.is_file():
        yield folder
        return
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_shelf(Path(here, name)))
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or GB 18030. Raises ValueError where it is none, or too long."""
    refuse_large(path, MOST_TEXT)
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").replace("\r\n", "\n")
    for encoding in () if b"\0" in data else ENCODINGS:
        try:
            text = data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue
        if _readable(text):
            return text
    raise ValueError("holds no text that can be read; save it as UTF-8")


def text_sections(path: Path) -> Sections:
    """A plain text is one section."""
    text = text_of(path)
    yield Section(text, LINE, line_marks(text))


def pdf_sections(path: Path) -> Sections:
    """The text of each page; pictures of text are not read."""
    try:
        import pypdfium2
    except ImportError as error:
        raise ValueError("PDF needs pypdfium2; install duomo[shelf]") from error
    refuse_large(path, MOST_PDF)
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"no PDF that can be read ({str(error).strip('.').lower()}); export it again") from error
    with document:
        if len(document) > MOST_PAGES:
            raise ValueError(f"has {len(document):,} pages, more than {MOST_PAGES:,}; split it")
        for number in range(len(document)):
            try:
                text = document[number].get_textpage().get_text_bounded()
            except pypdfium2.PdfiumError as error:
                raise ValueError(f"page {number + 1} can not be read ({str(error).strip('.').lower()}); export it again") from error
            yield Section(text.replace("\r\n", "\n").replace("￾", ""), PAGE, ((0, number + 1),))


def table_sections(path: Path, separator: str = "") -> Sections:
    """Each row of a table as `column: value; column: value`, by the columns of its first line."""
    refuse_large(path, MOST_TEXT)
    head = head_of(path)
    try:
        yield from _cells(path, separator or max(SEPARATORS, key=head.count))
    except csv.Error as error:
        raise ValueError(f"no table ({error}); save it as CSV again") from error


def _cells(path: Path, separator: str) -> Sections:
    columns, faults = csv_columns(path, separator), Quarantine(1)
    for row in csv_rows(path, separator, faults):
        cells = [(column, str(value).strip()) for column, value in row.value.items() if str(value).strip()]
        if cells:
            yield _row(cells if len(columns) > 1 else [("", cells[0][1])], row.number)
    _told(faults)


def record_sections(path: Path) -> Sections:
    """Each JSON line as `name: value; name: value`."""
    refuse_large(path, MOST_TEXT)
    faults = Quarantine(1)
    for row in json_rows(path, faults):
        if cells := list(flat(row.value)):
            yield _row(cells, row.number)
    _told(faults)


def json_sections(path: Path) -> Sections:
    """Each element of an array, or each entry of one object, as `name: value; name: value`; or JSON lines, where it is neither."""
    refuse_large(path, MOST_TEXT)
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        yield from record_sections(path)
        return
    entries = tree.items() if isinstance(tree, dict) else (("", entry) for entry in (tree if isinstance(tree, list) else [tree]))
    for number, (name, entry) in enumerate(entries, 1):
        if cells := list(flat(entry, name)):
            yield _row(cells, number)


def spoken_sections(said: Iterator[tuple[float, str]]) -> Sections:
    """What is said in a recording, as one section with its seconds."""
    text, marks = "", list[tuple[int, float]]()
    for second, words in said:
        marks.append((len(text), second))
        text += words if words.startswith(" ") or not text else f" {words}"
    if text.strip():
        yield Section(text, SECOND, tuple(marks))


def line_marks(text: str, first: int = 1) -> Marks:
    """Where each line begins, with its number."""
    offset, marks = 0, list[tuple[int, float]]()
    for number, line in enumerate(text.split("\n"), first):
        if line or not marks:  # nothing stands on the others
            marks.append((offset, number))
        offset += len(line) + 1
    return tuple(marks)


def flat(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The texts and numbers inside a JSON value, each with its dotted name; what lies deeper than 8 is left out."""
    if isinstance(value, dict | list) and depth < 8:
        inner = value.items() if isinstance(value, dict) else (("", item) for item in value)
        for key, item in inner:
            yield from flat(item, ".".join(part for part in (name, str(key)) if part), depth + 1)
    elif isinstance(value, str | int | float) and str(value).strip():
        yield name, str(value).strip()


def refuse_large(path: Path, most: int) -> None:
    """Raises ValueError for a file of more bytes."""
    if (size := path.stat().st_size) > most:
        raise ValueError(f"has {size / MB:,.0f} MB, more than {most // MB}; split it")


def _row(cells: list[tuple[str, str]], number: int) -> Section:
    return Section("; ".join(f"{name}: {value}" if name else value for name, value in cells), ROW, ((0, number),))


def _told(faults: Quarantine) -> None:
    """Raises ValueError with the first bad row: what could be read was given before."""
    if faults.count:
        first = faults.faults[0]
        raise ValueError(f"{faults.count} rows can not be read; the first is {first.record}: {first.reason}")


def _readable(text: str) -> bool:
    """Whether a text is more than a few control signs and unknown ones."""
    head = text[:100_000]
    strange = sum(not (sign.isprintable() or sign in "\n\t\f") for sign in head)
    return strange <= len(head) // 50
