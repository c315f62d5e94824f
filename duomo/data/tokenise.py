"""Tokenise: prepared samples become a tokenizer and shards, once for each recipe of tokens and cuts."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from duomo.batch import Patches
from duomo.data import shards
from duomo.data.content import HAN
from duomo.data.pairs import TWO
from duomo.data.prepare import Prepared
from duomo.data.processes import processes
from duomo.data.render import Rendered, cut, render
from duomo.disk import whole_folder
from duomo.modalities import MODALITIES
from duomo.recipe import CutRecipe, TokenizerRecipe
from duomo.sample import TEXT, Part, Sample
from duomo.tokenizer import Tokenizer

SMALL = 200_000  # bytes that one process has rendered before others have started
REMEMBERED = 1024  # media that are not cut again when another sample shows them
HAN_LETTER = re.compile(f"[{HAN}]")

Tick = Callable[[str, int], None]


@dataclass(frozen=True)
class Job:
    """One data set and split to render; everything in it can be sent to another process."""

    prepared: Prepared
    data: str
    split: str
    tokenizer: Path
    chat: str
    cuts: Mapping[str, CutRecipe]
    root: Path
    limit: int
    target: Path
    reads: str = "samples"  # what the objective reads of each: "pairs" and "halves" are two documents

    @property
    def done(self) -> bool:
        """Whether its shards stand already."""
        return (self.target / "shards.json").is_file()

    @property
    def size(self) -> int:
        """Bytes to read, media aside."""
        return self.prepared.path(self.data, self.split).stat().st_size


def learn(prepared: Prepared, names: Iterable[str], recipe: TokenizerRecipe, vocab_size: int) -> Tokenizer:
    """A tokenizer of the training text, no more than `bytes_per_language` of each language."""
    texts = (text for name in names for sample in prepared.samples(name, "train") for text in texts_of(sample))
    return Tokenizer.learn(capped(texts, recipe.bytes_per_language), vocab_size, media=list(MODALITIES), unit=recipe.unit)


def texts_of(sample: Sample) -> Iterator[str]:
    """All text parts of a sample."""
    return (str(part.value) for message in sample.messages for part in message.parts if part.kind == TEXT)


def language_of(text: str) -> str:
    """ "zh" where a text holds a Han letter, else "other": enough to keep one script from crowding out the rest."""
    return "zh" if HAN_LETTER.search(text) else "other"


def capped(texts: Iterable[str], limit: int) -> Iterator[str]:
    """Texts until each language has had its bytes; a question asked ten thousand times counts three times."""
    used, seen = Counter[str](), Counter[str]()
    for text in texts:
        language = language_of(text)
        if used[language] >= limit:  # no more of it is taken, so none needs to be remembered
            continue
        seen[text] += 1
        if seen[text] <= 3:
            used[language] += len(text.encode(errors="surrogatepass"))
            yield text


def digest(prepared: Prepared, tokenizer: Path, cuts: Mapping[str, CutRecipe], limit: int, reads: str = "samples") -> str:
    """16 hex digits of all that shards depend on."""
    tree = {name: cut.model_dump(mode="json") for name, cut in cuts.items()}
    parts = [prepared.folder.name, tokenizer.read_text(encoding="utf-8"), json.dumps(tree, sort_keys=True), str(limit)]
    parts += [reads] * (reads in TWO)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def build(jobs: list[Job], workers: int, tick: Tick = lambda name, count: None) -> None:
    """Makes the shards of every job, in several processes where that pays."""
    if workers > 1 and len(jobs) > 1 and sum(job.size for job in jobs) > SMALL:
        with processes(workers) as pool:
            for done in as_completed([pool.submit(run, job) for job in jobs]):
                tick(*done.result())
    else:
        for job in jobs:
            tick(*run(job))


def run(job: Job) -> tuple[str, int]:
    """Renders one split into its folder, whole or not at all; gives the data set's name and its count."""
    tokenizer = Tokenizer.load(job.tokenizer, job.chat).quick()
    items = _rendered(job, tokenizer)
    first = next(items, None)
    if first is None:  # an empty split, or nothing in it fits
        return job.data, 0
    with whole_folder(job.target) as folder:
        return job.data, shards.write(folder, chain([first], items))


def _rendered(job: Job, tokenizer: Tokenizer) -> Iterator[tuple[Rendered, tuple[str, ...]]]:
    known: dict[Part, Patches] = {}

    def cutter(part: Part, cuts: Mapping[str, CutRecipe], root: Path) -> Patches:
        if part not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[part] = cut(part, cuts, root)
        return known[part]

    for number, sample in enumerate(job.prepared.samples(job.data, job.split)):
        shown = list(TWO[job.reads](sample, number)) if job.reads in TWO else [sample]
        items = [shards.shorten(render(one, tokenizer, job.cuts, job.root, cutter=cutter), job.limit) for one in shown]
        for one, item in zip(shown, items, strict=True) if all(items) else ():  # both of a pair, or neither
            assert item is not None
            yield item, tuple(str(part.value) for part in one.media())
