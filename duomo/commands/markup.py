"""Markup: Markdown and HTML as sections, each under its headings; only what a reader would see."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from duomo.retrieve.passage import LINE, Section

HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$")
FENCE = re.compile(r"[ ]{0,3}(?:```|~~~)")
RULE = re.compile(r"[ \t|:+=-]+$")  # of a table, or between parts
UNSEEN = frozenset("script style template noscript svg math head iframe object select button".split())
BLOCKS = frozenset(
    "p div section article header footer main nav aside ul ol li dl dt dd table tr blockquote pre figure figcaption address form br hr "
    "h1 h2 h3 h4 h5 h6 body".split()
)
VOID = frozenset("br hr img input meta link col wbr area base embed source track".split())
DEPTHS = {f"h{depth}": depth for depth in range(1, 7)}
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
    page = _Page()
    page.feed(text)
    page.close()
    page.flush()
    headings, block = Headings(), list[tuple[int, str]]()
    for number, words, depth in page.blocks:
        if depth:
            yield from _section(block, str(headings) or page.title)
            headings.add(depth, words)
            block = []
        else:
            block.append((number, f"{words}\n"))  # a block is a paragraph
    yield from _section(block, str(headings) or page.title)


def plain(line: str) -> str:
    """A line of Markdown without emphasis and the targets of links."""
    line = re.sub(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}\)", r"\1", line)
    return re.sub(r"(\*\*|__|`)", "", line)


class _Page(HTMLParser):
    """Collects blocks of words: (line, words, depth of the heading or 0)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[tuple[int, str, int]] = []
        self.title = ""
        self._words: list[str] = []
        self._line, self._depth, self._unseen, self._titled = 1, 0, list[str](), False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._titled = tag == "title"
        if tag in UNSEEN and tag not in VOID:
            self._unseen.append(tag)
        if tag == "body":  # a head that was left open ends here
            self._unseen = []
        if tag in BLOCKS:
            self.flush()
            self._depth = DEPTHS.get(tag, 0)
        elif tag in ("td", "th"):
            self._words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._titled = False
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]
        elif tag in BLOCKS:
            self.flush()
            self._depth = 0

    def handle_data(self, data: str) -> None:
        if self._titled and not self.title:
            self.title = " ".join(data.split())[:300]
        elif not self._unseen and not self._titled:
            if not self._words and data.strip():
                self._line = self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")
            if self._words or data.strip():
                self._words.append(data)

    def flush(self) -> None:
        """Ends the block."""
        words = " ".join("".join(self._words).split())
        if words:
            self.blocks.append((self._line, words, self._depth))
        self._words = []


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
