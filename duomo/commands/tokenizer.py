"""duomo tokenizer show | learn: what a text becomes, and how much of it a token holds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from duomo.commands.prepare import prepared
from duomo.commands.ready import tokenizer_path
from duomo.data.tokenise import language_of, texts_of
from duomo.recipe import Recipe
from duomo.report import Report
from duomo.tokenizer import Tokenizer

NAME = "tokenizer.json"
MEASURED = 500  # held-out samples of each data set
LANGUAGES = {"zh": "Chinese", "other": "English and others"}
SAMPLE = (
    "The library opens at nine, and the first bus to the river leaves at half past seven.",
    "She asked how many people had read the report before the meeting began.",
    "Water boils at 100 degrees Celsius at sea level; on a high mountain it boils sooner.",
    "图书馆九点开门，去河边的第一班车七点半出发。",
    "她问开会之前有多少人读过那份报告。",
    "在海平面上，水在100摄氏度沸腾；在高山上会更早沸腾。",
)


@dataclass(frozen=True)
class Density:
    """How much text stands behind a number of tokens."""

    texts: int
    bytes: int
    characters: int
    tokens: int

    @property
    def told(self) -> str:
        """For people."""
        return f"{self.bytes / self.tokens:.2f} bytes, {self.characters / self.tokens:.2f} characters a token ({self.tokens:,} tokens)"


def show(model: Path, text: str = "") -> Report:
    """The tokens of a text with their ids; of no text, figures by language over a few sentences.

    `model` is a folder with a tokenizer.json, or the file itself. Raises ValueError where there is none.
    """
    tokenizer = Tokenizer.load(model / NAME if model.is_dir() else model, chat=None)
    lines = list(_pieces(tokenizer, text)) if text else [f"{tokenizer.vocab_size:,} tokens; over {len(SAMPLE)} sentences that come along:"]
    return _report(f"tokenizer of {model}", lines, densities(tokenizer, [text] if text else SAMPLE))


def learn(recipe: Recipe) -> Report:
    """Learns the tokenizer of a recipe from its training text, once, and measures it on held-out text."""
    found = prepared(recipe)[0]
    path = tokenizer_path(recipe, found)
    samples = (sample for one in found.lineage for sample in islice(found.samples(one.name, "test"), MEASURED))
    tokenizer = Tokenizer.load(path, recipe.tokenizer.chat)
    held_out = dict.fromkeys(text for sample in samples for text in texts_of(sample))  # a question asked often counts once
    line = f"{path}: {tokenizer.vocab_size:,} tokens; on held-out text:"
    return _report(f"tokenizer of {recipe.name}", [line], densities(tokenizer, held_out))


def densities(tokenizer: Tokenizer, texts: Iterable[str]) -> dict[str, Density]:
    """By language: "zh" for texts that hold a Han letter, "other" for the rest."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for text in texts:
        counts = (1, len(text.encode(errors="replace")), len(text), len(tokenizer.encode(text)))
        sums[language_of(text)] = [a + b for a, b in zip(sums[language_of(text)], counts, strict=True)]
    return {name: Density(*found) for name, found in sums.items() if found[3]}


def _pieces(tokenizer: Tokenizer, text: str) -> Iterator[str]:
    ids = tokenizer.encode(text)
    yield " ".join(f"{_seen(tokenizer.readable(id))}·{id}" for id in ids)
    yield f"{len(ids)} tokens"


def _seen(piece: str) -> str:
    """The token with its white space made visible."""
    return piece.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def _report(title: str, lines: list[str], found: dict[str, Density]) -> Report:
    told = [f"  {LANGUAGES[name]:<20}{density.told}" for name, density in found.items()]
    return Report(title, facts={name: vars(density) for name, density in found.items()}, lines=(*lines, *told))
