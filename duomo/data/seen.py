"""Seen: what a frozen sense makes of each item, computed once and kept on disk, so that no epoch and no later run pays for it again."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from duomo.batch import Media, Patches
from duomo.data.render import Rendered
from duomo.data.shards import Items
from duomo.disk import whole_file


@dataclass(frozen=True)
class Memory:
    """Of one sense. `folder` is named by its weights; a file in it by the content of the item."""

    folder: Path
    see: Callable[[Media], torch.Tensor]  # one item -> (tokens, width of the sense)

    def __call__(self, patches: Patches) -> Patches:
        """The item as the sense has seen it, alone; float32, so that it is the very same when it is read again."""
        content = (patches.values_NF.numpy().tobytes(), patches.coords_NA.numpy().tobytes())
        key = hashlib.sha256(str(tuple(patches.values_NF.shape)).encode() + b"".join(content)).hexdigest()
        path = self.folder / key[:2] / f"{key}.npy"
        if path.is_file():
            values_NF = torch.from_numpy(np.load(path))
        else:
            values_NF = self.see(single(patches)).float().cpu()
            with whole_file(path) as new, new.open("wb") as file:
                np.save(file, values_NF.numpy())
        return Patches(values_NF, torch.zeros(len(values_NF), 1, dtype=torch.long), patches.tokens, seen=True)


class Remembered:
    """Items whose media are taken from memories, where their sense has one."""

    def __init__(self, items: Items, memories: Mapping[str, Memory]):
        self.items, self.memories, self.lengths = items, memories, items.lengths

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Rendered:
        item = self.items[index]
        media = [(name, self.memories[name](patches) if name in self.memories else patches) for name, patches in item.media]
        return replace(item, media=media)


def single(patches: Patches) -> Media:
    """One item as a batch of it alone."""
    count = torch.tensor([len(patches.values_NF)])
    return Media(patches.values_NF[None], patches.coords_NA[None], count, torch.zeros(1, dtype=torch.long), patches.seen)
