"""Read: the user's files, in any of the forms of the field -> Samples."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from duomo.data.chats import from_alpaca, from_sharegpt
from duomo.data.crawl import ENDINGS, crawl_files, crawl_rows
from duomo.data.folders import METADATA, answer_column, kind_of, media_rows
from duomo.data.gutenberg import gutenberg_rows, is_gutenberg
from duomo.data.quarantine import Fault, Quarantine, Refuse, strict
from duomo.data.rows import Row, arrow_kinds, arrow_rows, csv_columns, csv_rows, json_rows, peek
from duomo.data.tables import maker
from duomo.data.texts import SUFFIXES, Document, text_rows
from duomo.modalities import MODALITIES
from duomo.recipe import FileData
from duomo.sample import TEXT, Origin, Part, Sample, ask, document, from_json

BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "huggingface",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    **dict.fromkeys(SUFFIXES, "text"),
}

Rows = Iterator[Row]
Make = Callable[[Any], Sample]
Open = Callable[[FileData, Path, Refuse], tuple[Rows, Make]]


def read(data: FileData, quarantine: Quarantine | None = None) -> Iterator[Sample]:
    """The samples of one data set, in order, each with its origin; media as paths inside `folder(data)` or bytes.

    With a quarantine bad records are put there and the rest goes on; without one the first stops with a ValueError
    naming file and record. A missing file, a missing column, a data set without one good record are errors always.
    """
    path = Path(data.path)
    refuse = quarantine or strict
    known = formats()
    name = detect(data) if data.format == "auto" else data.format
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        raise ValueError(f"{path}: unknown format {name!r}; " + (f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"))
    if not path.exists() and name != "huggingface":
        raise ValueError(_missing(path))
    noted = _Noted(refuse)
    rows, make = known[name](data, path, noted)
    good = False
    for sample in _samples(rows, make, data, noted):
        good = True
        yield sample
    if not good:
        reason = f"no good record in it; the first fault: {noted.first}" if noted.first else "an empty data set"
        raise ValueError(f"{data.path}: {reason}")


def folder(data: FileData) -> Path:
    """The folder that the data set's media paths start from and must stay inside."""
    path = Path(data.path)
    return path if path.is_dir() else path.parent


def fault_in(sample: Sample, data: FileData, reason: str) -> Fault:
    """A fault that shows only in the sample, at the place that its origin names: a file, or a record of one."""
    known = sample.origin.id if sample.origin else ""
    name, _, number = known.rpartition(":") if known.rpartition(":")[2].isdigit() else (known, "", "0")
    file = folder(data) / name
    if name and file.is_file():
        return Fault(str(file), int(number), reason.removeprefix(f"{file}: "))
    return Fault(f"{data.path} ({known})" if known else data.path, 0, reason)


def formats() -> dict[str, Open]:
    """Every format by name."""
    return {
        "messages": lambda data, path, refuse: (json_rows(path, refuse), from_json),
        "sharegpt": lambda data, path, refuse: (json_rows(path, refuse), from_sharegpt),
        "alpaca": lambda data, path, refuse: (json_rows(path, refuse), from_alpaca),
        "json": _json,
        "csv": partial(_table, delimiter=","),
        "tsv": partial(_table, delimiter="\t"),
        "parquet": _arrow,
        "text": _text,
        "gutenberg": lambda data, path, refuse: (gutenberg_rows(path, refuse), _documents(data)),
        "warc": lambda data, path, refuse: (crawl_rows(path, refuse), _documents(data)),
        "huggingface": _huggingface,
        **{f"{kind}_folder": partial(_media, kind=kind) for kind in MODALITIES},
    }


def detect(data: FileData) -> str:
    """The name of the format, from what lies at the path. Raises ValueError for what is none."""
    path = Path(data.path)
    if not path.exists():
        raise ValueError(_missing(path))
    if path.is_dir():
        return _detect_folder(path)
    suffix = path.suffix.lower()
    if path.name.lower().endswith(ENDINGS):
        return "warc"
    if suffix in BY_SUFFIX:
        return "gutenberg" if suffix == ".txt" and is_gutenberg(path) else BY_SUFFIX[suffix]
    raise ValueError(f"{path}: the ending {suffix!r} does not tell the format; set format to one of: {', '.join(formats())}")


def inside(root: Path, value: str) -> str:
    """The media path as written relative to `root`. Raises ValueError if it leaves the folder or is no file."""
    full = (root / value).resolve()
    if not full.is_relative_to(root.resolve()):
        raise ValueError(f"{value!r} lies outside the data folder; media paths must stay inside {root}")
    if not full.is_file():
        raise ValueError(f"no such file {value!r} in {root}")
    return full.relative_to(root.resolve()).as_posix()


class _Noted:
    """Refuses, and keeps the first fault for the error of a data set without one good record."""

    def __init__(self, refuse: Refuse):
        self.refuse, self.first = refuse, ""

    def __call__(self, fault: Fault) -> None:
        self.first = self.first or str(fault)
        self.refuse(fault)


def _samples(rows: Rows, make: Make, data: FileData, refuse: Refuse) -> Iterator[Sample]:
    root = folder(data)
    for row in rows:
        try:
            sample = _settled(make(row.value), row, data, root)
        except ValueError as error:
            refuse(Fault(str(row.file), row.number, str(error)))
        else:
            yield sample


