"""duomo translate MODEL: drafts of translations between English and Chinese: of texts, files, folders and columns of tables."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duomo.commands.extract import STDIN, read
from duomo.commands.given import COLUMNS, LINES, TABLES, column_of, table
from duomo.commands.models import open_model
from duomo.commands.show import bars, status
from duomo.commands.translator import Draft, Translator, translator
from duomo.data.texts import SUFFIXES
from duomo.disk import whole_file
from duomo.report import Report
from duomo.retrieve.words import SIGN
from duomo.tasks.bitext import Pair

TABLE_SUFFIXES = (*TABLES, *LINES, ".parquet")
SOURCES = (*COLUMNS, "source", "原文")  # which column is meant where none is named
SIDES = {"zh": ("zh", "chinese", "中文", "zh-cn"), "en": ("en", "english", "英文", "英语")}  # of a table of pairs
LIMIT = 200_000  # characters


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a translation: `duomo translate --help` says each."""

    to: str
    source: str | None = None
    column: str | None = None
    memory: Path | None = None
    beams: int = 4
    out: Path | None = None
    lines: bool = False
    draft: bool = False
    limit: int = LIMIT


@dataclass(frozen=True)
class Text:
    """Lines of one text, or the cells of a table's column; `rows`: the table."""

    name: str
    lines: Sequence[str]
    column: str = ""
    rows: Sequence[Mapping[str, Any]] = ()
    file: Path | None = None

    def where(self, number: int) -> str:
        """Where a line stands; "" for a text that was given as such."""
        return f"{self.name}:{number}" if self.name else ""


def run(folder: Path, words: Sequence[str], wanted: Wanted) -> Report:
    """Drafts translations line by line; to the screen as a text or a table like the one given, or as JSON lines, or to files.

    Raises ValueError for what can not be read, for more than `limit` characters, and as `translator` does.
    """
    given, faults = texts(words, wanted.column)
    total = sum(len(line) for one in given for line in one.lines)
    if total > wanted.limit:
        raise ValueError(f"{total:,} characters take a model long, for it drafts sentence by sentence; allow them with --limit {total}")
    own = pairs(wanted.memory) if wanted.memory else []
    with status("reading what it knows"):
        model = translator(open_model(folder), wanted.to, wanted.source, wanted.beams, own)
    for note in [*faults, *_strange(given)]:
        print(f"note: {note}", file=sys.stderr)
    drafts = drafted(model, given)
    for note in doubts(drafts):
        print(f"note: {note}", file=sys.stderr)
    facts = {"texts": len(given), "lines": sum(map(len, drafts)), "faults": faults}
    return Report(f"translate {folder}", facts=facts, lines=tuple(_told(given, drafts, wanted)))


def texts(words: Sequence[str], column: str | None) -> tuple[list[Text], list[str]]:
    """What is to be translated, and what of a folder can not be read. Raises ValueError for words that name nothing."""
    found, faults = list[Text](), list[str]()
    for word in words:
        path = Path(word)
        if path.suffix.lower() in TABLE_SUFFIXES and os.path.isfile(word):
            found.append(_table(path, column))
        elif word == STDIN or os.path.exists(word):
            if column is not None and not path.is_dir():
                raise ValueError(f"{word}: has no columns, it is read line by line; --column is for CSV, TSV, Parquet and JSON lines")
            bodies, broken = read([word])
            faults += broken
            found += [
                Text(_name(file, word), body.splitlines(), file=None if file == STDIN else Path(file)) for file, body in bodies.items()
            ]
        elif path.suffix.lower() in (*TABLE_SUFFIXES, *SUFFIXES) and " " not in word:
            raise ValueError(f"{word}: no such file or folder")
        else:
            found.append(Text("", word.splitlines()))
    if not any(line.strip() for one in found for line in one.lines):
        raise ValueError(f"{words[0] if words else 'text'}: holds no text; give a text, a file, a table or a folder of texts")
    return found, faults


def pairs(path: Path) -> list[Pair]:
    """A translation memory of the user: a table with a column of English and one of Chinese. Raises ValueError where it has none."""
    rows = [row.value for row in table(path) if isinstance(row.value, Mapping)]
    if not rows:
        raise ValueError(f"{path}: holds no pair; give lines of two texts under a line that names the columns en and zh")
    columns = {name.strip().casefold(): name for name in rows[0]}
    names = {language: next((columns[name] for name in usual if name in columns), "") for language, usual in SIDES.items()}
    if lacking := [language for language, name in names.items() if not name]:
        raise ValueError(f"{path}: no column {' and '.join(lacking)}; a translation memory has a column en and a column zh")
    both = ((_cell(row.get(names["zh"])), _cell(row.get(names["en"]))) for row in rows)
    return [Pair(zh, en) for zh, en in both if zh and en]


