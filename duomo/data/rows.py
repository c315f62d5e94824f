"""Rows: what a file holds, one plain value after the other, each with its place for errors."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from duomo.data.quarantine import Fault, Refuse

NOT_UTF8 = "not UTF-8; save the file as UTF-8"


class Row(NamedTuple):
    """A value and where it stands: the line of a text file, else the record's number, from 1."""

    file: Path
    number: int
    value: Any


def peek(rows: Iterator[Row]) -> tuple[Row | None, Iterator[Row]]:
    """The first row (None: there is none) and all rows."""
    first = next(rows, None)

    def all_rows() -> Iterator[Row]:
        if first is not None:
            yield first
            yield from rows

    return first, all_rows()


def json_rows(path: Path, refuse: Refuse) -> Iterator[Row]:
    """JSON lines, or one JSON array. A line that is not JSON is refused; a broken array is an error."""
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf").lstrip()[:1]
        file.seek(0)
        if head == b"[":
            yield from (Row(path, number, value) for number, value in enumerate(_array(path), 1))
            return
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError:
                refuse(Fault(str(path), number, NOT_UTF8))
            except ValueError as error:
                refuse(Fault(str(path), number, f"not JSON ({error})"))
            else:
                yield Row(path, number, value)


def csv_rows(path: Path, delimiter: str, refuse: Refuse) -> Iterator[Row]:
    """A table with a header line; rows are dicts by column. A row of another length is refused, and one that is not UTF-8."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(reader, [])
        while True:
            start = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                refuse(Fault(str(path), start, f"not a table row ({error})"))
                continue
            if any(map(_stray, cells)):
                refuse(Fault(str(path), start, NOT_UTF8))
            elif len(cells) == len(header):
                yield Row(path, start, dict(zip(header, cells, strict=True)))
            elif cells:
                reason = f"{len(cells)} fields where the header has {len(header)}; quote fields that hold {delimiter!r}"
                refuse(Fault(str(path), start, reason))


def csv_columns(path: Path, delimiter: str) -> list[str]:
    """The header of a table. Raises ValueError where there is none, or where it names a column twice."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file, delimiter=delimiter), [])
    if any(map(_stray, header)):
        raise ValueError(f"{path}: {NOT_UTF8}")
    if not any(header):
        raise ValueError(f"{path}: an empty data set, or no header line; the first line names the columns")
    double = next((column for column in header if header.count(column) > 1), None)
    if double is not None:
        raise ValueError(f"{path}: two columns are named {double!r}; rename one")
    return header


def arrow_rows(path: Path, refuse: Refuse) -> Iterator[Row]:
    """A Parquet or Arrow file as dicts by column; class labels as names, media columns renamed to their kind's dict of bytes."""
    try:
        import pyarrow
    except ImportError as error:
        raise ValueError(f"{path}: needs pyarrow; install duomo[data]") from error
    try:
        number = 0
        for batch in _batches(path):
            labels = _label_names(batch.schema.metadata)
            for value in batch.to_pylist():
                number += 1
                yield Row(path, number, value | {key: _label(value.get(key), names) for key, names in labels.items()})
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path}: not a whole Parquet or Arrow file ({str(error).splitlines()[0]}); copy it again") from error


def arrow_kinds(path: Path) -> dict[str, str]:
    """Column -> the lower-case name of its Hugging Face feature type, where the file says it."""
    features = _features(next(iter(_batches(path))).schema.metadata) if path.stat().st_size else {}
    return {key: str(feature.get("_type", "")).lower() for key, feature in features.items() if isinstance(feature, dict)}


def _batches(path: Path) -> Iterator[Any]:
    import pyarrow
    from pyarrow import ipc, parquet

    if path.suffix == ".parquet":
        yield from parquet.ParquetFile(path).iter_batches(batch_size=1024)
        return
    with pyarrow.memory_map(str(path)) as source:
        try:
            yield from ipc.open_stream(source)
        except pyarrow.ArrowInvalid:
            file = ipc.open_file(source)
            yield from (file.get_batch(i) for i in range(file.num_record_batches))


def _features(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    tree = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    return tree.get("info", {}).get("features") or {}


def _label_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    return {key: f["names"] for key, f in _features(metadata).items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"}


def _label(value: Any, names: list[str]) -> Any:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _array(path: Path) -> list[Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error


def _stray(value: str) -> bool:
    """Whether a text holds bytes that were no UTF-8."""
    return not value.isascii() and any("\udc80" <= sign <= "\udcff" for sign in value)
