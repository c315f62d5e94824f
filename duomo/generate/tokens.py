"""Tokens: one by one from a model that has a decoder. B = rows, L = rows still going on, S = tokens said, V = vocabulary."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from duomo.batch import Batch
from duomo.generate.reader import Reader
from duomo.generate.sampling import Sampling, choose, penalise

if TYPE_CHECKING:
    from duomo.model import Model


@torch.inference_mode()
def generate(model: "Model", prompt: Batch, sampling: Sampling, stop_id: int, cached: bool = True) -> Iterator[Tensor]:
    """Yields the next id of every row, (B,), until all have said `stop_id` (and go on saying it) or said max_tokens.

    `prompt` is made by `collate.prompt`. Without `cached` all is read again at every token: the oracle. Raises ValueError for
    an encoder.
    """
    engine = model.engine if cached else None
    borrowed = None if engine is None else engine.begin(prompt, sampling.max_tokens)
    reader = borrowed or Reader(model, prompt, sampling.max_tokens, cached)
    ids_BT = reader.target.ids_BT
    random = torch.Generator(ids_BT.device).manual_seed(sampling.seed)
    live_L = torch.arange(len(ids_BT), device=ids_BT.device)
    silent_B, done_L, said_LS = torch.full_like(live_L, stop_id), torch.zeros_like(live_L, dtype=torch.bool), ids_BT[:, :0]
    for _ in range(sampling.max_tokens):
        next_L = choose(penalise(reader.logits(), said_LS, sampling.repetition_penalty), sampling, random)
        next_L = next_L.masked_fill(done_L, stop_id)
        done_L = next_L == stop_id
        yield silent_B.index_copy(0, live_L, next_L)
        if done_L.all():
            return
        reader.add(next_L[:, None])
        said_LS = torch.cat([said_LS, next_L[:, None]], 1)
        if 2 * int(done_L.sum()) >= len(done_L):  # not at each end, for to copy the cache takes longer than a step
            going = (~done_L).nonzero()[:, 0]
            reader.select(going)
            live_L, done_L, said_LS = live_L[going], done_L[going], said_LS[going]
