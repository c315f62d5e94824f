"""Reader: a model reads a prompt, then what is said after it. B = rows, T = tokens, M = media items, D = width, V = vocabulary."""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from duomo.batch import Batch, Layout, Media, Stream
from duomo.blocks.cache import Cache

if TYPE_CHECKING:
    from duomo.model import Model

MANY, WORTH = 4, 8  # rows, and tokens to follow, from which weights are joined and packed for them
COLUMNS = ("ids_BT", "group_BT", "segment_BT", "position_BT")


class Reader:
    """A growing target. With a cache only what is new is read; without, all of it again: the slow oracle of the cache.

    The prompt is padded left, so that every row goes on from its last column; `room` is how many tokens may follow.
    """

    def __init__(self, model: "Model", prompt: Batch, room: int, cached: bool = True):
        if prompt.target is None:
            raise ValueError("an encoder can not generate: give the samples choices, which it ranks, or train another shape")
        refuse_training(model)
        rows, length = prompt.target.ids_BT.shape
        self.model, self.target, self.source = model, prompt.target, prompt.source
        self.memory_BSD = None if prompt.source is None else model.encode(prompt.source)
        self.cache = Cache(rows, length + room, prompt.target.ids_BT.device) if cached else None
        if self.cache is not None and room > WORTH:
            model.quicken(self.cache, rows >= MANY)
        self.mute = muted(model)

    def hidden(self) -> Tensor:
        """(B, T, D) over what is new; over all of it where there is no cache."""
        return self.model.decode(self.target, self.source, self.memory_BSD, self.cache)

    def logits(self) -> Tensor:
        """(B, V) of the next token; -inf for the placeholders of media."""
        logits_BV = self.model.logits(self.hidden()[:, -1]).float()
        logits_BV[:, self.mute] = -torch.inf
        return logits_BV

    def add(self, ids_BT: Tensor, real_BT: Tensor | None = None) -> None:
        """Tokens that stand next in each row; where not `real`, padding at the end."""
        last, step_T = self.target, torch.arange(1, ids_BT.shape[1] + 1, device=ids_BT.device)
        segment_BT = last.segment_BT[:, -1:].expand_as(ids_BT)
        segment_BT = segment_BT if real_BT is None else segment_BT * real_BT
        new = Stream(ids_BT, last.group_BT[:, -1:] + step_T, segment_BT, last.position_BT[:, -1:] + step_T)
        if self.cache is None:
            longer: dict[str, Any] = {name: torch.cat([getattr(last, name), getattr(new, name)], 1) for name in COLUMNS}
            new = replace(last, **longer, layout=Layout("dense"))
        self.target = new

    def fork(self, rows_B: Tensor) -> "Reader":
        """Another reader of these rows, which goes on from here by itself; this one stays as it is."""
        other = copy.copy(self)
        other.cache = copy.copy(self.cache)
        other.select(rows_B)
        return other

    def select(self, rows_B: Tensor) -> None:
        """Keeps, repeats or reorders rows, with all that they have read."""
        rows_B = rows_B.to(self.target.ids_BT.device)
        self.target = select(self.target, rows_B)
        if self.source is not None:
            self.source = select(self.source, rows_B)
        if self.cache is not None:
            self.cache.select(rows_B)
            self.memory_BSD = None  # the cache holds what the layers made of it
        elif self.memory_BSD is not None:
            self.memory_BSD = self.memory_BSD[rows_B]


def muted(model: "Model") -> list[int]:
    """The ids that no one can say: placeholders of media."""
    return [id for id in model.placeholder.values() if id < model.recipe.vocab_size]


def refuse_training(model: "Model") -> None:
    """Raises ValueError for a model that still drops out at random."""
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() before it answers")


def select(stream: Stream, rows_B: Tensor) -> Stream:
    """These rows of a stream, with their media."""
    media = {name: _items(items, rows_B) for name, items in stream.media.items()}
    shown = {name: items for name, items in media.items() if len(items.row_M)}
    return replace(stream, **{name: getattr(stream, name)[rows_B] for name in COLUMNS}, media=shown)


def _items(media: Media, rows_B: Tensor) -> Media:
    """Reading order again: the items of the first row, then of the second."""
    new_M, item_M = (rows_B[:, None] == media.row_M).nonzero(as_tuple=True)
    return Media(media.values_MNF[item_M], media.coords_MNA[item_M], media.count_M[item_M], new_M)
