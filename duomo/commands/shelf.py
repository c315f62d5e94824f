"""duomo index FOLDER, duomo answer QUESTION: files become an index, and their sentences answer; what stands behind `duomo.shelf`."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duomo.commands.documents import Read, files_in, readers
from duomo.commands.hearing import SOUNDS, Hearing
from duomo.commands.models import embedder, open_with_card
from duomo.commands.resolve import nearest, place_of
from duomo.commands.show import bars
from duomo.report import Report
from duomo.retrieve.answer import Answer, Quote, Reader
from duomo.retrieve.compare import Compare, comparer
from duomo.retrieve.cut import passages
from duomo.retrieve.memory import Memory
from duomo.retrieve.passage import Passage, Section
from duomo.retrieve.shelf import Embed, Kept, Shelf, build, digest, embedded, is_shelf, load, save
from duomo.retrieve.words import SAY_NOTHING, searcher
from duomo.vectors import Embedder

SHELVES = Path("shelves")
MODEL, NONE = "e5", "none"
MOST = 500_000  # passages of an index
AT_ONCE, EVERY = 256, 120.0  # passages embedded at once; seconds between two savings
REMEMBERED = 256  # passages whose tokens are kept: of 200 tokens 150 kB each
TOLD = 12  # files whose fault is named
NOTHING = "holds no text, Markdown, HTML, PDF, table, recording or film"
ABSTAINED = "nothing in these files answers this"


@dataclass(frozen=True)
class Renewed:
    """What became of the files since the last time."""

    files: dict[str, Kept]
    passages: tuple[Passage, ...]
    new: int
    changed: int
    gone: int

    @property
    def same(self) -> int:
        """Files that were not read again."""
        return len(self.files) - self.new - self.changed


def index(folder: Path, to: Path | None = None, model: str = MODEL) -> Report:
    """Reads a folder's files into an index, the words first, then the vectors; of an older index only what changed.

    Files that can not be read are named, and the rest goes on. Raises ValueError for a folder without anything to read, and for a
    target that holds something else.
    """
    began = time.perf_counter()
    target, old = _target(folder, to)
    maker = _maker(model)
    hearing = Hearing()
    kinds = readers(hearing.hear, SOUNDS)
    listed = {name_in(path, folder): path for path in files_in(folder)}
    known = {name: path for name, path in listed.items() if path.suffix.lower() in kinds}
    if not listed and old is None:
        raise ValueError(f"{folder}: {NOTHING}; it is empty")
    renewed = renew(known, kinds, old)
    if not renewed.passages and old is None:
        raise ValueError(f"{folder}: {_nothing(listed, renewed)}")
    shelf = build(str(folder.resolve()), model if maker else "", renewed.files, renewed.passages, searcher(), old)
    save(shelf, target)
    if maker and len(shelf.missing):
        shelf = _embed(shelf, maker, target)
    facts = {"files": len(renewed.files), "passages": len(renewed.passages), "seconds": round(time.perf_counter() - began, 2)}
    facts |= {"new": renewed.new, "changed": renewed.changed, "gone": renewed.gone}
    return Report(f"index {folder}", facts=facts, lines=tuple(_told(target, renewed, listed.keys() - known.keys(), shelf)))


def answer(question: str, place: str, top: int = 3, lines: bool = False, write: str | None = None) -> Report:
    """Quotes what answers the question; `lines`: as one JSON object; `write`: a model's name, which words it from the passages."""
    reader = open_shelf(place)
    found = reader.answer(question, top)
    written = write_answer(found, write) if write else ""
    facts = as_json(found) | ({"written": written} if write else {})
    if lines:
        return Report("answer", facts=facts, lines=(json.dumps(facts, ensure_ascii=False),))
    return Report("answer", facts=facts, lines=tuple(_shown(found, written)))


def open_shelf(place: str | Path) -> Reader:
    """An index ready to be asked: its folder, its name below `shelves`, or the folder that was indexed.

    Raises ValueError, with what there is, where there is none.
    """
    shelf = load(_place(place))
    if shelf.model and shelf.complete and place_of(shelf.model) is not None:
        model = embedder(*open_with_card(shelf.model))
        return Reader(shelf, searcher(SAY_NOTHING), *reading(model), comparing(model))
    if shelf.model and shelf.complete:
        print(f"note: {shelf.model} is not here, so words alone are compared; `duomo fetch {shelf.model}` gets it", file=sys.stderr)
    return Reader(shelf, searcher(SAY_NOTHING))


