"""Passage: a piece of a file that can be found and quoted, with its place."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LINE, PAGE, ROW, SECOND = "line", "page", "row", "second"
PLACES = (LINE, PAGE, ROW, SECOND)  # what a file's places are counted in
Marks = tuple[tuple[int, float], ...]  # from this character on, this line, page, row or second; in order, the first at 0


@dataclass(frozen=True)
class Section:
    """A stretch of a file under one heading, as a reader of its format gives it."""

    text: str
    place: str
    marks: Marks
    head: str = ""


@dataclass(frozen=True)
class Passage:
    """A piece of bounded size. `file` is a path inside the indexed folder; `head` the heading that it stands under."""

    file: str
    text: str
    place: str
    marks: Marks
    head: str = ""

    @property
    def whole(self) -> str:
        """What is searched: the heading and the text."""
        return f"{self.head}\n{self.text}" if self.head else self.text

    def at(self, offset: int = 0) -> float:
        """The line, page, row or second of a character of the text."""
        return self.marks[max(0, bisect_right(self.marks, offset, key=lambda mark: mark[0]) - 1)][1]

    def where(self, offset: int = 0) -> str:
        """`hours.md, line 12`; of sound `talk.wav, 1:05`."""
        number = int(self.at(offset))
        return f"{self.file}, {number // 60}:{number % 60:02d}" if self.place == SECOND else f"{self.file}, {self.place} {number}"


def to_json(passage: Passage) -> dict[str, Any]:
    """One object; `from_json` reads it back."""
    marks = [[offset, number] for offset, number in passage.marks]
    return {"file": passage.file, "place": passage.place, "marks": marks, "head": passage.head, "text": passage.text}


def from_json(row: Mapping[str, Any]) -> Passage:
    """The inverse of `to_json`. Raises ValueError for what is none."""
    try:
        marks = tuple((int(offset), float(number)) for offset, number in row["marks"])
        texts = [row[name] for name in ("file", "text", "place", "head")]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a passage ({error})") from error
    if not marks or not all(isinstance(text, str) for text in texts) or row["place"] not in PLACES:
        raise ValueError("not a passage")
    return Passage(row["file"], row["text"], row["place"], marks, row["head"])
