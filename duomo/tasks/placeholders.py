"""Placeholders: what a program puts into its texts later, as {name}, %s, %1, $x and <b>; a translation keeps each of them.

A model reads and writes them by number, in the order of the source: "{host} is %s" becomes "{1} is {2}".
"""

import re
from collections import Counter
from collections.abc import Sequence

TAGS = "a|abbr|b|big|br|code|div|em|font|h[1-6]|hr|i|img|kbd|li|ol|p|pre|q|s|small|span|strong|sub|sup|table|td|th|tr|tt|u|ul|var"
FORMS = (
    r"\$?\{\{? {0,2}[\w.:/%!-]{0,80} {0,2}\}?\}",  # {name}, {}, {0:.2f}, {{ count }}, ${host}
    r"\$\(\w+\)|\$[A-Za-z_]\w*|\$\d\b(?![.,]\d)",  # $(ARG1), $x, $1; not $1.50
    r"%\(\w+\)[a-z]|%[-+#0]{0,3}\d{0,3}(?:\.\d{1,3})?l{0,2}[sdiufgcxX@](?![A-Za-z])",  # %(count)d, %s, %5.2f
    r"%\d+\b|%[A-Z][A-Z0-9_]+%?",  # %1, %PRODUCTNAME, %PATH%
    rf"</?(?i:{TAGS})(?:\s[^<>]*)?/?>",  # <b>, </b>, <a href="…">, <br/>
    r"&(?:\w+|#\d+);",  # &nbsp;
)
PLACEHOLDER = re.compile("|".join(FORMS), re.ASCII)
NUMBERED = re.compile(r"\{(\d{1,3})\}")


def found(text: str) -> Counter[str]:
    """The placeholders of a text, each with how often it stands there."""
    return Counter(PLACEHOLDER.findall(text))


def known(text: str) -> tuple[str, ...]:
    """The placeholders of a text in their order, each once."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def without(text: str) -> str:
    """The text with its placeholders left out."""
    return PLACEHOLDER.sub("", text)


def numbered(text: str, names: Sequence[str]) -> str:
    """The text with {1} for the first of the names, {2} for the second; a placeholder that is not among them stays."""
    place = {name: f"{{{number}}}" for number, name in enumerate(names, 1)}
    return PLACEHOLDER.sub(lambda hit: place.get(hit[0], hit[0]), text)


def named(text: str, names: Sequence[str]) -> str:
    """The inverse of `numbered`; a number without a name stays."""

    def name(hit: re.Match[str]) -> str:
        number = int(hit[1])
        return names[number - 1] if 0 < number <= len(names) else hit[0]

    return NUMBERED.sub(name, text)
