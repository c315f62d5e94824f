"""Graphed: a decoder's step over its cache as CUDA graphs. R = rows, T = tokens, S = keys, V = vocabulary."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from duomo.batch import Stream
from duomo.blocks.cache import Cache
from duomo.blocks.view import View

if TYPE_CHECKING:
    from duomo.model import Model

REACH = 256  # keys that the shortest graph sees
CAPTURING = threading.Lock()  # two models of one card do not record at once
TRIES = 3  # runs before a capture: kernels are compiled and chosen in them
Options = dict[str, str | int | bool | Callable[..., Any]]
# Products of one row by kernels that read weights as fast as memory gives them; what they read is computed once before, not in each.
TUNED: Options = {"coordinate_descent_tuning": True, "combo_kernels": True, "realize_reads_threshold": 1}


@dataclass(frozen=True)
class Captured:
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    ids_R1: Tensor
    logits_RV: Tensor


class Graphed:
    """One more token of the first rows of a cache, replayed in one launch: a step asks a processor for hundreds of kernels otherwise.

    A graph is kept for each power of two of rows and of keys that are seen; rows beyond those asked for are free ones, and what they
    write is never read. Blocks are compiled where Triton is, all into one form.
    """

    def __init__(self, model: "Model", cache: Cache):
        self.model, self.cache = model, cache
        self.captured: dict[tuple[int, int], Captured] = {}
        self.compiles = find_spec("triton") is not None
        self._head: Callable[[Tensor], Tensor] = torch.compile(model.logits, options=TUNED) if self.compiles else model.logits

    def __call__(self, ids_R1: Tensor, seen: int) -> Tensor:
        """(R, V): logits after these ids; the longest row holds `seen` tokens then. Raises ValueError where it has no room."""
        if seen > self.cache.capacity:
            raise ValueError(f"{seen} tokens but room for {self.cache.capacity}; ask for fewer tokens or a shorter prompt")
        rows = min(_power(len(ids_R1)), len(self.cache.length_B))
        reach = min(_power(max(seen, REACH)), self.cache.capacity)
        if (rows, reach) not in self.captured:
            self.captured[rows, reach] = self._capture(rows, reach)
        found = self.captured[rows, reach]
        found.ids_R1[: len(ids_R1)].copy_(ids_R1)
        found.graph.replay()
        return found.logits_RV[: len(ids_R1)]

    def _capture(self, rows: int, reach: int) -> Captured:
        """Records the step; the rows are afterwards as they were."""
        ids_R1, before = torch.zeros(rows, 1, dtype=torch.long, device=self.cache.length_B.device), self.cache.length_B.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with self._compiled():
            with torch.cuda.stream(aside):
                for _ in range(TRIES):
                    self._step(ids_R1, reach)
                    self.cache.length_B.copy_(before)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with CAPTURING, torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others may use the card meanwhile
                logits_RV = self._step(ids_R1, reach)
        self.cache.length_B.copy_(before)
        return Captured(graph, ids_R1, logits_RV)

    def _step(self, ids_R1: Tensor, reach: int) -> Tensor:
        mask_R11S, at_R1 = self.cache.step(len(ids_R1), reach)
        x_R1D = self.model.embed(Stream(ids_R1, at_R1, at_R1, at_R1))
        assert self.model.decoder is not None
        return self._head(self.model.decoder(x_R1D, at_R1, View(mask=mask_R11S), cache=self.cache)[:, -1])

    @contextmanager
    def _compiled(self) -> Iterator[None]:
        """Blocks that run compiled, and afterwards as before: prompts of every length would each be compiled anew."""
        blocks = list(self.model.decoder.blocks) if self.model.decoder is not None and self.compiles else []
        before = [block._compiled_call_impl for block in blocks]
        try:
            for block in blocks:
                block.compile(options=TUNED)
            yield
        finally:
            for block, call in zip(blocks, before, strict=True):
                block._compiled_call_impl = call


def graphed(model: "Model", cache: Cache) -> Graphed | None:
    """The step of a model whose decoder reads only what it said, on a GPU; None for any other."""
    on_gpu = cache.length_B.is_cuda and model.decoder is not None and not model.reads_memory
    return Graphed(model, cache) if on_gpu else None


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