def drafted(model: Translator, given: Sequence[Text]) -> list[list[Draft]]:
    """The drafts of each text's lines."""
    every = [line for one in given for line in one.lines]
    with bars() as shown:
        task = shown.add_task("translate", total=model.count(every), note="")
        drafts = iter(model.drafts(every, lambda done: shown.update(task, completed=done)))
    return [[next(drafts) for _ in one.lines] for one in given]


def doubts(drafts: Sequence[Sequence[Draft]]) -> list[str]:
    """What a user should look at first."""
    every = [draft for one in drafts for draft in one]
    lost, endless = (sum(not good for good in column) for column in ([d.placeholders for d in every], [d.ended for d in every]))
    told = [f"{lost} of {len(every)} drafts lost or invented a placeholder; --draft says which"] if lost else []
    return told + ([f"{endless} of {len(every)} drafts came to no end and were cut"] if endless else [])


def as_row(draft: Draft, where: str) -> dict[str, Any]:
    """As JSON."""
    row = {"source": draft.source.strip(), "draft": draft.text.strip(), "confidence": round(draft.confidence, 4)}
    return row | {"placeholders": draft.placeholders, "ended": draft.ended} | ({"where": where} if where else {})


def as_table(text: Text, drafts: Sequence[Draft], to: str, delimiter: str) -> str:
    """The table with two columns more: the drafts and their confidence; a column of such a name is the input's."""
    draft, sure = f"{text.column} ({to})", "confidence"
    own = list(dict.fromkeys(name for row in text.rows for name in row))
    titles = {name: f"{name} (input)" if name in (draft, sure) else name for name in own}
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*titles.values(), draft, sure])
    for row, one in zip(text.rows, drafts, strict=True):
        writer.writerow([*(row.get(name, "") for name in own), one.text, f"{one.confidence:.4f}" if one.source.strip() else ""])
    return out.getvalue()


def _told(given: Sequence[Text], drafts: Sequence[Sequence[Draft]], wanted: Wanted) -> Iterable[str]:
    if wanted.lines or wanted.draft:
        rows = [as_row(d, one.where(n)) for one, own in zip(given, drafts, strict=True) for n, d in enumerate(own, 1) if d.source.strip()]
        rows = sorted(rows, key=lambda row: row["confidence"]) if wanted.draft else rows
        written = [json.dumps(row, ensure_ascii=False) for row in rows]
        if wanted.out is None:
            return written
        return [_write(wanted.out, "".join(f"{line}\n" for line in written), len(rows))]
    bodies = [_body(one, own, wanted) for one, own in zip(given, drafts, strict=True)]
    if wanted.out is None:
        headed = len(given) > 1 and any(one.name for one in given)
        return [
            line for one, body in zip(given, bodies, strict=True) for line in [*([f"== {one.name}"] if headed else []), *body.splitlines()]
        ]
    return [_write(target, body, len(own)) for target, body, own in zip(_targets(given, wanted.out), bodies, drafts, strict=True)]


def _body(one: Text, drafts: Sequence[Draft], wanted: Wanted) -> str:
    if one.rows:
        suffix = (wanted.out or one.file or Path()).suffix.lower()
        return as_table(one, drafts, wanted.to, TABLES.get(suffix, ","))
    return "".join(f"{draft.text}\n" for draft in drafts)


def _targets(given: Sequence[Text], out: Path) -> list[Path]:
    """Where each text goes: `out` itself for a single one, else files in it by their names. Raises ValueError where two would meet."""
    if len(given) == 1 and not out.is_dir():
        return [out]
    names = [one.name or f"text-{number}.txt" for number, one in enumerate(given, 1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{out / twice}: two of the texts would be written there; translate them apart")
    return [out / name for name in names]


def _write(target: Path, body: str, count: int) -> str:
    with whole_file(target) as part:
        part.write_text(body, encoding="utf-8", newline="")
    return f"{target}: {count:,} drafts"


def _table(path: Path, column: str | None) -> Text:
    rows = [(row.number, row.value) for row in table(path)]
    strange = next((number for number, value in rows if not isinstance(value, Mapping)), None)
    if strange is not None:
        raise ValueError(f"{path}:{strange}: not an object with named fields")
    if not rows:
        raise ValueError(f"{path}: holds no record to translate")
    named = column_of(path, list(rows[0][1]), column, SOURCES)
    return Text(path.name, [_cell(value.get(named)) for _, value in rows], named, [value for _, value in rows], path)


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _name(file: str, word: str) -> str:
    if file == STDIN:
        return "input"
    return str(Path(file).relative_to(word)) if file != word else Path(file).name


def _strange(given: Sequence[Text]) -> list[str]:
    """Whether most of it is in letters that no translator here knows."""
    letters = [sign for one in given for line in one.lines for sign in line[:400] if sign.isalpha()]
    known = sum(sign <= "\u024f" or SIGN.match(sign) is not None for sign in letters)
    return ["most letters are neither Latin nor Chinese, so drafts will be worth nothing"] if 2 * known < len(letters) else []
