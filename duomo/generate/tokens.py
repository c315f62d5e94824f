"""Generate: tokens one by one from a model that has a decoder. B = rows, T = tokens, V = vocabulary, S = tokens so far."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from duomo.batch import Batch, Layout, Stream
from duomo.blocks import Cache
from duomo.model import Model


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy. `beams` > 1 searches instead of sampling."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    beams: int = 1
    length_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0


@torch.inference_mode()
def generate(model: Model, prompt: Batch, sampling: Sampling, stop_id: int, cached: bool = True) -> Iterator[Tensor]:
    """Yields the next id of every row, (B,), until all rows said `stop_id` (and go on saying it) or max_tokens.

    With `cached` false nothing is kept between tokens: the slow oracle of the cache. Raises ValueError for an encoder.
    """
    target, reader = _start(model, prompt, sampling.max_tokens, cached)
    random = torch.Generator(target.ids_BT.device).manual_seed(sampling.seed)
    said_BS = target.ids_BT.new_zeros(len(target.ids_BT), 0)
    done_B = target.ids_BT.new_zeros(len(target.ids_BT), dtype=torch.bool)
    for _ in range(sampling.max_tokens):
        logits_BV = penalise(reader.logits(target), said_BS, sampling.repetition_penalty)
        next_B = torch.where(done_B, stop_id, choose(logits_BV, sampling, random))
        done_B |= next_B == stop_id
        said_BS = torch.cat([said_BS, next_B[:, None]], 1)
        yield next_B
        if done_B.all():
            return
        target = reader.advance(target, next_B)


@torch.inference_mode()
def beam_search(model: Model, prompt: Batch, sampling: Sampling, stop_id: int) -> list[list[int]]:
    """The best of `beams` answers of each row, without the stop id, by log-probability / length ** length_penalty."""
    rows, width = len(_target(prompt).ids_BT), sampling.beams
    target, reader = _start(model, prompt, sampling.max_tokens, cached=True)
    target, reader = reader.spread(target, torch.arange(rows).repeat_interleave(width)), reader
    score_RW = torch.full((rows, width), -torch.inf)
    score_RW[:, 0] = 0.0  # all beams of a row start alike: only the first may speak
    said: list[list[list[int]]] = [[[] for _ in range(width)] for _ in range(rows)]
    best: list[tuple[float, list[int]]] = [(-torch.inf, []) for _ in range(rows)]
    for count in range(1, sampling.max_tokens + 1):
        total_RWV = score_RW[..., None] + reader.logits(target).log_softmax(-1).unflatten(0, (rows, width))
        top, flat = total_RWV.flatten(1).topk(2 * width)
        beam_of, token_of = flat // total_RWV.shape[-1], flat % total_RWV.shape[-1]
        keep: list[list[tuple[float, int, int]]] = []
        for r in range(rows):
            live = []
            for value, beam, token in zip(top[r].tolist(), beam_of[r].tolist(), token_of[r].tolist(), strict=True):
                if token == stop_id:
                    best[r] = max(best[r], (value / count**sampling.length_penalty, said[r][beam]), key=lambda pair: pair[0])
                elif len(live) < width:
                    live.append((value, beam, token))
            keep.append(live)
        said = [[[*said[r][beam], token] for _, beam, token in live] for r, live in enumerate(keep)]
        score_RW = torch.tensor([[value for value, _, _ in live] for live in keep])
        if all(best[r][0] >= keep[r][0][0] / sampling.max_tokens**sampling.length_penalty for r in range(rows)) and min(b[0] for b in best) > -torch.inf:
            break
        from_rows = torch.tensor([r * width + beam for r, live in enumerate(keep) for _, beam, _ in live])
        target = reader.advance(reader.spread(target, from_rows), torch.tensor([token for live in keep for _, _, token in live]))
    return [ids if value > -torch.inf else said[r][0] for r, (value, ids) in enumerate(best)]


def penalise(logits_BV: Tensor, said_BS: Tensor, penalty: float) -> Tensor:
    """Logits of ids already said made less likely by a factor (Keskar et al., CTRL, 2019)."""
    if penalty == 1.0 or not said_BS.shape[1]:
        return logits_BV
    said = logits_BV.gather(1, said_BS)
    return logits_BV.scatter(1, said_BS, torch.where(said > 0, said / penalty, said * penalty))


def choose(logits_BV: Tensor, sampling: Sampling, random: torch.Generator) -> Tensor:
    """(B,): the next ids."""
    if sampling.temperature == 0:
        return logits_BV.argmax(-1)
    p_BV = restrict((logits_BV / sampling.temperature).softmax(-1), sampling)
    return torch.multinomial(p_BV, 1, generator=random)[:, 0]


def restrict(p_BV: Tensor, sampling: Sampling) -> Tensor:
    """Probabilities with the unlikely set to 0: outside the top k, outside the nucleus p, below min_p of the best."""
    if sampling.top_k:
        least = p_BV.topk(min(sampling.top_k, p_BV.shape[-1])).values[:, -1:]
        p_BV = p_BV.where(p_BV >= least, 0)
    if sampling.top_p < 1:
        sorted_BV, order_BV = p_BV.sort(descending=True)
        outside_BV = sorted_BV.cumsum(-1) - sorted_BV >= sampling.top_p * sorted_BV.sum(-1, keepdim=True)
        p_BV = p_BV.masked_fill(torch.zeros_like(outside_BV).scatter(1, order_BV, outside_BV), 0)
    if sampling.min_p:
        p_BV = p_BV.where(p_BV >= sampling.min_p * p_BV.amax(-1, keepdim=True), 0)
    return p_BV


class _Reader:
    """Reads a growing target, with a cache (only what is new) or without (all of it again)."""

    def __init__(self, model: Model, source: Stream | None, memory_BSD: Tensor | None, cache: Cache | None):
        self.model, self.source, self.memory_BSD, self.cache = model, source, memory_BSD, cache

    def logits(self, target: Stream) -> Tensor:
        hidden_BTD = self.model.decode(target, self.source, self.memory_BSD, self.cache)
        return self.model.logits(hidden_BTD[:, -1]).float()

    def advance(self, target: Stream, next_B: Tensor) -> Stream:
        new = Stream(
            next_B[:, None], target.group_BT[:, -1:] + 1, target.segment_BT[:, -1:], target.position_BT[:, -1:] + 1, layout=Layout("dense")
        )
        if self.cache is not None:
            return new
        names = ("ids_BT", "group_BT", "segment_BT", "position_BT")
        longer = {name: torch.cat([getattr(target, name), getattr(new, name)], 1) for name in names}
        return replace(target, **longer, layout=Layout("dense"))

    def spread(self, target: Stream, rows_B: Tensor) -> Stream:
        """Rows repeated or reordered, in the cache and the memory too."""
        if self.cache is not None:
            self.cache.select(rows_B)
        if self.memory_BSD is not None and self.source is not None:
            self.memory_BSD = self.memory_BSD[rows_B]
            self.source = _rows(self.source, rows_B)
        return _rows(target, rows_B)


def _rows(s: Stream, rows_B: Tensor) -> Stream:
    return replace(s, **{name: getattr(s, name)[rows_B] for name in ("ids_BT", "group_BT", "segment_BT", "position_BT")})


def _target(prompt: Batch) -> Stream:
    if prompt.target is None:
        raise ValueError("an encoder can not generate; use a decoder, or rank choices by a cloze")
    return prompt.target


def _start(model: Model, prompt: Batch, max_tokens: int, cached: bool) -> tuple[Stream, _Reader]:
    target = _target(prompt)
    memory_BSD = model.encode(prompt.source) if prompt.source is not None else None
    rows, length = target.ids_BT.shape
    cache = Cache(rows, length + max_tokens, target.ids_BT.device) if cached else None
    return target, _Reader(model, prompt.source, memory_BSD, cache)
