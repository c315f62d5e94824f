"""duomo summarise: the sentences that stand for a text best, quoted with their places; or worded by a language model, part by part."""

import json
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from duomo.commands.documents import Read, files_in, line_marks, readers, text_sections
from duomo.commands.engines import Speed, placed
from duomo.commands.extract import STDIN
from duomo.commands.extract import read as read_input
from duomo.commands.hearing import SOUNDS, Hearing
from duomo.commands.models import embedder, open_with_card
from duomo.commands.resolve import nearest, place_of
from duomo.commands.show import bars
from duomo.commands.transcribe import refuse_whisper
from duomo.generate import Sampling, Speaker
from duomo.report import Report
from duomo.retrieve.cut import pieces
from duomo.retrieve.passage import LINE, Passage, Section
from duomo.retrieve.summary import Chosen, Embed, among, candidates, summarise
from duomo.retrieve.words import is_chinese
from duomo.sample import Sample, ask
from duomo.vectors import Embedder

BETWEEN = "\n\n"  # what stands between the sections of a file
PART = 2_000  # bytes that a language model sums up at once
LIMIT = 8_000  # bytes that it reads of one text: of a longer one the sentences that stand for it best
SENTENCE = 48  # tokens that a sentence of it may have
MANY = 100  # sentences that are chosen for it at most
SEEN, STRANGE = 20_000, 0.5  # characters that a language is told by; share of unknown tokens above which an encoder can not compare
ENCODER, NONE = "e5", "none"
TOLD = 5  # files whose fault is named
QUESTIONS: Mapping[str, str] = {
    "en": "{text}\n\nSummarise the text above in {count}, using only what it says.",
    "zh": "{text}\n\n请只根据上文，用{count}概括它。",
}
COUNTS: Mapping[str, tuple[str, str]] = {"en": ("one sentence", "{} sentences"), "zh": ("一句话", "{}句话")}


@dataclass(frozen=True)
class Choices:
    """What is wanted. `language`: that a language model is asked in; that of the text where it is not said."""

    sentences: int = 3
    language: str | None = None
    lines: bool = False
    speed: Speed = Speed()  # how a language model says its words


@dataclass(frozen=True)
class Document:
    """A text with the sections that it was read in, one behind the other."""

    name: str
    sections: tuple[Passage, ...]

    @cached_property
    def text(self) -> str:
        """All of it; offsets count its characters."""
        return BETWEEN.join(section.text for section in self.sections)

    @cached_property
    def starts(self) -> list[int]:
        """Where each section begins."""
        found = [0]
        for section in self.sections[:-1]:
            found.append(found[-1] + len(section.text) + len(BETWEEN))
        return found

    def place(self, offset: int) -> tuple[Passage, int]:
        """The section of a character, and which of its characters that is."""
        number = bisect_right(self.starts, offset) - 1
        return self.sections[number], offset - self.starts[number]


@dataclass(frozen=True)
class Summary:
    """What stands for a document: quotes, and a model's words where it wrote some. `held`: how many sentences it was chosen from."""

    document: Document
    quotes: tuple[Chosen, ...]
    held: int
    written: str | None = None

    @property
    def texts(self) -> list[str]:
        """The quotes, exactly as they stand."""
        return [self.document.text[one.begin : one.end] for one in self.quotes]

    @property
    def said(self) -> list[str]:
        """The quotes, each on one line."""
        return [" ".join(text.split()) for text in self.texts]


@dataclass(frozen=True)
class Way:
    """How a summary is found: by words where nothing is given; by `encoder`'s vectors; and worded by `writer`."""

    encoder: Embedder | None = None
    writer: Speaker | None = None


