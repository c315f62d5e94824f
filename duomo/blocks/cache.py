"""Cache: keys and values of what was read. B = rows, H = heads, T = new tokens, S = capacity, K = head width."""

import torch
from torch import Tensor


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
        self._place_BT = torch.zeros(rows, 0, dtype=torch.long, device=device)
        self._seen = 0

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
        self._seen, self.length_B = seen, torch.cat([length_B, self.length_B[rows:]])
        self._place_BT = torch.where(real_BT, place_BT, self.capacity)
        self.group_BS[:rows].scatter_(1, self._place_BT, group_BT)
        written_B1S = torch.arange(seen, device=place_BT.device) < length_B[:, None, None]
        mask_BTS = written_B1S & (self.group_BS[:rows, None, :seen] <= group_BT[:, :, None])
        return (mask_BTS | ~real_BT[:, :, None])[:, None]

    def extend(self, layer: object, k_BHTK: Tensor, v_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Writes the new keys and values in their places; gives all that were written so far, (B, H, S, K) each."""
        keys, values = (x_BHSK[: len(k_BHTK)] for x_BHSK in self._room(self.layers, layer, k_BHTK, self.capacity + 1))
        index_BHTK = self._place_BT[:, None, :, None].expand_as(k_BHTK)
        keys.scatter_(2, index_BHTK, k_BHTK)
        values.scatter_(2, index_BHTK, v_BHTK)
        return keys[:, :, : self._seen], values[:, :, : self._seen]

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
