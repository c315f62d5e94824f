"""Debian Reference: a guide to an operating system, in English and Chinese, block by block."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Sample
from duomo.sources.archive import MB, members
from duomo.sources.blocks import blocks
from duomo.sources.pairs import Pair, conversations
from duomo.sources.source import File, Source

LICENCE = "GPL-2.0-or-later"
ENGLISH = File(
    registry="debian",
    package="debian-reference-en",
    version="2.100",
    name="debian-reference-en_2.100_all.deb",
    sha256="9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f",
    bytes=1_704_872,
)
CHINESE = File(
    registry="debian",
    package="debian-reference-zh-cn",
    version="2.100",
    name="debian-reference-zh-cn_2.100_all.deb",
    sha256="6d2d8d9a646397e28b04cdff23d2e4374101ebf9be348e35961af62c8a2d0977",
    bytes=1_885_052,
)
CHAPTER = re.compile(r"\./usr/share/debian-reference/(ch\d\d|pr01)\.[\w-]+\.html")
COUNT = re.compile(r"\d+(?:\.\d+)*\. ")  # of a section, before its title


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """The user says a block in simplified Chinese, the assistant in English. Ids "ch03/17": chapter and block.

    Both languages are made from one document, so that the blocks of a chapter are the same, in one order. Raises ValueError where not.
    """
    yield from conversations(_pairs(paths), "debian_reference", LICENCE)


def _pairs(paths: Mapping[str, Path]) -> Iterator[Pair]:
    english, chinese = (_chapters(paths[file.name]) for file in (ENGLISH, CHINESE))
    for chapter, said in english.items():
        told = chinese.get(chapter, [])
        if [kind for kind, _ in said] != [kind for kind, _ in told]:
            raise ValueError(
                f"{paths[CHINESE.name]}: {chapter} has other blocks than in English; delete both packages and fetch them again"
            )
        for number, ((_, one), (_, other)) in enumerate(zip(said, told, strict=True)):
            yield f"{chapter}/{number}", *_uncounted(one, other)


def _uncounted(english: str, chinese: str) -> tuple[str, str]:
    """Both without the number of their section."""
    found = COUNT.match(english)
    if found and chinese.startswith(found[0]):
        return english[found.end() :], chinese[found.end() :]
    return english, chinese


def _chapters(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Chapter -> its blocks in order: element and text."""
    found = dict[str, list[tuple[str, str]]]()
    for name, stream in members(path, lambda name: CHAPTER.fullmatch(name) is not None, 4 * MB):
        found[CHAPTER.fullmatch(name)[1]] = blocks(stream.read().decode("utf-8"))  # type: ignore[index]
    return found


DEBIAN_REFERENCE = Source(
    name="debian_reference",
    title="a guide to an operating system, in English and Chinese (Debian Reference)",
    kind="samples",
    files=(ENGLISH, CHINESE),
    licence=LICENCE,
    note="titles, table cells and paragraphs, without listings; from Debian, through apt-get; copyleft",
    open=samples,
)
