"""Vectors: texts, and media where a model has learned both, as points on a sphere; the cosine of two says how alike they are.

N = texts or media, B = rows, T = tokens, D = width.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from duomo.batch import Stream
from duomo.blocks import self_view
from duomo.data.collate import stream
from duomo.data.render import Rendered, render
from duomo.model import Model, cuts
from duomo.sample import Part, ask
from duomo.tokenizer import Tokenizer

POOLINGS: Mapping[str, Callable[[Model, Tensor, Stream], Tensor]] = {  # what of a text's hidden states is its vector
    "mean": lambda model, hidden_BTD, source: model.pool(hidden_BTD, source),
    "first": lambda model, hidden_BTD, source: hidden_BTD[:, 0],
}
PASSAGE = "passage"
MOST_TOKENS = 2048  # of a batch: more gains nothing on a CPU
ELSEWHERE = "take a model that knows its language: `duomo fetch e5` gets one for a hundred of them"


@dataclass(frozen=True)
class Embedder:
    """An encoder that turns texts into vectors.

    `prefixes`: what each kind of text begins with, as the model was trained. `longest`: tokens of a text, its marks included; what
    is beyond is not read. `unknown`: the share of unknown tokens above which a text is refused.
    """

    model: Model
    tokenizer: Tokenizer
    prefixes: Mapping[str, str] = field(default_factory=dict)
    pooling: str = "mean"
    longest: int | None = None
    unknown: float = 0.2

    def __post_init__(self) -> None:
        if self.model.encoder is None or self.model.decoder is not None:
            raise ValueError("sentence vectors want an encoder of texts, and this model is none; take one such as e5 (`duomo fetch e5`)")
        if self.pooling not in POOLINGS:
            raise ValueError(f"this model makes its vectors by {self.pooling}, which is not built; known: {', '.join(POOLINGS)}")

    def embed(self, texts: Sequence[str], kind: str = PASSAGE, progress: Callable[[int], None] = lambda count: None) -> NDArray[np.float32]:
        """(N, D) float32, each of length 1, in the order of the texts. `progress` is told how many more are done.

        Raises ValueError for a kind that the model does not tell apart, and for a text whose language it does not know.
        """
        rows = [self._row(text, kind, number) for number, text in enumerate(texts, 1)]
        return self.read([Rendered(row, [False] * len(row)) for row in rows], progress)

    def shown(self, part: Part, root: Path = Path()) -> Rendered:
        """A piece of media alone, as the contrastive objective has it read. Raises ValueError as `render` does."""
        return render(ask(part), self.tokenizer, cuts(self.model.recipe), root)

    def read(self, documents: Sequence[Rendered], progress: Callable[[int], None] = lambda count: None) -> NDArray[np.float32]:
        """(N, D) of documents, as `embed` of texts."""
        vectors_ND = np.empty((len(documents), self.model.recipe.block.dim), np.float32)
        with torch.inference_mode():
            for batch in batches([len(document.ids) for document in documents]):
                vectors_ND[batch] = self._vectors([documents[number] for number in batch]).cpu().numpy()
                progress(len(batch))
        return vectors_ND

    def tokens(self, text: str, kind: str = PASSAGE) -> NDArray[np.float32]:
        """(T, D) float32, each of length 1: a text's tokens as they are half-way up, without its marks and its kind's prefix.

        Half-way up they still stand for themselves, and those of one meaning lie together across languages. Raises as `embed` does.
        """
        row = self._row(text, kind, 1)
        before, after, _ = self._marks()
        end = len(row) - len(after)
        begin = min(end - 1, len(before) + len(self.tokenizer.encode(self.prefixes.get(kind, "").rstrip())))
        assert self.model.encoder is not None
        with torch.inference_mode():
            source = stream([[Rendered(row, [False] * len(row))]], causal=False)
            half = max(1, len(self.model.encoder.blocks) // 2)
            hidden_BTD = self.model.encoder(self.model.embed(source), source.position_BT, self_view(source), depth=half)
        return F.normalize(hidden_BTD[0, begin:end].float(), dim=-1).cpu().numpy()

    def unknown_share(self, text: str) -> float:
        """How much of a text becomes tokens that mean nothing to the model."""
        ids = self.tokenizer.encode(text)
        return ids.count(self.tokenizer.unknown_id) / max(1, len(ids)) if self.tokenizer.unknown_id is not None else 0.0

    def is_cut(self, text: str, kind: str = PASSAGE) -> bool:
        """Whether a text has more tokens than are read."""
        before, after, room = self._marks()
        return len(self.tokenizer.encode(self.prefixes.get(kind, "") + text)) > room

    def _marks(self) -> tuple[list[int], list[int], int]:
        """What stands before a text and after it, and how many tokens there is room for between."""
        chat = self.tokenizer.chat
        before = [*self.tokenizer.pieces(chat.begin), *self.tokenizer.pieces(chat.open("user"))]
        after = list(self.tokenizer.pieces(chat.close("user")))
        most = min(self.longest or self.model.recipe.max_positions, self.model.recipe.max_positions)
        return before, after, most - len(before) - len(after)

    def _row(self, text: str, kind: str, number: int) -> list[int]:
        """A text's ids between the model's marks."""
        if self.prefixes and kind not in self.prefixes:
            raise ValueError(f"this model knows no kind {kind!r} of text; known: {', '.join(self.prefixes)}")
        if not text.strip():
            raise ValueError(f"text {number} is empty; leave it out")
        if (share := self.unknown_share(text)) > self.unknown:
            raise ValueError(f"text {number} ({_short(text)!r}): {share:.0%} of it becomes unknown tokens; {ELSEWHERE}")
        before, after, room = self._marks()
        return before + self.tokenizer.encode(self.prefixes.get(kind, "") + text)[:room] + after

    def _vectors(self, documents: Sequence[Rendered]) -> Tensor:
        source = stream([[document] for document in documents], causal=False)
        hidden_BTD = self.model.encode(source)
        return F.normalize(POOLINGS[self.pooling](self.model, hidden_BTD, source).float(), dim=-1)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of rows that are read together: of like length, so that little is padding, and at most MOST_TOKENS at once."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        longest = lengths[batch[0]] if batch else 0
        if batch and (lengths[number] < longest * 7 // 8 or longest * (len(batch) + 1) > MOST_TOKENS):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"
