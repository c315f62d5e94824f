"""Parts: the parameters of a model by part, and the FLOPs that a step of it is worth. B = rows, T = tokens.

Worth is the field's formula (PaLM, Chowdhery et al. 2022, appendix B): 6 FLOPs a parameter that multiplies and token, and
12 × layers × width × tokens a token for attention, nothing taken off for what a causal mask leaves out. Each part counts the tokens that
go through it: the head those with a label, a sense those of its items, and of a packed row a token counts its own document. A frozen
weight counts 4, or 2 where nothing before it is trained, for that is all that is asked of it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from duomo.batch import IGNORE, Batch, Stream
from duomo.blocks import Inflated, Stack
from duomo.blocks.fronts import ConvFront
from duomo.model import Model


@dataclass(frozen=True)
class Part:
    """A part of a model: how many parameters it has, how many are trained, and how many of all stand in a matrix product."""

    name: str
    parameters: int
    trained: int
    multiply: int


@dataclass(frozen=True)
class Worth:
    """FLOPs a step is worth by the formula, and the tokens that it reads (padding left out)."""

    flops: float
    tokens: int


def parts_of(model: Model) -> list[Part]:
    """Embeddings, head, each stack, each sense; adapters count with the part that they lie in."""
    found = [_part("embeddings", [model.tokens, *([model.types] if model.types is not None else [])], multiply=False)]
    found += [_part(name, [stack]) for name, stack in stacks(model).items()]
    found += [_part(f"sense {name}", [sense]) for name, sense in model.senses.items()]
    bias = 0 if model.head_bias is None else model.head_bias.numel()
    if model.head is None:
        found.append(Part("head (the embeddings again)", bias, bias, model.tokens.weight.numel()))
    else:
        head = _part("head", [model.head])
        found.append(Part("head", head.parameters + bias, head.trained + bias, head.multiply))
    return found


def stacks(model: Model) -> dict[str, Stack]:
    """The model's own stacks by name."""
    return {name: stack for name, stack in (("encoder", model.encoder), ("decoder", model.decoder)) if stack is not None}


def worth(model: Model, batches: Sequence[Batch]) -> Worth:
    """What one step of these micro-batches is worth."""
    flops = sum(sum(_of_batch(model, batch)) for batch in batches)
    return Worth(flops, sum(int((s.segment_BT != 0).sum()) for batch in batches for s in (batch.source, batch.target) if s is not None))


def _part(name: str, modules: Sequence[nn.Module], multiply: bool = True) -> Part:
    every = [p for module in modules for p in module.parameters()]
    matrices = sum(p.numel() for module in modules for p in _matrices(module)) if multiply else 0
    return Part(name, sum(p.numel() for p in every), sum(p.numel() for p in every if p.requires_grad), matrices)


def _matrices(module: Any) -> Iterator[Tensor]:
    """Weights of products: of maps and filters, not of tables, norms or biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.modules.conv._ConvNd):
            yield part.weight


def _of_batch(model: Model, batch: Batch) -> Iterator[float]:
    some = any(p.requires_grad for p in model.parameters())
    for stack, own, other in ((model.encoder, batch.source, None), (model.decoder, batch.target, batch.source)):
        if stack is not None and own is not None:
            yield from _of_stack(stack, own, other, some)
    labels = int((batch.labels_BT != IGNORE).sum())
    weight = model.tokens.weight if model.head is None else model.head.weight
    yield labels * _of_weights([weight], some)
    for stream in (batch.source, batch.target):
        for name, media in (stream.media if stream is not None else {}).items():
            if name in model.senses:
                tokens = stream.tokens.get(name, 0) if stream is not None else 0
                yield _of_sense(model.senses[name], tokens, max(len(media.count_M), 1), media.seen)


def _of_stack(stack: Any, own: Stream, other: Stream | None, some: bool) -> Iterator[float]:
    here, there = _documents(own.segment_BT), None if other is None else _documents(other.segment_BT)
    factor = 12 if some else 4
    for block in stack.blocks:
        cross = block.cross
        inner = {id(p) for p in _matrices(cross)} if cross is not None else set()
        yield float(here.sum()) * _of_weights((p for p in _matrices(block) if id(p) not in inner), some)
        width = block.attn.heads * block.attn.head_dim
        yield factor * width * float((here * here).sum())
        if cross is not None and other is not None and there is not None:
            yield float(here.sum()) * _of_weights([*_matrices(cross.q), *_matrices(cross.out)], some)
            yield float(there.sum()) * _of_weights([*_matrices(cross.k), *_matrices(cross.v)], some)
            yield factor * cross.heads * cross.head_dim * _crossed(own.segment_BT, other.segment_BT)


def _of_sense(sense: Any, tokens: int, items: int, seen: bool) -> float:
    """Of all items of a batch, taken as equally long; what was seen before is only projected."""
    plain: Any = sense.still[0] if isinstance(sense, Inflated) else sense
    some = any(p.requires_grad for p in sense.parameters()) or any(p.requires_grad for p in plain.stack.parameters())
    total: float = tokens * _of_weights(_matrices(plain.project), some)
    if seen:
        return total
    inside = tokens * plain.join
    total += sum(inside * _of_weights(_matrices(block), some) for block in plain.stack.blocks)
    each = inside / items + (plain.leading.table.shape[0] if hasattr(plain.leading, "table") else 0)
    block = plain.stack.recipe
    total += (12 if some else 4) * len(plain.stack.blocks) * block.heads * block.head_width * inside * each
    return total + _of_front(sense.front, inside, some) + inside * _of_weights(_matrices(plain.place), some)


def _of_front(front: nn.Module, tokens: float, some: bool) -> float:
    """Each convolution works at the places that it makes: more of them the fewer strides are behind it."""
    if not isinstance(front, ConvFront):
        return tokens * _of_weights(_matrices(front), some)
    total, places = 0.0, float(tokens)
    for conv in reversed(list(front.convs)):
        total += places * _of_weights([conv.weight], some)
        places *= math.prod(conv.stride)
    return total


def _of_weights(weights: Iterable[Tensor], some: bool) -> float:
    return sum((6 if w.requires_grad else 4 if some else 2) * w.numel() for w in weights)


def _documents(segment_BT: Tensor) -> Tensor:
    """The lengths of all documents."""
    rows = torch.arange(len(segment_BT))[:, None] * (int(segment_BT.max()) + 1)
    return torch.bincount((segment_BT.cpu() + rows)[segment_BT.cpu() != 0]).double()


def _crossed(query_BT: Tensor, key_BS: Tensor) -> float:
    """Pairs of a target's and its source's tokens, over all rows."""
    return float(((query_BT != 0).sum(1).double() * (key_BS != 0).sum(1).double()).sum())


def by_name(parts: Iterable[Part]) -> Mapping[str, int]:
    """Parameters by part."""
    return {part.name: part.parameters for part in parts}
