"""Tables: a row of named columns -> Sample, by column names or templates."""

from collections.abc import Callable, Iterable, Mapping
from string import Formatter
from typing import Any

from duomo.modalities import MODALITIES
from duomo.sample import Part, Sample, ask, document

Make = Callable[[Mapping[str, Any]], Sample]


def maker(where: str, columns: Iterable[str], question: str | None, answer: str | None, kinds: Mapping[str, str] | None = None) -> Make:
    """A function row -> Sample.

    `question` and `answer` are a column or a template such as "{title}: {body}"; by default the columns of these names,
    and a table that has only a "text" column gives documents. A column is media if it is named as a modality or
    `kinds` says so. Raises ValueError naming the file, the missing column and the columns there are.
    """
    there = list(columns)
    plain = {column: kinds[column] if kinds and kinds.get(column) in MODALITIES else column for column in there}
    if question is None and answer is None and "question" not in there and "text" in there:
        return lambda row: document(_words(row, "text"))
    asked = template(where, there, question or "question")
    told = template(where, there, answer or "answer")
    return lambda row: ask(*_parts(row, asked, plain), answer=_joined(row, told))


def template(where: str, columns: list[str], value: str) -> list[tuple[str, str | None]]:
    """Pairs of literal text and the column after it (None: no more). A text without braces is a column's name."""
    try:
        parsed = Formatter().parse(value) if "{" in value else [("", value, None, None)]
        pieces = [(literal, field) for literal, field, _, _ in parsed]
    except ValueError as error:
        raise ValueError(f"{where}: the template {value!r} is broken ({error}); write it as '{{column}}'") from error
    for _, field in pieces:
        if field is not None and field not in columns:
            raise ValueError(f"{where}: no column {field!r}; the columns are: {', '.join(columns)}")
    return pieces


def _parts(row: Mapping[str, Any], pieces: list[tuple[str, str | None]], kinds: Mapping[str, str]) -> list[Part | str]:
    parts: list[Part | str] = []
    for literal, field in pieces:
        if literal:
            parts.append(literal)
        if field is not None and kinds[field] in MODALITIES:
            parts.append(Part(kinds[field], _media(row, field)))
        elif field is not None:
            parts.append(_words(row, field))
    return _merged(parts)


def _merged(parts: list[Part | str]) -> list[Part | str]:
    merged: list[Part | str] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _joined(row: Mapping[str, Any], pieces: list[tuple[str, str | None]]) -> str:
    return "".join(literal + (_words(row, field) if field is not None else "") for literal, field in pieces)


def _words(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None or not str(value).strip():
        raise ValueError(f"column {column!r} is empty")
    return str(value)


def _media(row: Mapping[str, Any], column: str) -> str | bytes:
    value = row.get(column)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if not isinstance(value, str | bytes) or not value:
        raise ValueError(f"column {column!r} holds no file")
    return value
