"""Markup: an HTML page as blocks of words, in order; only what a reader would see, in time that grows with the page's length."""

from collections import Counter
from html.parser import HTMLParser
from typing import NamedTuple

UNSEEN = frozenset("script style template noscript svg math head iframe object select button".split())
BLOCKS = frozenset(
    "p div section article header footer main nav aside ul ol li dl dt dd table tr blockquote pre figure figcaption address form br hr "
    "h1 h2 h3 h4 h5 h6 body".split()
)
VOID = frozenset("br hr img input meta link col wbr area base embed source track".split())
DEPTHS = {f"h{depth}": depth for depth in range(1, 7)}
BODY, AROUND = ("article", "main"), ("nav", "aside", "footer", "header")  # what HTML itself says of a part of a page
CHUNK = 1 << 16  # characters given to the parser at a time
OPEN = 1 << 18  # characters that a tag may be open
NESTED = 100  # unseen elements inside unseen elements


class Block(NamedTuple):
    """A paragraph, a heading, an item of a list or a row of a table."""

    line: int  # where it begins
    words: str  # one space between two
    depth: int  # of a heading, 1 to 6; 0: it is none
    linked: int  # characters of it that are links
    body: bool  # whether it stands in an <article> or <main>
    around: bool  # whether it stands in navigation, an aside, a footer, or a header of the whole page


class Page(NamedTuple):
    """What an HTML page shows."""

    title: str
    blocks: tuple[Block, ...]


def read_page(text: str) -> Page:
    """The title and the blocks of a page; scripts and styles are never seen.

    The parser looks at an open tag again and again until it ends, so it is given the page in chunks, and a tag that is too long is cut:
    a page made of opening brackets takes no longer than another one.
    """
    page = _Parser()
    for start in range(0, len(text), CHUNK):
        page.feed(text[start : start + CHUNK])
        page.bound()
    page.finish()
    return Page(" ".join(page.title.split())[:300], tuple(page.blocks))


class _Parser(HTMLParser):
    """Collects blocks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.title = ""
        self._words: list[str] = []
        self._line, self._depth, self._linked = 1, 0, 0
        self._unseen, self._inside = list[str](), Counter[str]()
        self._link = self._titling = self._titled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._titling = tag == "title" and not self._titled
        if tag in UNSEEN and tag not in VOID and len(self._unseen) < NESTED:
            self._unseen.append(tag)
        if tag == "body":  # a head that was left open ends here
            self._unseen = []
        if tag in BLOCKS:
            self.flush()
            self._depth = DEPTHS.get(tag, 0)
            self._inside[tag] += 1
        elif tag in ("td", "th"):
            self._words.append(" ")
        elif tag == "a":
            self._link = any(name == "href" for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        self._titled |= self._titling
        self._titling = False
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]
        elif tag in BLOCKS:
            self.flush()
            self._depth = 0
            self._inside[tag] = max(self._inside[tag] - 1, 0)
        elif tag == "a":
            self._link = False

    def handle_data(self, data: str) -> None:
        if self._titling:
            self.title += data[:300]
        elif not self._unseen:
            if not self._words and data.strip():
                self._line = self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")
            if self._words or data.strip():
                self._words.append(data)
                self._linked += self._link * len("".join(data.split()))

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """`<![CDATA[` and the like are comments up to the next bracket, as browsers take them; the inherited way fails at unknown ones."""
        return self.rawdata.find(">", i) + 1 or -1

    def flush(self) -> None:
        """Ends the block."""
        words = " ".join("".join(self._words).split())
        if words:
            body = any(self._inside[tag] for tag in BODY)
            around = any(self._inside[tag] for tag in AROUND[:3]) or (not body and self._inside["header"] > 0)
            self.blocks.append(Block(self._line, words, self._depth, self._linked, body, around))
        self._words, self._linked = [], 0

    def bound(self) -> None:
        """Cuts what is open for too long: of a script all but its end, of a tag all but its beginning."""
        if len(self.rawdata) > OPEN:
            kept = self.rawdata[-32:] if self.cdata_elem else "<x "
            self.lineno += self.rawdata.count("\n") - kept.count("\n")
            self.rawdata = kept

    def finish(self) -> None:
        """Ends the page; a tag that is still open is no text."""
        if self.rawdata.startswith("<"):
            self.rawdata = ""
        self.close()
        self.flush()
