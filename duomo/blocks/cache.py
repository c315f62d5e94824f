"""Cache: keys and values of what was read. B = rows, H = heads, T = new tokens, S = capacity, K = head width."""

import torch
from torch import Tensor


class Cache:
    """Preallocated keys and values by attention layer; every row has its own length, so rows of any padding go on rightly.

    One column past the capacity takes what is padding and is never seen.
    """

    def __init__(self, rows: int, capacity: int, device: torch.device | str = "cpu"):
        self.capacity = capacity
        self.length_B = torch.zeros(rows, dtype=torch.long, device=device)
        self.group_BS = torch.zeros(rows, capacity + 1, dtype=torch.long, device=device)
        self.layers: dict[object, tuple[Tensor, Tensor]] = {}
        self.memory: dict[object, tuple[Tensor, Tensor]] = {}
        self._place_BT = torch.zeros(rows, 0, dtype=torch.long, device=device)
        self._seen = 0

    def begin(self, segment_BT: Tensor, group_BT: Tensor) -> Tensor:
        """Makes room for the new tokens of each row and says what they see: bool (B, 1, T, S). Once a pass, before the layers.

        Raises ValueError where a row would outgrow the capacity.
        """
        real_BT = segment_BT != 0
        place_BT = self.length_B[:, None] + real_BT.cumsum(1) - 1
        self.length_B = self.length_B + real_BT.sum(1)
        self._seen = int(self.length_B.max())
        if self._seen > self.capacity:
            raise ValueError(f"{self._seen} tokens but room for {self.capacity}; ask for fewer tokens or a shorter prompt")
        self._place_BT = torch.where(real_BT, place_BT, self.capacity)
        self.group_BS.scatter_(1, self._place_BT, group_BT)
        written_B1S = torch.arange(self._seen, device=place_BT.device) < self.length_B[:, None, None]
        mask_BTS = written_B1S & (self.group_BS[:, None, : self._seen] <= group_BT[:, :, None])
        return (mask_BTS | ~real_BT[:, :, None])[:, None]

    def extend(self, layer: object, k_BHTK: Tensor, v_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Writes the new keys and values in their places; gives all that were written so far, (B, H, S, K) each."""
        if layer not in self.layers:
            shape = (*k_BHTK.shape[:2], self.capacity + 1, k_BHTK.shape[3])
            self.layers[layer] = (k_BHTK.new_zeros(shape), v_BHTK.new_zeros(shape))
        keys, values = self.layers[layer]
        index_BHTK = self._place_BT[:, None, :, None].expand_as(k_BHTK)
        keys.scatter_(2, index_BHTK, k_BHTK)
        values.scatter_(2, index_BHTK, v_BHTK)
        return keys[:, :, : self._seen], values[:, :, : self._seen]

    def select(self, rows_B: Tensor) -> None:
        """Keeps (or repeats) rows, for beams and for requests that are done."""
        self.length_B, self.group_BS = self.length_B[rows_B], self.group_BS[rows_B]
        self.layers = {layer: (k[rows_B], v[rows_B]) for layer, (k, v) in self.layers.items()}
        self.memory = {layer: (k[rows_B], v[rows_B]) for layer, (k, v) in self.memory.items()}
