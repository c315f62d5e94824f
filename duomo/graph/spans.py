"""Spans: pieces of a text with their kind and place; sentences; and what rules find without a model. Offsets count characters."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LONGEST = 1_000  # characters of a sentence; what has no stop for longer is cut there


@dataclass(frozen=True, order=True)
class Span:
    """`text` stands at [start, end) of its document."""

    start: int
    end: int
    kind: str
    text: str


MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
YEAR = r"[12]\d{3}"
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
WHOLE = rf"(?<!\d){NUMBER}"  # a row of digits is tried from its beginning alone: else a long one takes the square of its length
HAN_DIGIT = "〇零一二三四五六七八九"
HAN_NUMBER = f"{HAN_DIGIT}十百千万亿两"
DATE = (
    rf"\d{{1,2}} {MONTH}\.? {YEAR}\b|{MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?, {YEAR}\b|{MONTH}\.? {YEAR}\b"
    rf"|{YEAR}-\d{{2}}-\d{{2}}\b|{YEAR}/\d{{1,2}}/\d{{1,2}}\b"
    r"|(?:\d{4}|公元前?\d{1,4}|西元\d{1,4})年(?:\d{1,2}月(?:\d{1,2}[日号])?)?|\d{1,2}月\d{1,2}[日号]"
    rf"|[{HAN_DIGIT}]{{4}}年(?:[{HAN_NUMBER}]{{1,2}}月(?:[{HAN_NUMBER}]{{1,3}}[日号])?)?"
    rf"|(?=[c12])(?:(?<=\b[Ii]n )|(?<=\b[Ss]ince )|(?<=\buntil )|(?<=[(–]))(?:c\. )?{YEAR}\b(?![,.]\d)"  # else a bare number is no year
)
MONEY = (
    rf"(?:US|HK|NT|RMB)?[$€£¥￥₹]\s?{NUMBER}(?:\s?(?:million|billion|trillion|万|亿))?|(?:USD|EUR|GBP|CNY|RMB|JPY) ?{NUMBER}"
    rf"|{WHOLE}\s?(?:万亿|万|亿)?(?:美元|欧元|英镑|日元|港元|人民币|元)|(?<![{HAN_NUMBER}])[{HAN_NUMBER}]+(?:美元|欧元|英镑|日元|港元|元)"
    rf"|{WHOLE} (?:million |billion )?(?:dollars|euros|pounds|yuan)\b"
)
ALONE = "(?<![A-Za-z0-9_.])"  # not inside a word of letters; Chinese characters may stand around
RULES: Sequence[tuple[str, str]] = (  # at one place the first that fits
    (
        "url",
        r"https?://[^\s<>\"'，。；）】」]{0,500}[^\s<>\"'，。；）】」.,;:!?)\]]|\bwww\.[\w-]{1,60}(?:\.[\w-]{1,60}){1,4}(?:/[^\s<>\"'，。；）]{0,200})?",
    ),
    ("email", ALONE + r"[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,62}){1,5}"),
    ("money", MONEY),
    (
        "phone",
        ALONE + r"(?:\+\d{1,3}[ -]?(?:\(\d{1,4}\)[ -]?)?\d{2,4}(?:[ -]\d{2,4}){1,3}"
        r"|1[3-9]\d{9}|0\d{2,3}-\d{7,8}|\(\d{3}\) \d{3}-\d{4})(?!\d)",
    ),
    ("date", DATE),
    ("percent", rf"{WHOLE}\s?[%％‰]|{WHOLE} percent\b|百分之[\d{HAN_NUMBER}点.]+"),
    ("number", rf"{ALONE}{NUMBER}(?![A-Za-z0-9_]|\.\d)"),
)
_RULE = re.compile("|".join(f"(?P<{kind}>{rule})" for kind, rule in RULES))
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|No|Vol|Fig|Inc|Ltd|Co|Corp|Gen|Col|Lt|Sgt|Rev|Hon|approx|ca?|e\.g|i\.e|lit|r|b|d)|\b[A-Z])\.$"
)
_STOP = re.compile(r"[。！？!?]+[”’」』）)\"]*|\.[”’\")]*(?=\s|$)|\n\s*\n|\n(?=\s*[-*#•])")


def ruled(text: str) -> list[Span]:
    """Dates, numbers, percentages, money, URLs, e-mail addresses and phone numbers, in reading order; none overlaps another."""
    return [Span(found.start(), found.end(), str(found.lastgroup), found[0]) for found in _RULE.finditer(text)]


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """(where it begins, the sentence), without white space at its ends; a dot after an initial or an abbreviation ends none."""
    start = 0
    for found in _STOP.finditer(text):
        if found[0].startswith(".") and _ABBREVIATION.search(text, max(start, found.start() - 12), found.start() + 1):
            continue
        yield from _trimmed(text, start, found.end())
        start = found.end()
    yield from _trimmed(text, start, len(text))


def apart(spans: Iterable[Span]) -> list[Span]:
    """In reading order, none over another: of two that overlap the one that stands first in what was given stays."""
    taken: list[Span] = []
    ends = bytearray()  # which characters are taken: a long text has many spans
    for span in spans:
        if len(ends) < span.end:
            ends.extend(bytes(span.end - len(ends)))
        if not any(ends[span.start : span.end]):
            ends[span.start : span.end] = b"\1" * (span.end - span.start)
            taken.append(span)
    return sorted(taken)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    while start < end:
        piece = text[start : min(end, start + LONGEST)]
        if bare := piece.strip():
            yield start + len(piece) - len(piece.lstrip()), bare
        start += len(piece)