def renew(known: Mapping[str, Path], kinds: Mapping[str, Read], old: Shelf | None) -> Renewed:
    """The passages of all files; those of files whose content the old index knows are taken over."""
    before = dict(old.files) if old else {}
    held = dict[str, list[Passage]]()
    for passage in old.passages if old else ():
        held.setdefault(passage.file, []).append(passage)
    files, found, new, changed = dict[str, Kept](), list[Passage](), 0, 0
    with bars() as shown:
        task = shown.add_task("read", total=len(known), note="")
        for name, path in known.items():
            shown.update(task, advance=1, note=name[-40:])
            sha256 = _digest(path)
            if (was := before.get(name)) and was.sha256 == sha256 and was.passages:
                files[name], made = was, held.get(name, [])
            else:
                files[name], made = read(name, path, sha256, kinds[path.suffix.lower()])
                new, changed = new + (name not in before), changed + (name in before)
            found += made
            if len(found) > MOST:
                raise ValueError(f"{path}: here the index has more than {MOST:,} passages; index parts of the folder apart")
    return Renewed(files, tuple(found), new, changed, len(before.keys() - files.keys()))


def read(name: str, path: Path, sha256: str, reader: Read) -> tuple[Kept, list[Passage]]:
    """One file's passages, and what went wrong with it."""
    sections, fault = list[Section](), ""
    try:
        sections += (replace(section, text=_whole(section.text), head=_whole(section.head)) for section in reader(path))
    except (ValueError, OSError, RecursionError) as error:
        fault = " ".join(str(error).removeprefix(f"{path}: ").split())[:300]
    made = list(passages(name, sections))
    return Kept(sha256, len(made), fault or ("" if made else "holds no text")), made


def as_json(found: Answer) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "question": found.question,
        "answer": found.text or None,
        "confidence": round(found.confidence, 4),
        "quotes": [_quoted(quote) for quote in found.quotes],
        "nearest": [_quoted(quote) for quote in found.nearest],
    }


def write_answer(found: Answer, model: str) -> str:
    """What a language model says to the question, shown the quoted passages; "" where nothing answers."""
    from duomo.commands.ask import load as load_model  # here, for nobody else needs it

    if not found.quotes:
        return ""
    texts = dict.fromkeys(quote.passage.whole for quote in found.quotes)
    shown = "\n\n".join(texts)
    prompt = f"{shown}\n\nAnswer the question in one sentence, from the text above only.\nQuestion: {found.question}"
    return load_model(model).sampled(max_tokens=80).ask(prompt).strip()


def _target(folder: Path, to: Path | None) -> tuple[Path, Shelf | None]:
    if not folder.exists():
        beside = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise ValueError(f"{folder}: no such folder{nearest(folder.name, beside) if beside else ''}")
    target = to or SHELVES / (folder.resolve().name or "root")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return target, None
    if not is_shelf(target):
        raise ValueError(f"{target}: holds something else than an index; choose another place by --to")
    old = load(target)
    if Path(old.folder) != folder.resolve():
        raise ValueError(f"{target}: is the index of {old.folder}; choose another place by --to")
    return target, old


def _maker(model: str) -> Embedder | None:
    if model == NONE:
        return None
    if model == MODEL and place_of(model) is None:
        print(f"note: words alone are compared; `duomo fetch {MODEL}` and the same command again let meaning count, too", file=sys.stderr)
        return None
    return embedder(*open_with_card(model))


def embedding(model: Embedder, kind: str, progress: Callable[[int], None] = lambda count: None) -> Embed:
    """What gives texts their vectors; zeros to one in a language that the model does not know."""

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        known = [row for row, text in enumerate(texts) if text.strip() and model.unknown_share(text) <= model.unknown]
        vectors_ND = np.zeros((len(texts), model.model.recipe.block.dim), np.float32)
        vectors_ND[known] = model.embed([texts[row] for row in known], kind, progress)
        progress(len(texts) - len(known))
        return vectors_ND

    return embed


