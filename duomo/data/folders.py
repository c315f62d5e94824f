"""Folders of media: the subfolder's name is the answer, or a metadata file or a transcript beside each file tells it."""

from collections.abc import Iterator
from pathlib import Path

from duomo.data.quarantine import Fault, Refuse
from duomo.data.rows import Row, csv_rows, json_rows
from duomo.modalities import MODALITIES

METADATA = ("metadata.jsonl", "metadata.csv")
ANSWERS = ("answer", "text", "caption", "label", "transcription", "transcript")


def suffixes(kind: str) -> tuple[str, ...]:
    """The endings of the files that a modality reads."""
    modality = MODALITIES[kind]
    return (modality.suffix, *(s for s in modality.suffixes if s != modality.suffix))


def kind_of(folder: Path) -> str | None:
    """The modality that most of the folder's files belong to; None where none does."""
    found = [f.suffix.lower() for f in _files(folder)]
    counts = {kind: sum(suffix in suffixes(kind) for suffix in found) for kind in MODALITIES}
    best = max(counts, key=lambda kind: counts[kind], default=None)
    return best if best is not None and counts[best] else None


def media_rows(folder: Path, kind: str, refuse: Refuse) -> Iterator[Row]:
    """Rows {kind: path, …} with the columns of the metadata file, else "answer" from the transcript or the subfolder's name."""
    metadata = next((folder / name for name in METADATA if (folder / name).is_file()), None)
    if metadata is not None:
        yield from _described(metadata, kind, refuse)
        return
    number = 0
    for file in _files(folder):
        if file.suffix.lower() not in suffixes(kind):
            continue
        number += 1
        answer = _told(file, folder)
        if answer:
            yield Row(file, 0, {kind: file.relative_to(folder).as_posix(), "answer": answer})
        else:
            refuse(Fault(str(file), 0, f"no answer: put it into a subfolder named as its label, or write {file.stem}.txt beside it"))


def answer_column(where: str, columns: list[str], kind: str) -> str:
    """The column that holds the answer. Raises ValueError naming the columns where it is not plain which one."""
    others = [c for c in columns if c not in (kind, "file_name")]
    known = [c for c in ANSWERS if c in others]
    if known or len(others) == 1:
        return (known or others)[0]
    raise ValueError(f"{where}: which column is the answer? Set answer to one of: {', '.join(others) or '(there is none)'}")


def _described(metadata: Path, kind: str, refuse: Refuse) -> Iterator[Row]:
    rows = csv_rows(metadata, ",", refuse) if metadata.suffix == ".csv" else json_rows(metadata, refuse)
    for row in rows:
        if isinstance(row.value, dict) and isinstance(row.value.get("file_name"), str):
            yield Row(row.file, row.number, {kind: row.value["file_name"]} | row.value)
        else:
            refuse(Fault(str(metadata), row.number, 'no "file_name"'))


def _told(file: Path, folder: Path) -> str:
    transcript = file.with_suffix(".txt")
    if transcript.is_file():
        return transcript.read_text(encoding="utf-8-sig", errors="replace").strip()
    return file.parent.name if file.parent != folder else ""


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file() and not f.name.startswith("."))