def _settled(sample: Sample, row: Row, data: FileData, root: Path) -> Sample:
    """Media checked; the origin filled where it is silent."""
    name = f"{row.file.relative_to(root).as_posix() if row.file.is_relative_to(root) else row.file.name}"
    told, place = sample.origin or Origin("", ""), f"{name}:{row.number}" if row.number else name
    source, licence = told.source or Path(data.path).name, told.licence or data.licence
    sample = replace(sample, origin=replace(told, source=source, id=told.id or place, licence=licence))
    if not any(sample.media()):
        return sample
    messages = tuple(replace(m, parts=tuple(_checked(p, root) for p in m.parts)) for m in sample.messages)
    return replace(sample, messages=messages)


def _checked(part: Part, root: Path) -> Part:
    if part.kind == TEXT:
        return part
    if part.kind not in MODALITIES:
        raise ValueError(f"unknown kind of part {part.kind!r}; known: text, {', '.join(MODALITIES)}")
    return Part(part.kind, inside(root, part.value)) if isinstance(part.value, str) else part


def _json(data: FileData, path: Path, refuse: Refuse) -> tuple[Rows, Make]:
    first, rows = peek(json_rows(path, refuse))
    return rows, _make_for(first, data) if first else from_json


def _make_for(first: Row, data: FileData, kinds: dict[str, str] | None = None) -> Make:
    keys = list(first.value) if isinstance(first.value, dict) else []
    for key, make in {"messages": from_json, "conversations": from_sharegpt, "instruction": from_alpaca}.items():
        if key in keys and data.question is None:
            return make
    return _rowwise(maker(str(first.file), keys, data.question, data.answer, kinds)) if keys else from_json


def _rowwise(make: Make) -> Make:
    def checked(value: Any) -> Sample:
        if not isinstance(value, dict):
            raise ValueError("not an object with named columns")
        return make(value)

    return checked


def _table(data: FileData, path: Path, refuse: Refuse, delimiter: str) -> tuple[Rows, Make]:
    return csv_rows(path, delimiter, refuse), maker(str(path), csv_columns(path, delimiter), data.question, data.answer)


def _arrow(data: FileData, path: Path, refuse: Refuse) -> tuple[Rows, Make]:
    files = sorted(path.rglob("*.parquet")) + sorted(path.rglob("*.arrow")) if path.is_dir() else [path]
    first, rows = peek(row for file in files for row in arrow_rows(file, refuse))
    return rows, _make_for(first, data, arrow_kinds(first.file)) if first else from_json


def _text(data: FileData, path: Path, refuse: Refuse) -> tuple[Rows, Make]:
    question = data.question
    return text_rows(path, refuse), document if question is None else lambda value: ask(question, answer=value)


def _documents(data: FileData) -> Make:
    def made(value: Document) -> Sample:
        sample = document(value.text) if data.question is None else ask(data.question, answer=value.text)
        return replace(sample, origin=Origin("", "", group=value.group))

    return made


def _media(data: FileData, path: Path, refuse: Refuse, kind: str) -> tuple[Rows, Make]:
    if not path.is_dir():
        raise ValueError(f"{path}: {kind}_folder wants a folder")
    first, rows = peek(media_rows(path, kind, refuse))
    columns = list(first.value) if first else [kind, "answer"]
    where = str(next((path / name for name in METADATA if (path / name).is_file()), path))
    answer = data.answer or answer_column(where, columns, kind)
    return rows, maker(where, columns, f"{{{kind}}}" + (data.question or ""), answer)


def _huggingface(data: FileData, path: Path, refuse: Refuse) -> tuple[Rows, Make]:
    if path.exists():
        return _arrow(data, path / "train" if (path / "dataset_dict.json").is_file() and (path / "train").is_dir() else path, refuse)
    try:
        import datasets
    except ImportError as error:
        raise ValueError(f"{_missing(path)}; to read it from a hub install duomo[hub]") from error
    stream = datasets.load_dataset(data.path, split="train", streaming=True)
    kinds = {key: type(feature).__name__.lower() for key, feature in (stream.features or {}).items()}
    stream = stream.decode(False) if set(kinds.values()) & set(MODALITIES) else stream
    first, rows = peek(Row(path, number, value) for number, value in enumerate(stream, 1))
    return rows, _make_for(first, data, kinds) if first else from_json


def _detect_folder(path: Path) -> str:
    if any((path / name).is_file() for name in ("dataset_dict.json", "dataset_info.json", "state.json")):
        return "huggingface"
    kind = kind_of(path)
    if kind:
        return f"{kind}_folder"
    if any(path.rglob("*.parquet")) or any(path.rglob("*.arrow")):
        return "parquet"
    if crawl_files(path):
        return "warc"
    texts = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if texts:
        return "gutenberg" if all(map(is_gutenberg, texts[:8])) else "text"
    raise ValueError(f"{path}: an empty data set: no media, text, Parquet or Arrow files in the folder; give the path of one file")


def _missing(path: Path) -> str:
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, 1)
    return f"{path}: no such file or folder" + (f"; did you mean {close[0]!r}?" if close else "")
