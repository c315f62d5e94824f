"""Quality: whether a document reads like prose that somebody wrote to be read, by the field's rules for text of the web.

References: Rae et al. 2021, "Scaling language models: methods, analysis and insights from training Gopher", section A.1.1 (sizes, signs,
stop words, repetition); Raffel et al. 2020, section 2.2 (C4: sentences, placeholders); Penedo et al. 2024, "The FineWeb datasets"
(ends of lines). They were made for English. Chinese is held to them by characters, two to a word, and by clauses where English has
words; these limits are our own. Other languages are held to what needs neither words nor stop words.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from duomo.data.content import units
from duomo.data.language import classifier
from duomo.sample import Sample

CLAUSE = re.compile(r"[^，。！？；：、,.!?;:\s]+")
SENTENCE_END = re.compile(r"[.!?][\"'”’)]*(?:\s|$)|[。！？…]")
LINE_END = re.compile(r"[.!?:;。！？：；…][\"'”’」』)）]*$")
BULLETS = tuple("•●▪◦‣–-*·○■□◆◇")
ELLIPSES = ("...", "…", "。。。")
PLACEHOLDERS = ("lorem ipsum", "enable javascript", "javascript is disabled", "requires javascript", "启用javascript", "开启javascript")
SENTENCES = 3
MOST_BULLETS, MOST_ELLIPSES, MOST_SYMBOLS, FEWEST_ENDS = 0.9, 0.3, 0.1, 0.12  # shares: of lines, of lines, of words, of lines
SAME_LINES, SAME_CHARACTERS = 0.3, 0.2  # shares of the lines that stood before, and of the characters in them
COMMON = ((2, 0.20), (3, 0.18), (4, 0.16))  # words in a row -> the share of the text that the most frequent such run may be
REPEATED = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))  # -> and that all that stood before may be
STOP_WORDS = 2


@dataclass(frozen=True)
class Rules:
    """What a text of one language is held to."""

    sizes: tuple[int, int]  # units: words, or Chinese characters
    lengths: tuple[float, float]  # of a piece, on the average: letters of a word, or characters of a clause
    letters: float  # share of the pieces, or of Chinese characters, that are or hold letters
    stop_words: frozenset[str]
    units_per_word: int = 1


GENERAL = Rules((20, 200_000), (0, float("inf")), 0.6, frozenset())
RULES: Mapping[str, Rules] = {
    "en": Rules((50, 100_000), (3, 10), 0.8, frozenset("the be to of and that have with".split())),
    "zh": Rules((100, 200_000), (3, 40), 0.7, frozenset("的了是在和有不这這那我他之也者而其以于於"), 2),
}


@dataclass(frozen=True)
class Text:
    """A text as its rules look at it."""

    whole: str
    rules: Rules

    @cached_property
    def lines(self) -> list[str]:
        """Those with something in them."""
        return [line for line in map(str.strip, self.whole.split("\n")) if line]

    @cached_property
    def units(self) -> list[str]:
        """Words in small letters, or Chinese characters."""
        return units(self.whole)

    @cached_property
    def pieces(self) -> list[str]:
        """Words with their signs; in Chinese clauses without."""
        return self.whole.split() if self.rules.units_per_word == 1 else CLAUSE.findall(self.whole)

    def share(self, holds: Callable[[str], bool]) -> float:
        """Of the lines."""
        return sum(map(holds, self.lines)) / max(len(self.lines), 1)


def keep_quality(samples: Iterable[Sample], dropped: Counter[str]) -> Iterator[Sample]:
    """Documents that keep all rules of their language; questions with answers and what has media pass as they are.

    What is dropped is counted under the first rule that it breaks. Judge whole documents, before they are cut.
    """
    language = classifier("data.clean.quality")
    for sample in samples:
        lone = len(sample.messages) == 1 and not any(sample.media())
        fault = flaw(sample.answer, language(sample.answer)) if lone else ""
        if fault:
            dropped[fault] += 1
        else:
            yield sample


def flaw(value: str, language: str) -> str:
    """The first rule that a text in a language (ISO 639-1) breaks; "" where it keeps all."""
    text = Text(value, RULES.get(language, GENERAL))
    return next((reason for reason, breaks in TESTS.items() if breaks(text)), "")


def _odd_lengths(text: Text) -> bool:
    low, high = text.rules.lengths
    return not low <= sum(map(len, text.pieces)) / max(len(text.pieces), 1) <= high


def _placeholder(text: Text) -> bool:
    small = text.whole.casefold()
    return any(phrase in small for phrase in PLACEHOLDERS)


def _many_symbols(text: Text) -> bool:
    symbols = text.whole.count("#") + sum(map(text.whole.count, ELLIPSES))
    return symbols > MOST_SYMBOLS * len(text.units) / text.rules.units_per_word


def _few_letters(text: Text) -> bool:
    among = text.pieces if text.rules.units_per_word == 1 else "".join(text.whole.split())
    return sum(any(map(str.isalpha, piece)) for piece in among) < text.rules.letters * len(among)


def _few_stop_words(text: Text) -> bool:
    wanted = text.rules.stop_words
    return len(wanted.intersection(text.units)) < min(STOP_WORDS, len(wanted))


def _repeated_lines(text: Text) -> bool:
    again = list((Counter(text.lines) - Counter(set(text.lines))).elements())
    return len(again) > SAME_LINES * len(text.lines) or sum(map(len, again)) > SAME_CHARACTERS * sum(map(len, text.lines))


def _repeated_phrases(text: Text) -> bool:
    said, per_word = text.units, text.rules.units_per_word
    size = sum(map(len, said))
    return any(_most_frequent(said, n * per_word) > share * size for n, share in COMMON) or any(
        _said_before(said, n * per_word) > share * size for n, share in REPEATED
    )


def _most_frequent(said: Sequence[str], n: int) -> int:
    """The letters that the most frequent run of `n` units takes, all its places together; 0 where none stands twice."""
    runs = Counter(zip(*(said[start:] for start in range(n)), strict=False))
    run, count = max(runs.items(), key=lambda item: item[1], default=((), 0))
    return count * sum(map(len, run)) if count > 1 else 0


def _said_before(said: Sequence[str], n: int) -> int:
    """The letters in runs of `n` units that stood before, none counted twice."""
    seen, letters, place = set[tuple[str, ...]](), 0, 0
    while place <= len(said) - n:
        run = tuple(said[place : place + n])
        letters += sum(map(len, run)) if run in seen else 0
        place += n if run in seen else 1
        seen.add(run)
    return letters


TESTS: Mapping[str, Callable[[Text], bool]] = {
    "too few words": lambda text: len(text.units) < text.rules.sizes[0],
    "too many words": lambda text: len(text.units) > text.rules.sizes[1],
    "a placeholder": _placeholder,
    "too few sentences": lambda text: len(SENTENCE_END.findall(text.whole)) < SENTENCES,
    "lines without an end": lambda text: text.share(lambda line: LINE_END.search(line[-9:]) is not None) <= FEWEST_ENDS,
    "lines that break off": lambda text: text.share(lambda line: line.endswith(ELLIPSES)) > MOST_ELLIPSES,
    "lists": lambda text: text.share(lambda line: line.startswith(BULLETS)) > MOST_BULLETS,
    "words too short or too long": _odd_lengths,
    "too many symbols": _many_symbols,
    "too few letters": _few_letters,
    "too few stop words": _few_stop_words,
    "repeated lines": _repeated_lines,
    "repeated phrases": _repeated_phrases,
}
