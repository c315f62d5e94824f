"""Cut: texts into sentences, sections into passages; Chinese and English. What is given are (begin, end) of characters."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from duomo.retrieve.passage import Marks, Passage, Section

MOST = 900  # bytes of a passage: about 200 tokens of English, 300 Chinese characters; what one vector can stand for
NARROW = 50  # columns: a line that ends before was ended on purpose
ENDS = re.compile(
    r"(?<![.!?])[.!?]++[\"'”’)\]]*+(?=\s)|[。！？…]+[”’」』）》]*|(?<=[㐀-鿿])[!?]++(?=[“‘「『（《]?[㐀-鿿])|\n"
)  # a run of stops is read once, however long; Chinese is written with ! and ? of half a width, too, and no space behind
BREAKS = re.compile(r"[,;:，；：、]\s*|\s+")  # where a sentence is cut that is longer than a passage
ITEM = re.compile(r"[ \t]*(?:[-*+•#>|]|\d{1,3}[.)、]|[（(]?[一二三四五六七八九十]{1,3}[、)）])")
BULLET = re.compile(r"(?:[-*+•#>|]++[ \t]+|\|++)*")  # a row of signs is read twice at most, however long
SHORT = frozenset("mr mrs ms dr prof st no vs etc e.g i.e cf fig vol ca approx inc ltd co jr sr".split())
WIDE = "⺀"  # from here on signs take two columns

Span = tuple[int, int]


def sentences(text: str) -> Iterator[Span]:
    """The sentences of a text without the white space and bullets around them; items of lists and short lines are sentences too."""
    begin = 0
    for found in ENDS.finditer(text):
        if found.end() > begin and _ends(text, begin, found):
            yield from _bare(text, begin, found.end())
            begin = found.end()
    yield from _bare(text, begin, len(text))


def pieces(text: str, most: int = MOST) -> Iterator[Span]:
    """Runs of sentences of at most `most` bytes; a piece that is half full ends with its paragraph."""
    begin = end = 0
    for a, b in _bounded(text, most):
        held = len(text[begin:end].encode())
        new_paragraph = text.count("\n", end, a) > 1 and 2 * held >= most
        if end > begin and (new_paragraph or held + len(text[end:b].encode()) > most):
            yield begin, end
            begin = a
        elif end == begin:
            begin = a
        end = b
    if end > begin:
        yield begin, end


def passages(file: str, sections: Iterable[Section], most: int = MOST) -> Iterator[Passage]:
    """The passages of a file, in order."""
    for section in sections:
        for begin, end in pieces(section.text, most):
            yield Passage(file, section.text[begin:end], section.place, _shifted(section.marks, begin, end), section.head)


def _ends(text: str, begin: int, found: re.Match[str]) -> bool:
    if found[0] == "\n":
        return _line_ends(text, found.start())
    if found[0][0] != ".":
        return True
    before = text[max(begin, found.start() - 12) : found.start()]
    word = before.split()[-1].lstrip("(\"'“‘[") if before.split() else ""
    after = text[found.end() : found.end() + 4].lstrip()[:1]
    initial = len(word) == 1 and word.isalpha() and word.isupper()
    number = word.isdigit() and not text[begin : found.start() - len(word)].strip(" \t\n-*")  # "1. First"
    return not (after.islower() or initial or number or word.lower() in SHORT)


def _line_ends(text: str, at: int) -> bool:
    """Whether a line's end is a sentence's: before an empty line or an item, after a heading or a narrow line."""
    begin = max(0, at - NARROW)
    line = text[max(begin, text.rfind("\n", begin, at) + 1) : at]  # all of it: a sentence may have begun late in a wide one
    if 2 * len(line) < NARROW:
        return True
    follows = text[at + 1 : at + 40]
    if not follows.strip(" \t\r") or follows.lstrip(" \t\r").startswith("\n") or ITEM.match(follows):
        return True
    return line.lstrip().startswith("#") or sum(2 if sign >= WIDE else 1 for sign in line) < NARROW


def _bare(text: str, begin: int, end: int) -> Iterator[Span]:
    while begin < end and text[begin].isspace():
        begin += 1
    if bullet := BULLET.match(text, begin, end):
        begin = bullet.end()
    while end > begin and text[end - 1].isspace():
        end -= 1
    if any(sign.isalnum() for sign in text[begin:end]):
        yield begin, end


def _bounded(text: str, most: int) -> Iterator[Span]:
    """Sentences, those that are too long in parts."""
    for begin, end in sentences(text):
        if end - begin <= most // 4:
            yield begin, end
            continue
        while end - begin > most // 4 and len(text[begin : min(end, begin + most + 1)].encode()) > most:
            room = len(text[begin : begin + most].encode()[:most].decode(errors="ignore"))
            breaks = [found.end() for found in BREAKS.finditer(text, begin + room // 2, begin + room)]
            cut = breaks[-1] if breaks else begin + room
            yield from _bare(text, begin, cut)
            begin = cut
        yield from _bare(text, begin, end)


def _shifted(marks: Marks, begin: int, end: int) -> Marks:
    """The marks inside a piece, counted from its beginning."""
    first = max(1, bisect_right(marks, begin, key=_offset))
    inside = marks[first : bisect_left(marks, end, key=_offset)]
    return ((0, marks[first - 1][1]), *((offset - begin, number) for offset, number in inside))


def _offset(mark: tuple[int, float]) -> int:
    return mark[0]
