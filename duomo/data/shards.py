"""Shards: rendered samples on disk, memory-mapped, so that nothing is tokenised or cut twice and sample i costs no search."""

import json
from array import array
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch

from duomo.batch import Patches
from duomo.data.render import Rendered


class Items(Protocol):
    """Rendered samples by number, and their lengths."""

    lengths: np.ndarray

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Rendered: ...


class Shards:
    """Samples of one data set and split. `lengths` is all that planning needs."""

    def __init__(self, folder: Path):
        try:
            meta = json.loads((folder / "shards.json").read_text())
            self.kinds: list[str] = meta["kinds"]
            self.lengths = np.load(folder / "lengths.npy")
            self._turns = np.load(folder / "turns.npy")
            self._links = np.load(folder / "links.npy")  # (sample, kind, item) in reading order
            self._ids, self._learn = np.memmap(folder / "ids.bin", np.uint32, "r"), np.memmap(folder / "learn.bin", np.bool_, "r")
            self._media = [_MediaShard(folder, kind) for kind in self.kinds]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder}: not readable shards ({error}); delete the folder and prepare again") from error
        self._starts = np.concatenate([[0], self.lengths.cumsum()])
        self._link_starts = np.searchsorted(self._links[:, 0], np.arange(len(self) + 1))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Rendered:
        span = slice(self._starts[index], self._starts[index + 1])
        links = self._links[self._link_starts[index] : self._link_starts[index + 1]]
        media = [(self.kinds[kind], self._media[kind][item]) for _, kind, item in links]
        return Rendered(self._ids[span].tolist(), self._learn[span].tolist(), media, int(self._turns[index]))


class _MediaShard:
    def __init__(self, folder: Path, kind: str):
        index = np.load(folder / f"{kind}.index.npy")  # (items, 4): patches, features, axes, tokens
        self.index, self._rows = index, np.concatenate([[0], (index[:, 0] * index[:, 1]).cumsum()])
        self._places = np.concatenate([[0], (index[:, 0] * index[:, 2]).cumsum()])
        self._values = np.memmap(folder / f"{kind}.values.bin", np.float16, "r")
        self._coords = np.memmap(folder / f"{kind}.coords.bin", np.int16, "r")

    def __getitem__(self, item: int) -> Patches:
        patches, features, axes, tokens = self.index[item].tolist()
        values = self._values[self._rows[item] : self._rows[item + 1]].astype(np.float32).reshape(patches, features)
        coords = self._coords[self._places[item] : self._places[item + 1]].astype(np.int64).reshape(patches, axes)
        return Patches(torch.from_numpy(values), torch.from_numpy(coords), tokens)


class _MediaWriter:
    def __init__(self, folder: Path, kind: str):
        self.folder, self.kind, self.index = folder, kind, list[tuple[int, int, int, int]]()
        self.values: BinaryIO = (folder / f"{kind}.values.bin").open("wb")
        self.coords: BinaryIO = (folder / f"{kind}.coords.bin").open("wb")

    def add(self, patches: Patches) -> int:
        self.values.write(patches.values_NF.numpy().astype(np.float16).tobytes())
        self.coords.write(patches.coords_NA.numpy().astype(np.int16).tobytes())
        self.index.append((*patches.values_NF.shape, patches.coords_NA.shape[1], patches.tokens))
        return len(self.index) - 1

    def close(self) -> None:
        self.values.close()
        self.coords.close()
        np.save(self.folder / f"{self.kind}.index.npy", np.array(self.index, dtype=np.int64).reshape(-1, 4))


def write(folder: Path, items: Iterable[tuple[Rendered, tuple[str, ...]]]) -> int:
    """Writes shards into an existing empty folder; gives the number of samples.

    Each item comes with one name per piece of media: media of the same kind and name are stored once.
    """
    lengths, turns, links = array("i"), array("i"), array("q")  # numbers as they are written, not as objects
    writers, known = dict[str, _MediaWriter](), dict[tuple[str, str], int]()
    with (folder / "ids.bin").open("wb") as ids, (folder / "learn.bin").open("wb") as learn:
        for number, (item, names) in enumerate(items):
            lengths.append(len(item.ids))
            turns.append(item.turn)
            ids.write(np.array(item.ids, dtype=np.uint32).tobytes())
            learn.write(np.array(item.learn, dtype=np.bool_).tobytes())
            for (kind, patches), name in zip(item.media, names, strict=True):
                if kind not in writers:
                    writers[kind] = _MediaWriter(folder, kind)
                if (kind, name) not in known:
                    known[kind, name] = writers[kind].add(patches)
                links.extend((number, list(writers).index(kind), known[kind, name]))
    for writer in writers.values():
        writer.close()
    if not lengths:
        raise ValueError(f"{folder}: no samples to write")
    np.save(folder / "lengths.npy", np.array(lengths, dtype=np.int32))
    np.save(folder / "turns.npy", np.array(turns, dtype=np.int32))
    np.save(folder / "links.npy", np.array(links, dtype=np.int64).reshape(-1, 3))
    (folder / "shards.json").write_text(json.dumps({"kinds": list(writers), "samples": len(lengths), "tokens": sum(lengths)}))
    return len(lengths)


def shorten(item: Rendered, limit: int) -> Rendered | None:
    """The first `limit` tokens; None where that would cut into media or leave nothing to learn."""
    if len(item.ids) <= limit:
        return item
    tokens = list(accumulate((patches.tokens for _, patches in item.media), initial=0))[-1]
    if tokens and item.turn > limit or not any(item.learn[:limit]):
        return None
    return Rendered(item.ids[:limit], item.learn[:limit], item.media, min(item.turn, limit), item.weight)
