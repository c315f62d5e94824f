"""Debian FAQ: questions about an operating system with their answers, in English and Chinese, one beside the other."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, members
from duomo.sources.blocks import blocks
from duomo.sources.source import File, Source

LICENCE = "its own: copy and change under the same notice"
ENGLISH = File(
    registry="debian",
    package="debian-faq",
    version="11.1",
    name="debian-faq_11.1_all.deb",
    sha256="427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0",
    bytes=499_508,
)
CHINESE = File(
    registry="debian",
    package="debian-faq-zh-cn",
    version="11.1",
    name="debian-faq-zh-cn_11.1_all.deb",
    sha256="3545356b1aa04d87e91dd15e8406210cf5b4f476662e597897bcb42234591758",
    bytes=169_764,
)
LANGUAGES = {ENGLISH.name: "en", CHINESE.name: "zh"}
CHAPTER = re.compile(r"\./usr/share/doc/debian/FAQ/(?:zh-cn/)?([a-z-]+)\.(?:en|zh-cn)\.html")
CONTENTS = "index"
FOOT = '<div class="navfooter">'
SECTION = re.compile(r"(\d+(?:\.\d+)+)\. (.+)")
ASKS = ("?", "？", "?!", "？！")


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """The user asks, the assistant answers in paragraphs, in English first. Ids "en/2.1", "zh/2.1": language and section.

    Sections whose title asks nothing and those without a text of their own are left out, in both languages.
    """
    told = {LANGUAGES[name]: dict(_sections(path)) for name, path in paths.items()}
    both = [number for number, (title, text) in told["en"].items() if title.endswith(ASKS) and text and told["zh"].get(number, ("", ""))[1]]
    for language, sections in told.items():
        for number in both:
            title, text = sections[number]
            yield ask(title, answer=text, origin=Origin("debian_faq", f"{language}/{number}", LICENCE, group=number))


def _sections(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Number, title and own text of every section, in the order of the numbers."""
    found = list[tuple[str, str, list[str]]]()
    for name, stream in members(path, lambda name: CHAPTER.fullmatch(name) is not None, 4 * MB):
        if CHAPTER.fullmatch(name)[1] == CONTENTS:  # type: ignore[index]
            continue
        inside = False
        for kind, text in blocks(stream.read().decode("utf-8").partition(FOOT)[0]):
            if kind in ("h2", "h3", "h4") and (head := SECTION.fullmatch(text)):
                found.append((head[1], head[2], []))
                inside = True
            elif inside and text:
                found[-1][2].append(text)
    for number, title, texts in sorted(found, key=lambda one: [int(part) for part in one[0].split(".")]):
        yield number, (title, "\n".join(texts))


DEBIAN_FAQ = Source(
    name="debian_faq",
    title="questions about an operating system, with answers, in English and Chinese (Debian FAQ)",
    kind="samples",
    files=(ENGLISH, CHINESE),
    licence=LICENCE,
    note="titles that ask and the paragraphs below them, without listings; from Debian, through apt-get",
    open=samples,
)
