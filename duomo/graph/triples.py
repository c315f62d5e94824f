"""Triples: subject, predicate, object out of sentences that define, by patterns; what no pattern fits is left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from duomo.graph import chinese, english
from duomo.graph.spans import Span, sentences

PREDICATES: Mapping[str, tuple[str, str]] = {  # how each reads in English and in Chinese
    "is_a": ("is a", "是"),
    "alias": ("also known as", "又称"),
    "born_on": ("born on", "出生日期"),
    "born_in": ("born in", "出生于"),
    "died_on": ("died on", "逝世日期"),
    "died_in": ("died in", "逝世于"),
    "capital_of": ("capital of", "首都属于"),
    "located_in": ("located in", "位于"),
    "founded_by": ("founded by", "创办者"),
    "founded_in": ("founded in", "成立于"),
    "written_by": ("made by", "作者"),
}
Said = tuple[str, list[tuple[str, str, str]]]
LANGUAGES: Mapping[bool, Callable[[str, str], Said]] = {True: chinese.said, False: english.said}


@dataclass(frozen=True)
class Evidence:
    """The sentence that says it, and where it stands in which file."""

    file: str
    start: int
    end: int
    sentence: str


@dataclass(frozen=True)
class Triple:
    """Subject and object as the text has them; the predicate is one of PREDICATES."""

    subject: str
    predicate: str
    object: str
    evidence: Evidence


def triples(text: str, file: str = "", spans: Sequence[Span] = (), title: str = "") -> list[Triple]:
    """What the sentences of one document say, in their order, each triple once.

    `spans`: names that a model found; a subject or object that begins where one does ends with it. `title`: what the document is
    about, where that is known, else the subject of its first definition; a sentence that begins with a pronoun speaks of it.
    """
    found: dict[tuple[str, str, str], Triple] = {}
    topic, names = title, {span.start: span.text for span in spans}
    for start, sentence in sentences(text):
        subject, said = LANGUAGES[chinese.is_chinese(sentence)](sentence, topic)
        topic = topic or subject
        for parts in _named(said, sentence, start, names):
            if parts[0].casefold() != parts[2].casefold() and all(part.strip() for part in parts):
                found.setdefault(parts, Triple(*parts, Evidence(file, start, start + len(sentence), sentence)))
    return list(found.values())


def _named(said: list[tuple[str, str, str]], sentence: str, start: int, names: Mapping[int, str]) -> Iterator[tuple[str, str, str]]:
    """The same with subject and object as the names that begin at their places."""

    def name(part: str) -> str:
        return names.get(start + sentence.find(part), part) if names and part in sentence else part

    for subject, predicate, other in said:
        yield name(subject), predicate, other if predicate == "is_a" else name(other)
