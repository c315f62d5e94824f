"""Main text: what a page is about, without menus, lists of links and footers.

Reference: Kohlschütter, Fankhauser and Nejdl 2010, "Boilerplate detection using shallow text features": a block is text or not by how
many words it and its neighbours have, and by how many of them are links. Pomikálek 2011, "Removing boilerplate and duplicate content
from web corpora" (jusText): what is short and no link between two texts is text.
"""

import re
from collections.abc import Sequence

from duomo.data.content import HAN
from duomo.data.markup import Block, Page

SIGN = re.compile(f"[{HAN}]")
WORD = re.compile(rf"[^\W_{HAN}]+")
SIGNS_PER_WORD = 2  # of Chinese
BODY_SHARE = 0.25  # of a page's words from which on its <article> or <main> holds all of its text
LINKED, LINKED_BEFORE = 1 / 3, 5 / 9  # the tree: shares of links, and counts of words
LONG, LONGER, NEXT, AFTER_LINKS, BEFORE = 16, 40, 15, 17, 4
LEAST_WORDS = 5  # of a line
STOPS, CLOSING = frozenset(".!?。！？…"), "\"'”’」』）)"


def main_text(page: Page) -> str:
    """The page's own text: paragraphs and their headings, an empty line between two; "" where it has none."""
    blocks = [block for block in page.blocks if not block.around]
    bodies = [block for block in blocks if block.body]
    if sum(map(_words, bodies)) >= BODY_SHARE * sum(map(_words, blocks)):
        blocks = bodies or blocks
    kept = _headed(blocks, _told(blocks))
    return "\n\n".join(block.words for block in kept)


def _told(blocks: Sequence[Block]) -> list[bool]:
    """Whether each block is text, by the tree of the first paper, and by the neighbourhood of the second."""
    counts = [0.0, *map(_words, blocks), 0.0]
    links = [0.0, *map(_linked, blocks), 0.0]
    told = [_is_text(counts[i - 1 : i + 2], links[i - 1 : i + 2]) for i in range(1, len(blocks) + 1)]
    texts = [number for number, text in enumerate(told) if text]
    return [text or (bool(texts) and texts[0] < i < texts[-1] and links[i + 1] <= LINKED) for i, text in enumerate(told)]


def _is_text(counts: Sequence[float], links: Sequence[float]) -> bool:
    """Of the words and the shares of links of a block and its two neighbours."""
    before, own, after = counts
    if links[1] > LINKED:
        return False
    if links[0] > LINKED_BEFORE:
        return own > LONGER or after > AFTER_LINKS
    return own > LONG or after > NEXT or before > BEFORE


def _headed(blocks: Sequence[Block], told: Sequence[bool]) -> list[Block]:
    """The blocks of text, and the headings that stand over one."""
    kept, open_headings = list[Block](), list[Block]()
    for block, text in zip(blocks, told, strict=True):
        if block.depth:
            open_headings = [*(one for one in open_headings if one.depth < block.depth), block]
        elif text:
            kept += [*open_headings, block]
            open_headings = []
    return kept


def _words(block: Block) -> float:
    return _size(block.words)


def _linked(block: Block) -> float:
    """The share of a block's characters that are links."""
    return block.linked / max(len(block.words) - block.words.count(" "), 1)


def main_lines(text: str) -> str:
    """Of a page's text without its markup the lines that are sentences, as C4 keeps them: five words or more, and a full stop at the end.

    Reference: Raffel et al. 2020, "Exploring the limits of transfer learning with a unified text-to-text transformer", section 2.2.
    """
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line.rstrip(CLOSING)[-1:] in STOPS and _size(line) >= LEAST_WORDS)


def _size(text: str) -> float:
    """How many words; of Chinese two signs are one."""
    return len(WORD.findall(text)) + len(SIGN.findall(text)) / SIGNS_PER_WORD
