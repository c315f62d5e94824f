"""duomo data show | check: look at samples as the model will see them; find every fault before training."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from duomo.commands.draw import drawn
from duomo.commands.prepare import prepared
from duomo.commands.ready import tokenizer_path
from duomo.data import tokenise
from duomo.data.check import check as checked
from duomo.data.preview import preview
from duomo.data.quarantine import Quarantine
from duomo.data.read import folder, read
from duomo.data.render import render
from duomo.modalities import MODALITIES
from duomo.model import cuts
from duomo.recipe import CutRecipe, FileData, Recipe, parse_part
from duomo.report import Report
from duomo.sample import Sample
from duomo.tokenizer import Tokenizer

LEARN_FROM = 1000  # samples, for a tokenizer of a data set without a recipe
VOCABULARY = 2048


def show(recipe: Recipe, n: int = 5, workers: int | None = None) -> Report:
    """The first `n` training samples of each data set of a recipe."""
    found, shares = prepared(recipe, workers)
    tokenizer = Tokenizer.load(tokenizer_path(recipe, found), recipe.tokenizer.chat)
    lines = list[str]()
    for name in shares:
        samples = islice(found.samples(name, "train"), n)
        lines += (line for part in _shown(name, samples, tokenizer, cuts(recipe.model), Path(recipe.data.cache)) for line in drawn(part))
    return Report(f"samples of {recipe.name}", lines=tuple(lines))


def show_file(path: Path, overrides: Iterable[str] = (), n: int = 5) -> Report:
    """The first `n` samples of a data set of the user. `overrides` are keys of `data.files`, as for `check`."""
    data, quarantine = _file(path, overrides), Quarantine()
    some = list(islice(read(data, quarantine), max(LEARN_FROM, n)))
    texts = [text for sample in some for text in tokenise.texts_of(sample)]
    tokenizer = Tokenizer.learn(texts, VOCABULARY, media=list(MODALITIES))
    defaults = {kind: modality.default for kind, modality in MODALITIES.items()}
    lines = [line for part in _shown(path.name, iter(some[:n]), tokenizer, defaults, folder(data)) for line in drawn(part)]
    return Report(f"samples of {path}", lines=(*lines, *map(str, quarantine.faults)))


def check(path: Path, overrides: Iterable[str] = (), limit: int = 50) -> Report:
    """Validates a data set: all faults counted, the first `limit` shown with file and line.

    `overrides` are keys of `data.files`, as format=csv or question="{title}". Raises ValueError, a line per fault, if there is any.
    """
    found = checked(_file(path, overrides), limit)
    if found.fault_count == 1 and not found.records and not found.faults[0].record:  # the whole data set
        raise ValueError(str(found.faults[0]))
    if found.fault_count:
        hidden = found.fault_count - len(found.faults)
        summary = f"{path}: {found.fault_count:,} faults{f' ({hidden:,} not shown)' if hidden else ''}; {found.records:,} good records"
        raise ValueError("\n".join([*map(str, found.faults), summary]))
    facts = (f"  {key}: {value}" for key, value in found.facts.items())
    return Report(f"check of {path}", facts=found.facts, lines=(f"{path}: no fault", *facts))


def _shown(name: str, samples: Iterator[Sample], tokenizer: Tokenizer, sizes: dict[str, CutRecipe], root: Path) -> Iterator[RenderableType]:
    for number, sample in enumerate(samples, 1):
        item = render(sample, tokenizer, sizes, root)
        where = f", {sample.origin.source} {sample.origin.id}" if sample.origin else ""
        yield Text(f"{name} {number}: {len(item.ids)} tokens, {sum(item.learn)} learned{where}", style="bold")
        yield preview(item, tokenizer.readable, sizes)


def _file(path: Path, overrides: Iterable[str]) -> FileData:
    """The data set at a path, with `key=value` choices of `data.files`."""
    return parse_part({"path": str(path)} | dict(word.partition("=")[::2] for word in overrides), str(path), FileData)
