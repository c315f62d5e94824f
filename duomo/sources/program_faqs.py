"""Program FAQs: what users of Python, R, zsh and Privoxy ask, with the answers of their makers."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, members
from duomo.sources.blocks import blocks
from duomo.sources.source import File, Source

LICENCE = "PSF-2.0 (Python), GPL-2.0-or-later (R, Privoxy), zsh's own (zsh)"
FILES = {
    "python": File(
        registry="debian",
        package="python3.11-doc",
        version="3.11.2-6+deb12u8",
        name="python3.11-doc_3.11.2-6+deb12u8_all.deb",
        sha256="50eb63e7f636c4281e9ce1b8f10386f1def42159eddce34fc1f41c46261df71b",
        bytes=12_642_400,
    ),
    "r": File(
        registry="debian",
        package="r-doc-html",
        version="4.2.2.20221110-2",
        name="r-doc-html_4.2.2.20221110-2_all.deb",
        sha256="2c615dd386993a440b80fd4e9060318386e31fbe47f5be65f295f5fb34002c5c",
        bytes=554_704,
    ),
    "zsh": File(
        registry="debian",
        package="zsh-doc",
        version="5.9-4",
        name="zsh-doc_5.9-4_all.deb",
        sha256="79bd75df4bf03d1021e993fd773f82b8a4c8d76649e420cd32eca940cf418ff4",
        bytes=2_785_460,
    ),
    "privoxy": File(
        registry="debian",
        package="privoxy",
        version="3.0.34-1",
        name="privoxy_3.0.34-1_amd64.deb",
        sha256="767b14a2faefac1dbb3eab9eeacb368f48bb3b0bc1d3d37cb07e6e72a89ded07",
        bytes=645_324,
    ),
}
PAGE = re.compile(
    r"\./usr/share/(doc/python3\.11/html/faq/(?!index)\w+|R/doc/manual/R-FAQ|doc/zsh-common/html/FAQ\d\d|doc/privoxy/faq/(?!index)\w+)\.html"
)
COUNT = re.compile(r"\d+(?:\.\d+)*[.:]? ")  # of a section, before its title
WAY = re.compile(r"(?:Next|Previous|Up): .*\[Contents\].*")  # a line that leads to other pages
SHORTEST = 50  # characters of an answer


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """The user asks, the assistant answers in paragraphs. Ids "python/12": program and count. Titles that ask nothing are left out."""
    for program, file in FILES.items():
        asked = dict[str, str]()
        for title, text in _sections(paths[file.name]):
            if title.endswith("?") and len(text) >= SHORTEST:
                asked.setdefault(title, text)
        for number, (title, text) in enumerate(asked.items()):
            yield ask(title, answer=text, origin=Origin("program_faqs", f"{program}/{number}", LICENCE, group=program))


def _sections(path: Path) -> Iterator[tuple[str, str]]:
    """Title and own text of what stands under each title, page by page."""
    found = members(path, lambda name: PAGE.fullmatch(name) is not None, 4 * MB)
    for _, page in sorted((name, stream.read().decode("utf-8", "replace")) for name, stream in found):
        told = list[tuple[str, list[str]]]()
        for kind, text in blocks(page):
            if kind in ("h1", "h2", "h3", "h4"):
                told.append((COUNT.sub("", text.rstrip("¶"), count=1), []))
            elif told and text and not WAY.fullmatch(text):
                told[-1][1].append(text)
        yield from ((title, "\n".join(texts)) for title, texts in told)


PROGRAM_FAQS = Source(
    name="program_faqs",
    title="questions about four programs, with answers, in English (the FAQs of Python, R, zsh and Privoxy)",
    kind="samples",
    files=tuple(FILES.values()),
    licence=LICENCE,
    note="titles that ask and the paragraphs below them, without listings; from Debian, through apt-get, on amd64",
    open=samples,
)
