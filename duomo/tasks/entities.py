"""Entities: the persons, places and organisations of a Chinese sentence, marked where they stand.

The answer is the sentence itself with its names in brackets behind a sign of their kind: 【人江泽民】在【地北京】会见. A model that
writes sees at every character whether a name begins, and where a name stands is known exactly, however often its characters occur.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from duomo.sample import Sample, ask
from duomo.tasks.baselines import swapped
from duomo.tasks.split import deal, key, origin_group
from duomo.tasks.taggers import Gazetteer, Markov, RandomField, Tags, spans_of, tags_of
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task

SOURCE = "people_daily"
SIGNS = {"person": "人", "place": "地", "organisation": "机"}
KINDS = {sign: kind for kind, sign in SIGNS.items()}
OPEN, CLOSE = "【", "】"
QUESTION = "标出名字："
VALID, TEST = 1_000, 4_000
BREAKS = ("。！？!?\n", "；;", "，,：:", "、 ")  # where a long text is cut, best first
Span = tuple[int, int, str]  # start, end, kind
MARK = re.compile(rf"{OPEN}(?P<sign>[{''.join(KINDS)}])(?P<name>[^{OPEN}{CLOSE}]+){CLOSE}")


def entities(max_chars: int = 64) -> Task:
    """Mark the names in a sentence; a longer one than `max_chars` characters is cut at its signs."""
    return Task(
        name="entities",
        samples=lambda split, store: _samples(split, store, max_chars),
        score=_score,
        metrics=(Metric("F1", _f1()), *(Metric(f"F1 {kind}", _f1(kind)) for kind in SIGNS)),
        baselines=_baselines,
        control=swapped,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=2 * max_chars,
        about="names in unseen newspaper articles whose beginning, end and kind are all right, harmonic mean of precision and recall",
    )


def question(text: str) -> Sample:
    """A text whose names are asked for."""
    return ask(QUESTION + _plain(text))


def marked(text: str, spans: Iterable[Span]) -> str:
    """The text with its spans in brackets."""
    out, at = [], 0
    for start, end, kind in sorted(spans):
        out += [text[at:start], OPEN, SIGNS[kind], text[start:end], CLOSE]
        at = end
    return "".join(out) + text[at:]


def unmarked(answer: str) -> tuple[str, list[Span]]:
    """The text without its marks, and where they stood."""
    text, spans, at = "", list[Span](), 0
    for mark in MARK.finditer(answer):
        text += answer[at : mark.start()]
        spans.append((len(text), len(text) + len(mark["name"]), KINDS[mark["sign"]]))
        text, at = text + mark["name"], mark.end()
    return text + answer[at:], spans


def found(text: str, answer: str) -> list[Span]:
    """The spans that an answer marks in a text; of equal strings the one that stands where the answer has it.

    What the text does not hold behind the last span is no span of it.
    """
    text, spans, cursor, shift = _plain(text), list[Span](), 0, 0
    for mark in MARK.finditer(answer):
        name = mark["name"]
        expected = mark.start() - shift  # where it stands if all before it was copied
        shift += 3  # the brackets and the sign
        places = [at.start() for at in re.finditer(f"(?={re.escape(name)})", text) if at.start() >= cursor]
        if places:
            start = min(places, key=lambda place: abs(place - expected))
            cursor = start + len(name)
            spans.append((start, cursor, KINDS[mark["sign"]]))
    return spans


def pieces(text: str, limit: int, breaks: Sequence[str] = BREAKS) -> Iterator[tuple[int, str]]:
    """(where it begins, the piece): a text in pieces of at most `limit` characters, cut behind the best sign there is."""
    start = 0
    while len(text) - start > limit:
        window = text[start : start + limit]
        cuts = (max(map(window.rfind, signs)) + 1 for signs in breaks)
        length = next((cut for cut in cuts if cut > limit // 4), limit)
        yield start, window[:length]
        start += length
    if text[start:].strip():
        yield start, text[start:]


def _plain(text: str) -> str:
    """The text without the brackets of an answer, sign for sign as long."""
    return text.replace(OPEN, "[").replace(CLOSE, "]").replace("\n", " ")


def _samples(split: Split, store: Store, max_chars: int) -> Iterator[Sample]:
    """Sentences of one split. A piece that stands twice counts once: in the test if it is there, else in the validation."""
    seen, lines = set[str](), list(store.open(SOURCE))
    groups = [origin_group(line) for line in lines]
    places = deal(groups, VALID, TEST)
    for part in ("test", "valid", "train"):
        for line in (line for line, place in zip(lines, places, strict=True) if place == part):
            for sample in _sentences(line, max_chars):
                bare = key(sample.messages[0].text)
                if bare not in seen and part == split:
                    yield sample
                seen.add(bare)
        if part == split:
            return


def _sentences(line: Sample, limit: int) -> Iterator[Sample]:
    """The pieces of a line as questions; those that cut a name in two are left out."""
    text, spans = line.messages[0].text, json.loads(line.answer)
    for start, piece in pieces(text, limit):
        end = start + len(piece)
        if not any(a < start < b or a < end < b for a, b, _ in spans):
            inside = [(a - start, b - start, kind) for a, b, kind in spans if start <= a and b <= end]
            yield ask(QUESTION + _plain(piece), answer=marked(_plain(piece), inside), origin=line.origin)

def _score(sample: Sample, answer: Answer) -> Row:
    """How many spans are true, said, and both, in all and of each kind: they add up over sentences."""
    text = sample.messages[0].text.removeprefix(QUESTION)
    true, said = set(unmarked(sample.answer)[1]), set(found(text, answer.text))
    return {kind: tuple(len(_of(spans, kind)) for spans in (true, said, true & said)) for kind in ("", *SIGNS)}


def _of(spans: Iterable[Span], kind: str) -> list[Span]:
    return [span for span in spans if kind in ("", span[2])]


def _f1(kind: str = "") -> Callable[[Sequence[Row]], float]:
    """Micro-averaged F1 of whole spans: that of seqeval in its strict mode."""

    def of(rows: Sequence[Row]) -> float:
        true, said, both = map(sum, zip(*(row[kind] for row in rows), strict=True))
        return 2 * both / (true + said) if true + said else 0.0

    return of


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    texts, tags = zip(*map(_tagged, train), strict=True)
    asked = [_tagged(sample)[0] for sample in test]
    made = {"names of the training text": Gazetteer, "hidden Markov model": Markov, "conditional random field": RandomField}
    return {name: _said(tagger(texts, tags).tag, asked) for name, tagger in made.items()}


def _said(tag: Callable[[str], Tags], asked: Sequence[str]) -> list[str]:
    return [marked(text, spans_of(tag(text))) for text in asked]


def _tagged(sample: Sample) -> tuple[str, Tags]:
    text = sample.messages[0].text.removeprefix(QUESTION)
    return text, tags_of(len(text), unmarked(sample.answer)[1])
