"""duomo extract: names, dates, numbers and relations out of texts of one's own: as JSON lines, as RDF, as a page to look at."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from duomo.checkpoint import Run
from duomo.commands.graph_view import html
from duomo.commands.models import open_model
from duomo.commands.show import bars
from duomo.data.texts import SUFFIXES
from duomo.disk import whole_file
from duomo.generate import Speaker
from duomo.graph.merged import Graph, merge
from duomo.graph.spans import Span, apart, ruled
from duomo.graph.triples import PREDICATES, Triple, triples
from duomo.graph.turtle import turtle
from duomo.report import Report
from duomo.tasks.entities import SIGNS, found, pieces, question

STDIN = "-"
LARGEST = 20_000_000  # bytes of a file
SHOWN = 20  # spans and relations of a document on the screen
ROOM = 64  # characters that a model reads at once, as in training
LEARNED = tuple(SIGNS)
Tagger = Callable[[str, Callable[[int], None]], list[Span]]


@dataclass(frozen=True)
class Choices:
    """What is wanted: JSON lines, a Turtle file, a page; and how many characters a model reads at most."""

    lines: bool = False
    graph: Path | None = None
    page: Path | None = None
    limit: int = 200_000


@dataclass(frozen=True)
class Document:
    """One text with what was found in it."""

    file: str
    text: str
    spans: Sequence[Span]
    triples: Sequence[Triple]


def run(names: Sequence[str], model: Path | None, choices: Choices) -> Report:
    """Reads files, folders of texts, or the input ("-"); rules find what they can without a model, which adds names.

    A file that can not be read is told, and the others go on. Raises ValueError where none can be read, and for a model that has
    not learned names or would read for too long.
    """
    texts, faults = read(names)
    _safe(texts, choices)
    tagger = names_by(open_model(model)) if model else None
    _bounded(texts, choices.limit if tagger else None)
    documents = list(_extracted(texts, tagger))
    for fault in faults:
        print(f"note: {fault}", file=sys.stderr)
    written = list(_written(documents, choices, Path(names[0]).name if names[0] != STDIN else "input"))
    if choices.lines:
        print(*written, sep="\n", end="\n" if written else "", file=sys.stderr)  # the output is for programs
        return Report("extract", lines=tuple(json_lines(documents)))
    return Report("extract", lines=(*(line for one in documents for line in told(one)), *written))


def read(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Texts by file, and what could not be read. Raises ValueError where nothing could."""
    texts, faults = dict[str, str](), list[str]()
    for file in _files(names):
        try:
            texts[file] = _text(file)
        except ValueError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(f"{file}: can not be read ({error.strerror or error})")
    if not texts:
        raise ValueError("\n".join(faults[:5] + ([f"and {len(faults) - 5} more"] if len(faults) > 5 else [])))
    return texts, faults


def names_by(run: Run) -> Tagger:
    """What finds names with this model. Raises ValueError for one that has not learned the task."""
    if "entities" not in run.recipe.data.tasks:
        raise ValueError(f"{run.folder}: has not learned names; `duomo train entities` makes a model that has")
    speaker = Speaker(run.model, run.tokenizer, batch=64)

    def tag(text: str, progress: Callable[[int], None]) -> list[Span]:
        cut, spans = list(pieces(text, ROOM)), list[Span]()
        for at in range(0, len(cut), 512):
            part = cut[at : at + 512]
            said = speaker.answer([question(piece) for _, piece in part], 2 * ROOM)
            for (start, piece), answer in zip(part, said, strict=True):
                spans += [Span(start + a, start + b, kind, text[start + a : start + b]) for a, b, kind in found(piece, answer.text)]
            progress(sum(len(piece) for _, piece in part))
        return spans

    return tag


def graph_of(documents: Iterable[Document]) -> Graph:
    """One graph of all documents."""
    documents = list(documents)
    kinds = {span.text: span.kind for one in documents for span in one.spans if span.kind in LEARNED}
    return merge((triple for one in documents for triple in one.triples), kinds)