def comparing(model: Embedder, most: int = REMEMBERED) -> Compare:
    """What reads a question beside passages, by their tokens' vectors; those of the newest `most` passages are remembered."""

    def tokens(text: str, kind: str) -> NDArray[np.float16]:
        known = text.strip() and model.unknown_share(text) <= model.unknown
        return (model.tokens(text, kind) if known else np.zeros((1, model.model.recipe.block.dim))).astype(np.float16)

    passage = lru_cache(most)(lambda text: tokens(text, "passage"))

    def compare(question: str, texts: Sequence[str], scores: Sequence[float]) -> NDArray[np.float32]:
        asked_QD = tokens(question, "query").astype(np.float32)
        return comparer().worth(asked_QD, [passage(text).astype(np.float32) for text in texts], scores)

    return compare


def reading(model: Embedder) -> tuple[Memory, Memory]:
    """What embeds questions, and what embeds sentences; each remembers them, so that nothing is read twice."""
    return Memory(embedding(model, "query")), Memory(embedding(model, "passage"))


def _embed(shelf: Shelf, maker: Embedder, target: Path) -> Shelf:
    """The index with all its vectors; saved now and then, and when the user stops it."""
    print(f"{target}: can be asked by words from now on; the vectors follow, and Ctrl-C keeps those that are made", file=sys.stderr)
    with bars() as shown:
        task = shown.add_task("vectors", total=len(shelf.missing), note="")
        made, saved = shelf, time.monotonic()
        try:
            for made in embedded(shelf, embedding(maker, "passage", lambda count: shown.update(task, advance=count)), AT_ONCE):
                if time.monotonic() - saved > EVERY:
                    save(made, target)
                    saved = time.monotonic()
        except KeyboardInterrupt as stop:
            save(made, target)
            raise KeyboardInterrupt("the index answers by words; the same command goes on with the vectors") from stop
    save(made, target)
    return made


def _place(place: str | Path) -> Path:
    path = Path(place)
    for candidate in (path, SHELVES / path, SHELVES / path.resolve().name):
        if is_shelf(candidate):
            return candidate
    if path.is_dir():
        raise ValueError(f"{place}: no index; `duomo index {place}` makes one")
    known = sorted(folder.name for folder in SHELVES.glob("*") if is_shelf(folder))
    mend = f"known: {', '.join(known)}" if known else "`duomo index FOLDER` makes one"
    raise ValueError(f"{place}: no index; {mend}")


def _shown(found: Answer, written: str) -> Iterator[str]:
    if not found.quotes:
        yield ABSTAINED
        return
    if written:
        yield f"{written}\n    (worded by the model; where it was measured, the quotes were right more often)"
    for number, quote in enumerate(found.quotes):
        yield f"{quote.text}\n    {quote.where}" + (f" · confidence {found.confidence:.2f}" if number == 0 else "")


def _told(target: Path, renewed: Renewed, others: Sequence[str] | set[str], shelf: Shelf) -> Iterator[str]:
    counts = f"{renewed.new} new, {renewed.changed} changed, {renewed.gone} gone, {renewed.same} as before"
    yield f"{target}: {len(renewed.files)} files ({counts}), {len(renewed.passages):,} passages{'' if shelf.model else ', by words alone'}"
    faults = {name: kept for name, kept in renewed.files.items() if kept.fault}
    for name, kept in list(faults.items())[:TOLD]:
        yield f"  {'read in part' if kept.passages else 'not read'}: {name}: {kept.fault}"
    if len(faults) > TOLD:
        yield f"  … and {len(faults) - TOLD} more"
    if others:
        endings = sorted({Path(name).suffix.lower() or "no ending" for name in others})
        yield f"  {len(others)} of other kinds left out ({', '.join(endings[:8])})"


def _nothing(listed: Mapping[str, Path], renewed: Renewed) -> str:
    first = next((f"{name}: {kept.fault}" for name, kept in renewed.files.items()), "")
    if first:
        return f"nothing in it can be read; {first}" + (f" (and {len(renewed.files) - 1} more)" if len(renewed.files) > 1 else "")
    return f"{NOTHING} among {len(listed)} files"


def _quoted(quote: Quote) -> dict[str, object]:
    passage = quote.passage
    number = passage.at(quote.begin)
    return {"text": quote.text, "file": passage.file, passage.place: number if number % 1 else int(number), "head": passage.head}


def name_in(path: Path, folder: Path) -> str:
    """What a file is called inside its folder."""
    name = path.relative_to(folder).as_posix() if path != folder else path.name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _digest(path: Path) -> str:
    try:
        return digest(path)
    except OSError:  # told when it is read
        return ""


def _whole(text: str) -> str:
    """Without halves of signs, which no file can hold."""
    return text.encode("utf-8", "replace").decode()
