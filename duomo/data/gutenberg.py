"""Gutenberg: plain-text books of Project Gutenberg as chapters, without the licence around them and the hard line ends within."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from duomo.data.content import HAN
from duomo.data.encoding import decoded
from duomo.data.quarantine import Fault, Refuse
from duomo.data.rows import Row
from duomo.data.texts import Document

MB = 1_000_000
MOST = 32 * MB  # bytes of a book
LOOKED = 1 << 16  # bytes in which the header ends
EBOOK = r"(?:THE |THIS )?PROJECT GUTENBERG E(?:BOOK|TEXT)"
START = re.compile(rf"(?im)^ ?\*\*\* ?START OF {EBOOK}[^*]{{0,500}}\*\*\*.*$|^\*END\*? ?THE SMALL PRINT!.*\*END\*.*$")
END = re.compile(rf"(?im)^ ?\*\*\* ?END OF {EBOOK}|^End of (?:the |this )?Project Gutenberg")
CHARSET = re.compile(r"(?im)^Character set encoding:[ \t]*([\w. -]{1,30}?)[ \t]*$")
CREDIT = re.compile(r"(?i)(?:produced|(?:e-?text )?prepared|transcribed|this e-?(?:book|text) was \w+) (?:by|from)\b")
PARTS = "chapter|book|part|volume|canto|letter|act|scene|stave|section|adventure"
COUNTS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|"
    "(?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last)"
)
HEADING = re.compile(
    rf"(?i:{PARTS})\s+(?:[IVXLC]{{1,8}}|[ivxlc]{{1,8}}|\d{{1,3}}|(?i:{COUNTS}))(?:[.:,—–-].*|\s[^a-z].*|\n.*)?$"  # Chapter IV. The pool
    r"|(?i:prologue|epilogue|preface|introduction|conclusion|appendix|foreword)\.?$"
    r"|[IVXLC]{1,8}\.?(?:\s+[^a-z\s][^a-z]{1,80})?$"  # IV. THE POOL
    r"|第\s*[一二三四五六七八九十百千零〇两兩\d]{1,8}\s*[章回节節卷部篇折出][^。！？]{0,60}$|(?:序|跋|楔子|引子|尾聲|尾声)$",
    re.DOTALL,
)
HEADING_LINES, HEADING_CHARS = 3, 160
CONTENTS = 3  # so many headings with nothing between them are a list of contents
WIDE = {False: 45, True: 22}  # signs of a line, latin or Chinese, whose end is none of the writer's
BLOCK = re.compile(r"(?:^[^\S\n]*\S.*\n?)+", re.MULTILINE)  # lines up to an empty one
SIGN = re.compile(f"[{HAN}]")


def gutenberg_rows(path: Path, refuse: Refuse) -> Iterator[Row]:
    """A document per chapter of a book, with the line that it begins on; of a folder's books, in order of names.

    In a folder a book is a group, so that its chapters never straddle a split.
    """
    whole = path.is_dir()
    for file in sorted(path.rglob("*.txt")) if whole else [path]:
        try:
            told = book(file)
        except ValueError as error:
            refuse(Fault(str(file), 0, str(error)))
            continue
        for line, text in chapters(*told):
            yield Row(file, line, Document(text, file.relative_to(path).as_posix() if whole else ""))


def is_gutenberg(file: Path) -> bool:
    """Whether a text file begins as Project Gutenberg's do."""
    with file.open("rb") as data:
        return START.search(_plain(data.read(LOOKED))) is not None


def book(file: Path) -> tuple[str, int]:
    """A book's own text and the line that it begins on. Raises ValueError where its marks are not found, or it is too large."""
    if (size := file.stat().st_size) > MOST:
        raise ValueError(f"has {size / MB:,.0f} MB, more than {MOST // MB}; split it")
    data = file.read_bytes()
    text = decoded(data, CHARSET.findall(_plain(data[:LOOKED]))[:1])
    start = max((found.end() for found in START.finditer(text, 0, LOOKED)), default=None)
    if start is None:
        raise ValueError("has no line `*** START OF …`, so it is no book of Project Gutenberg; read it as format=text")
    end = END.search(text, start)
    if end is None:
        raise ValueError("has no line `*** END OF …`: the book was cut short; fetch it again")
    return text[start : end.start()], text.count("\n", 0, start) + 1


def chapters(text: str, first: int = 1) -> Iterator[tuple[int, str]]:
    """The chapters of a book, each with its line and under its headings; what stands before the first heading is one, too."""
    heads, parts = list[tuple[int, str]](), list[tuple[int, str]]()
    for line, block in _blocks(text, first):
        if _is_contents(block) or (not parts and CREDIT.match(block)):
            continue
        if is_heading(block):
            if parts:
                yield _chapter(heads, parts)
                heads, parts = [], []
            heads.append((line, " ".join(block.split())))
        else:
            parts.append((line, joined(block)))
    if parts:
        yield _chapter(heads, parts)


def is_heading(block: str) -> bool:
    """Whether a block of lines is the heading of a chapter or a part, in English or Chinese."""
    return len(block) <= HEADING_CHARS and block.count("\n") < HEADING_LINES and HEADING.match(block) is not None


def joined(block: str) -> str:
    """A block of prose as one line; verse, lists and tables, whose lines are short or indented, stay as they are."""
    lines = block.split("\n")
    wide = all(len(line) >= WIDE[bool(SIGN.search(line))] for line in lines[:-1])
    if not wide or any(line[:1].isspace() for line in lines):
        return block
    text = lines[0]
    for before, line in pairwise(lines):
        close = before.endswith("-") or (SIGN.match(line) and not before[-1].isascii())
        text += line if close else f" {line}"
    return text


def _chapter(heads: list[tuple[int, str]], parts: list[tuple[int, str]]) -> tuple[int, str]:
    kept = [*(heads if len(heads) < CONTENTS else heads[-1:]), *parts]
    return kept[0][0], "\n\n".join(part for _, part in kept)


def _blocks(text: str, line: int) -> Iterator[tuple[int, str]]:
    """The blocks between empty lines, each with its line; without the spaces before its first line, and at the ends of all."""
    at = 0
    for found in BLOCK.finditer(text):
        line += text.count("\n", at, found.start())
        at = found.start()
        yield line, "\n".join(one.rstrip() for one in found[0].strip().split("\n"))


def _is_contents(block: str) -> bool:
    lines = block.split("\n")
    return len(lines) >= CONTENTS and all(is_heading(line.strip()) for line in lines)


def _plain(data: bytes) -> str:
    """The beginning of a file, of which only ASCII matters."""
    return data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
