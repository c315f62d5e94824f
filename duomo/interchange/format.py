"""Format: a model as another program keeps it. This file is the contract."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from duomo.recipe import ModelRecipe
from duomo.tokenizer import Tokenizer


@dataclass(frozen=True)
class Card:
    """What a user should know of a model before trusting it."""

    title: str
    licence: str = ""
    languages: tuple[str, ...] = ()  # none: not known
    note: str = ""
    prefixes: Mapping[str, str] | None = None  # of sentence vectors: {"query": "query: ", "passage": "passage: "}
    pooling: str = "mean"  # of sentence vectors: what of a text's hidden states they are
    longest: int | None = None  # of sentence vectors: the tokens of a text that are read, where fewer than the model has positions for


@dataclass(frozen=True)
class Outside:
    """A model on its way in or out: what a run is made of, and nothing of the format that it came in.

    `weights` is by the names of `Model.state_dict()`; on the way in it may be `Lazy`, so that one tensor at a time is converted.
    """

    model: ModelRecipe
    weights: Mapping[str, Tensor]
    tokenizer: Tokenizer
    chat: str  # a name of CHAT_FORMATS
    card: Card


class Lazy(Mapping[str, Tensor]):
    """Tensors by name, each made when it is asked for, and not kept."""

    def __init__(self, made: Mapping[str, Callable[[], Tensor]]):
        self.made = made

    def __getitem__(self, name: str) -> Tensor:
        return self.made[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)

    def __contains__(self, name: object) -> bool:
        return name in self.made


Peer = Callable[[Path, Sequence[Sequence[int]]], Sequence[Tensor] | None]


@dataclass(frozen=True)
class Format:
    """One outside format. `read` refuses hostile files before it allocates; `write` makes a file or folder whole or not at all.

    `tolerance` is how far an export's logits may lie from the run's, in standard deviations of these. `peer` reads the export
    with the program that it is made for: logits (T, V) of each row of ids, or None where that program is not installed.
    """

    name: str  # as in `duomo export --to`
    title: str
    known: Callable[[Path], bool]  # by names and first bytes; opens nothing else
    read: Callable[[Path], Outside]
    write: Callable[[Outside, Path], None] | None = None
    suffix: str = ""  # of the file that it is; none: a folder
    tolerance: float = 1e-4
    peer: Peer | None = None
