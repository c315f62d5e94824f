"""Cache: keys and values of what was read. B = rows, H = heads, T = new tokens, S = capacity, K = head width."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from duomo.batch import Stream


class Quick(Protocol):
    """The quick pass of a decoder: `blocks.swift.Swift`."""

    @property
    def watched(self) -> bool:
        """Whether it would pass a hook by."""

    def __call__(self, x_BTD: Tensor, new: "Stream", cache: "Cache", seen: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D)."""


class Slot(NamedTuple):
    """Where one layer writes and reads in a pass: tensors alone, so that one compiled block serves every layer."""

    keys_BHSK: Tensor
    values_BHSK: Tensor
    place_BT: Tensor
    seen: int

    def extend(self, k_BHTK: Tensor, v_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Writes the new keys and values in their places; gives all that were written so far, (B, H, S, K) each."""
        row_B1 = torch.arange(len(k_BHTK), device=k_BHTK.device)[:, None]
        for kept, new_BHTK in ((self.keys_BHSK, k_BHTK), (self.values_BHSK, v_BHTK)):
            if torch.compiler.is_compiling():  # which writes this one in place, and for a scatter copies all that is kept
                kept[row_B1, :, self.place_BT] = new_BHTK.transpose(1, 2).to(kept.dtype)
            else:
                kept.scatter_(2, self.place_BT[:, None, :, None].expand_as(new_BHTK), new_BHTK.to(kept.dtype))
        return self.keys_BHSK[:, :, : self.seen], self.values_BHSK[:, :, : self.seen]


class Cache:
    """Preallocated keys and values by attention layer; every row has its own length, so rows of any padding go on rightly.

    One column past the capacity takes what is padding and is never seen. A pass of fewer rows than there are is one of the first
    rows: what runs is kept at the front, and nothing is copied to leave the others out. `source`: how long a memory `put` has room for.
    """

    def __init__(self, rows: int, capacity: int, device: torch.device | str = "cpu", source: int = 0):
        self.capacity, self.source = capacity, source
        self.length_B = torch.zeros(rows, dtype=torch.long, device=device)
        self.source_B = torch.zeros_like(self.length_B)  # how long each row's memory is, where `put` wrote it
        self.group_BS = torch.zeros(rows, capacity + 1, dtype=torch.long, device=device)
        self.layers: dict[object, tuple[Tensor, Tensor]] = {}
        self.memory: dict[object, tuple[Tensor, Tensor]] = {}
        self.swift: Quick | None = None  # the quick pass of the decoder that writes here, where it has one
        self._place_BT = torch.zeros(rows, 0, dtype=torch.long, device=device)
        self.seen = 0

    def begin(self, segment_BT: Tensor, group_BT: Tensor) -> Tensor:
        """Makes room for the new tokens of each row and says what they see: bool (B, 1, T, S). Once a pass, before the layers.

        Raises ValueError where a row would outgrow the capacity.
        """
        real_BT, rows = segment_BT != 0, len(segment_BT)
        place_BT = self.length_B[:rows, None] + real_BT.cumsum(1) - 1
        length_B = self.length_B[:rows] + real_BT.sum(1)
        seen = int(length_B.max())
        if seen > self.capacity:
            raise ValueError(f"{seen} tokens but room for {self.capacity}; ask for fewer tokens or a shorter prompt")
        self.seen, self.length_B = seen, torch.cat([length_B, self.length_B[rows:]])
        self._place_BT = torch.where(real_BT, place_BT, self.capacity)
        self.group_BS[:rows].scatter_(1, self._place_BT, group_BT)
        written_B1S = torch.arange(seen, device=place_BT.device) < length_B[:, None, None]
        mask_BTS = written_B1S & (self.group_BS[:rows, None, :seen] <= group_BT[:, :, None])
        return (mask_BTS | ~real_BT[:, :, None])[:, None]

    def step(self, rows: int, seen: int) -> tuple[Tensor, Tensor]:
        """Makes room for one more token of each of the first rows, in place, asking the device nothing, as a graph needs it.

        What they see of the first `seen` keys, bool (B, 1, 1, S), and where they stand, (B, 1). A full row writes past its end.
        """
        at_B1 = self.length_B[:rows, None].clamp(max=self.capacity)
        self.seen, self._place_BT = seen, at_B1
        self.group_BS[:rows].scatter_(1, at_B1, at_B1)
        self.length_B[:rows] += 1
        return (torch.arange(seen, device=at_B1.device) <= at_B1)[:, None, None], at_B1

    def advance(self, group_B1: Tensor) -> tuple[Tensor | None, Tensor]:
        """Makes room for one more token of each of the first rows, which comes after all that they have read, and so sees all of it.

        What they see, bool (B, 1, S), None where rows are equally long; and where it stands, (B, 1). Raises ValueError where a row
        would outgrow the capacity.
        """
        rows, length_B = len(group_B1), self.length_B[: len(group_B1)]
        shortest, longest = map(int, length_B.aminmax())
        if longest >= self.capacity:
            raise ValueError(f"{longest + 1} tokens but room for {self.capacity}; ask for fewer tokens or a shorter prompt")
        self.seen, self._place_BT = longest + 1, length_B[:, None]
        self.group_BS[:rows].scatter_(1, self._place_BT, group_B1)
        self.length_B = length_B + 1 if rows == len(self.length_B) else torch.cat([length_B + 1, self.length_B[rows:]])
        if shortest == longest:
            return None, self._place_BT
        return (torch.arange(self.seen, device=length_B.device) <= self._place_BT)[:, None], self._place_BT

    def pair(self, layer: object, like_BHK: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of a layer for all rows, (B, H, S, K) each; made where it has none yet, shaped like these."""
        return self.layers[layer] if layer in self.layers else self._room(self.layers, layer, like_BHK[:, :, None], self.capacity + 1)

    def slot(self, layer: object, like_BHTK: Tensor) -> Slot:
        """Where a layer writes in the pass that `begin` began; its keys and values are shaped like these."""
        rows, (keys, values) = len(self._place_BT), self._room(self.layers, layer, like_BHTK, self.capacity + 1)
        return Slot(keys[:rows], values[:rows], self._place_BT, self.seen)

    def recall(self, layer: object, rows: int) -> tuple[Tensor, Tensor]:
        """What a layer made of the memory of the first rows, (B, H, S, K) each, as long as `memory_segment` says."""
        keys, values = self.memory[layer]
        longest = self._longest(rows) if self.source else keys.shape[2]
        return keys[:rows, :, :longest], values[:rows, :, :longest]

    def memory_segment(self, rows: int) -> Tensor:
        """(B, S): 1 where the first rows have a memory that `put` wrote, 0 behind it."""
        return (torch.arange(self._longest(rows), device=self.source_B.device) < self.source_B[:rows, None]).long()

    def put(self, row: int, other: "Cache", other_row: int = 0) -> None:
        """Makes a row what one of another cache is (or one of this), by copying what it has read and its memory; nothing else moves.

        A memory that no `put` wrote is that of one row, without padding. Raises ValueError where there is no room.
        """
        length, source = int(other.length_B[other_row]), int(other.source_B[other_row])
        longest = max((keys.shape[2] for keys, _ in other.memory.values()), default=0)
        source = source or longest
        if length > self.capacity or source > self.source:
            raise ValueError(f"{length} tokens and a source of {source}, but room for {self.capacity} and {self.source}; shorten them")
        self.length_B[row], self.source_B[row] = length, source
        self.group_BS[row, :length] = other.group_BS[other_row, :length]
        for mine, theirs, upto, room in (
            (self.layers, other.layers, length, self.capacity + 1),
            (self.memory, other.memory, source, self.source),
        ):
            for layer, pair in theirs.items():
                for new, old in zip(self._room(mine, layer, pair[0], room), pair, strict=True):
                    new[row, :, :upto] = old[other_row, :, :upto]

    def wipe(self, row: int) -> None:
        """Makes a row as it was at first: what is no number would reach whoever comes next through a mask, for 0 times it is none."""
        for kept in (self.layers, self.memory):
            for keys, values in kept.values():
                keys[row], values[row] = 0, 0
        self.length_B[row], self.source_B[row] = 0, 0

    def _room(self, kept: dict[object, tuple[Tensor, Tensor]], layer: object, like_BHTK: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """The keys and values of a layer, for all rows; zeros where there are none yet."""
        if layer not in kept:
            shape = (len(self.length_B), like_BHTK.shape[1], length, like_BHTK.shape[3])
            kept[layer] = (like_BHTK.new_zeros(shape), like_BHTK.new_zeros(shape))
        return kept[layer]

    def _longest(self, rows: int) -> int:
        return int(self.source_B[:rows].max()) if rows else 0

    def select(self, rows_B: Tensor) -> None:
        """Keeps (or repeats) rows, for beams and for requests that are done."""
        self.length_B, self.group_BS, self.source_B = self.length_B[rows_B], self.group_BS[rows_B], self.source_B[rows_B]
        self.layers = {layer: (k[rows_B], v[rows_B]) for layer, (k, v) in self.layers.items()}
        self.memory = {layer: (k[rows_B], v[rows_B]) for layer, (k, v) in self.memory.items()}
