"""Markup: Markdown and HTML as sections, each under its headings."""

import re
from collections.abc import Iterator

from duomo.data.markup import read_page
from duomo.retrieve.passage import LINE, Section

HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$")
FENCE = re.compile(r"[ ]{0,3}(?:```|~~~)")
RULE = re.compile(r"[ \t|:+=-]+$")  # of a table, or between parts
BETWEEN = " › "


class Headings:
    """The headings that one stands under, outermost first."""

    def __init__(self) -> None:
        self.open: list[tuple[int, str]] = []

    def add(self, depth: int, title: str) -> None:
        """A heading ends those of its depth and deeper."""
        self.open = [*(one for one in self.open if one[0] < depth), (depth, title)]

    def __str__(self) -> str:
        return BETWEEN.join(title for _, title in self.open)


def markdown_sections(text: str) -> Iterator[Section]:
    """The text under each heading, as it is written; front matter is left out."""
    headings, block, fenced = Headings(), list[tuple[int, str]](), False
    lines = text.split("\n")
    for number, line in enumerate(lines[(skip := _front(lines)) :], skip + 1):
        fenced ^= bool(FENCE.match(line))
        found = None if fenced else HEADING.match(line[:300])
        if found:
            yield from _section(block, str(headings))
            headings.add(len(found[1]), plain(found[2]))
            block = []
        elif not (RULE.match(line) and not fenced):
            block.append((number, line if fenced else plain(line)))
        else:
            block.append((number, ""))
    yield from _section(block, str(headings))


def html_sections(text: str) -> Iterator[Section]:
    """What a page shows, block by block, under its headings or its title; scripts and styles are never seen."""
    page = read_page(text)
    headings, block = Headings(), list[tuple[int, str]]()
    for one in page.blocks:
        if one.depth:
            yield from _section(block, str(headings) or page.title)
            headings.add(one.depth, one.words)
            block = []
        else:
            block.append((one.line, f"{one.words}\n"))  # a block is a paragraph
    yield from _section(block, str(headings) or page.title)


def plain(line: str) -> str:
    """A line of Markdown without emphasis and the targets of links."""
    line = re.sub(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}\)", r"\1", line)
    return re.sub(r"(\*\*|__|`)", "", line)


def _section(block: list[tuple[int, str]], head: str) -> Iterator[Section]:
    offset, marks = 0, list[tuple[int, float]]()
    for number, line in block:
        marks.append((offset, number))
        offset += len(line) + 1
    text = "\n".join(line for _, line in block)
    if text.strip():
        yield Section(text, LINE, tuple(marks), head)
    elif head and not block:
        return


def _front(lines: list[str]) -> int:
    """How many lines of front matter a Markdown file begins with."""
    if lines[0].strip() != "---":
        return 0
    return next((number for number, line in enumerate(lines[1:200], 2) if line.strip() in ("---", "...")), 0)