def run(names: Sequence[str], model: str | Path | None, choices: Choices) -> Report:
    """Sums up each file by this model, or by e5 where it is fetched, or by words; one that can not be read is told, and the others go on.

    Raises ValueError where none can be read, and for a model that neither compares nor writes.
    """
    if choices.language not in (None, *QUESTIONS):
        raise ValueError(f"--lang {choices.language}: no language that a model is asked in{nearest(str(choices.language), QUESTIONS)}")
    found_by = way(model or (ENCODER if place_of(ENCODER) else None), choices.speed)
    faults, rows, shown = list[str](), list[dict[str, object]](), list[tuple[str, ...]]()
    for document in documents(names, faults, slow=found_by != Way()):
        one = summary(document, choices, found_by)
        if not one.quotes:
            faults.append(f"{document.name}: holds no sentence")
            continue
        rows.append(as_json(one))
        shown.append(tuple(told(one)))
    if not rows:
        raise ValueError("\n".join(faults[:TOLD] + ([f"and {len(faults) - TOLD} more"] if len(faults) > TOLD else [])))
    for fault in faults:
        print(f"note: {fault}", file=sys.stderr)
    if choices.lines:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    else:
        lines = [line for head, *quotes in shown for line in ([head, *quotes] if len(shown) > 1 else quotes)]
    return Report("summarise", facts={"summaries": rows}, lines=tuple(lines))


def way(model: str | Path | None, speed: Speed = Speed()) -> Way:
    """An encoder compares sentences by their vectors, a language model words the summary; "none" or None: by words.

    Raises ValueError where there is no such model, and for a Whisper.
    """
    if model is None or model == NONE:
        return Way()
    run, card = open_with_card(model)
    if run.model.decoder is None:
        return Way(encoder=embedder(run, card, unknown=1.0))
    refuse_whisper(run)
    return Way(writer=Speaker(placed(run, speed).model, run.tokenizer))


def summary(document: Document, choices: Choices = Choices(), way: Way = Way()) -> Summary:
    """The summary of one document."""
    spans = candidates(document.text, choices.sentences)
    quotes = tuple(among(document.text, spans, choices.sentences, _embed(document, way.encoder)))
    words = write(document.text, way.writer, choices) if way.writer and quotes else None
    return Summary(document, quotes, len(spans), words)


def of_text(text: str, sentences: int, way: Way) -> str:
    """The summary of a text alone: its sentences one a line, or the model's words. Raises ValueError for one without any."""
    if not text.strip():
        raise ValueError("there is no text to sum up")
    found = summary(Document("text", (Passage("text", text, LINE, ((0, 1),)),)), Choices(sentences), way)
    return found.written if found.written is not None else "\n".join(found.said)