def json_lines(documents: Iterable[Document]) -> Iterator[str]:
    """One object a document: {"file", "characters", "entities": [{"start", "end", "kind", "text"}], "triples": [{…, "evidence"}]}."""
    for one in documents:
        spans = [{"start": s.start, "end": s.end, "kind": s.kind, "text": s.text} for s in one.spans]
        row = {"file": one.file, "characters": len(one.text), "entities": spans, "triples": [asdict(triple) for triple in one.triples]}
        yield json.dumps(row, ensure_ascii=False).encode(errors="replace").decode()


def told(one: Document) -> Iterator[str]:
    """A document for people: what is in it, the first of each."""
    counts = Counter(span.kind for span in one.spans)
    names = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    yield f"{one.file}: {len(one.text):,} characters; {names or 'no names'}"
    for span in one.spans[:SHOWN]:
        yield f"  {span.start:>6}–{span.end:<6} {span.kind:<13}{_line(span.text)}"
    for triple in one.triples[:SHOWN]:
        where = f"{triple.evidence.start}–{triple.evidence.end}"
        yield f"  {_line(triple.subject)} — {PREDICATES[triple.predicate][0]} — {_line(triple.object)}  [{where}]"
    if more := max(0, len(one.spans) - SHOWN) + max(0, len(one.triples) - SHOWN):
        yield f"  … and {more:,} more: --json gives all"


def _files(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if name == STDIN or path.is_file():
            yield name
        elif path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not inside:
                raise ValueError(f"{name}: holds no text ({', '.join(SUFFIXES)})")
            yield from map(str, inside)
        else:
            raise ValueError(f"{name}: no such file or folder; name a text, a folder of texts, or - for the input")


def _text(file: str) -> str:
    if file == STDIN:
        data = sys.stdin.buffer.read(LARGEST + 1)
    else:
        with Path(file).open("rb") as content:
            data = content.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{file}: larger than the {LARGEST // 1_000_000} MB that are read; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is not UTF-8 text; save it as UTF-8") from error
    if "\0" in text:
        raise ValueError(f"{file}: is not text; name a file of text")
    if not text.strip():
        raise ValueError(f"{file}: holds no text")
    return text


def _safe(texts: Mapping[str, str], choices: Choices) -> None:
    """Raises ValueError where what is found would be written over a text, or the page over the graph."""
    for target in filter(None, (choices.graph, choices.page)):
        if target.exists() and any(file != STDIN and target.samefile(file) for file in texts):
            raise ValueError(f"{target}: would be written over, and is read; choose another name")
    if choices.graph is not None and choices.graph == choices.page:
        raise ValueError(f"{choices.page}: is to be the graph and the page; give each a name of its own")


def _bounded(texts: Mapping[str, str], limit: int | None) -> None:
    total = sum(map(len, texts.values()))
    if limit is not None and total > limit:
        raise ValueError(f"{total:,} characters are many for a model, which reads some hundred a second; allow it with --limit {total}")


def _extracted(texts: Mapping[str, str], tagger: Tagger | None) -> Iterator[Document]:
    with bars() as shown:
        bar = shown.add_task("extract", total=sum(map(len, texts.values())), note="", visible=tagger is not None)
        for file, text in texts.items():
            learned = tagger(text, lambda count: shown.update(bar, advance=count)) if tagger else []
            yield Document(file, text, apart([*learned, *ruled(text)]), triples(text, file, learned))


def _written(documents: Sequence[Document], choices: Choices, title: str) -> Iterator[str]:
    if choices.graph is None and choices.page is None:
        return
    graph = graph_of(documents)
    forms = ((choices.graph, turtle), (choices.page, lambda made: html(made, title)))
    for target, form in forms:
        if target is not None:
            with whole_file(target) as part:
                part.write_text(form(graph), encoding="utf-8", errors="replace")  # a name of a file may be no text
            yield f"{target}: {len(graph.nodes):,} names, {len(graph.edges):,} relations"


def _line(text: str) -> str:
    return " ".join(text.split())[:80]
