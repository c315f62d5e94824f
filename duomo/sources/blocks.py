"""Blocks: the titles, paragraphs and cells of a manual's page, one after the other, as DocBook's HTML holds them."""

from html.parser import HTMLParser

BLOCKS = frozenset("p h1 h2 h3 h4 td th dt dd li".split())
SKIPPED = frozenset("pre head script style".split())


def blocks(page: str) -> list[tuple[str, str]]:
    """Element and text of each block in order: what stands in itself, without the blocks inside it, and without listings."""
    reader = _Blocks()
    reader.feed(page)
    reader.close()
    return [(kind, " ".join("".join(text).split())) for kind, text in reader.blocks]


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[str, list[str]]] = []
        self._open: list[int] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipped += tag in SKIPPED
        if tag in BLOCKS:
            self._open.append(len(self.blocks))
            self.blocks.append((tag, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content is no block."""

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag in SKIPPED
        if tag in BLOCKS and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and not self._skipped:
            self.blocks[self._open[-1]][1].append(data)