def write(text: str, speaker: Speaker, choices: Choices) -> str:
    """A model's words for a text: each part in a sentence, then these in as many as are wanted; of a long text the best sentences."""
    language = choices.language or ("zh" if is_chinese(text[:100_000]) else "en")
    most = min(SENTENCE * choices.sentences, speaker.model.recipe.max_positions // 2)
    able = replace(speaker, sampling=Sampling(max_tokens=most))
    body = reduced(text, LIMIT)
    parts = fitting(body, able, language)
    if len(parts) > 1:
        said = able.answer([question(part, 1, language) for part in parts], min(SENTENCE, most))
        body = " ".join(one.text.strip() for one in said)
        while len(held := fitting(body, able, language)) > 1:
            body = reduced(body, len(held[0].encode())) or held[0]
    return able.answer([question(body, choices.sentences, language)])[0].text.strip()


def question(text: str, count: int, language: str) -> Sample:
    """How a language model is asked to sum up."""
    one, many = COUNTS[language]
    return ask(QUESTIONS[language].format(text=text.strip(), count=one if count == 1 else many.format(count)))


def fitting(text: str, speaker: Speaker, language: str) -> list[str]:
    """The text in parts that the model reads with the question. Raises ValueError where it reads hardly more than the question."""
    most = PART
    while most >= 32:
        parts = [text[begin:end] for begin, end in pieces(text, most)] or [text]
        if all(speaker.length(question(part, 1, language)) <= speaker.room for part in parts):
            return parts
        most //= 2
    raise ValueError(f"this model reads {speaker.model.recipe.max_positions:,} tokens at most, too few to sum up a text")


def reduced(text: str, most: int) -> str:
    """A text of at most `most` bytes: itself, or the sentences that stand for it best, in their order."""
    if len(text.encode()) <= most:
        return text
    room, kept = most, list[Chosen]()
    for one in sorted(summarise(text, MANY), key=lambda one: -one.score):
        room -= len(text[one.begin : one.end].encode()) + 1
        if room < 0:
            break
        kept.append(one)
    return "\n".join(text[one.begin : one.end] for one in sorted(kept))


def documents(names: Sequence[str], faults: list[str], slow: bool = False) -> Iterator[Document]:
    """Documents of files, of folders and of the input ("-"), one after the other; what could not be read is added to `faults`.

    `slow`: whether work on each takes long. Raises ValueError for a name that is no file and no folder.
    """
    kinds = readers(Hearing().hear, SOUNDS)
    named = list(_files(names, kinds))
    for name in _watched("summarise", named, slow or any(name.lower().endswith(SOUNDS) for name in named)):
        sections, fault = _sections(name, kinds.get(Path(name).suffix.lower(), text_sections))
        faults += [f"{name}: {fault}"] if fault else []
        if sections:
            yield Document(name, sections)


def as_json(one: Summary) -> dict[str, object]:
    """What `--json` prints of a document: quotes with offsets in its text, and their line, page, row or second."""
    rows = list[dict[str, object]]()
    for quote, said in zip(one.quotes, one.texts, strict=True):
        section, offset = one.document.place(quote.begin)
        place = {section.place: int(section.at(offset))}
        rows.append({"text": said, "start": quote.begin, "end": quote.end, **place, "score": round(quote.score, 4)})
    row = {"file": one.document.name, "characters": len(one.document.text), "sentences": one.held, "summary": rows}
    return row if one.written is None else {**row, "written": one.written}


def told(one: Summary) -> Iterator[str]:
    """A summary for people: its head, then each quote above its place."""
    yield f"{one.document.name}: {len(one.quotes)} of {one.held:,} sentences"
    if one.written is not None:
        yield f"{one.written}\n    (worded by the model, which may be wrong; without it, sentences are quoted)"
        return
    for quote, said in zip(one.quotes, one.said, strict=True):
        section, offset = one.document.place(quote.begin)
        yield f"{said}\n    {section.where(offset)}"


def _files(names: Sequence[str], kinds: Mapping[str, Read]) -> Iterator[str]:
    for name in names:
        if name == STDIN or Path(name).is_file():
            yield name
        elif Path(name).is_dir():
            inside = [str(path) for path in files_in(Path(name)) if path.suffix.lower() in kinds]
            if not inside:
                raise ValueError(f"{name}: holds nothing that can be read ({', '.join(list(kinds)[:8])}, …)")
            yield from inside
        else:
            raise ValueError(f"{name}: no such file or folder; name a text, a folder of texts, or - for the input")


def _sections(name: str, reader: Read) -> tuple[tuple[Passage, ...], str]:
    """What a file holds, and what went wrong with it."""
    made, fault = list[Section](), ""
    try:
        made += _input() if name == STDIN else reader(Path(name))
    except (ValueError, OSError, RecursionError) as error:
        fault = " ".join(str(error).removeprefix(f"{name}: ").split())[:300]
    held = (Passage(name, one.text.encode("utf-8", "replace").decode(), one.place, one.marks, one.head) for one in made)
    sections = tuple(one for one in held if one.text.strip())
    return sections, fault or ("" if sections else "holds no text")


def _embed(document: Document, encoder: Embedder | None) -> Embed | None:
    """What gives its sentences their vectors; nothing does where the encoder does not know the language."""
    if encoder is None or encoder.unknown_share(document.text[:SEEN]) > STRANGE:
        if encoder is not None:
            print(f"note: {document.name}: its words are compared, for the encoder does not know its language", file=sys.stderr)
        return None
    return encoder.embed


def _watched(what: str, names: Sequence[str], slow: bool) -> Iterator[str]:
    """The names, one by one, with a bar where that takes long."""
    if not slow:
        yield from names
        return
    with bars() as shown:
        task = shown.add_task(what, total=len(names), note="")
        for name in names:
            shown.update(task, note=name[-40:])
            yield name
            shown.update(task, advance=1)


def _input() -> Iterator[Section]:
    text = read_input([STDIN])[0][STDIN].replace("\r\n", "\n")
    yield Section(text, LINE, line_marks(text))
