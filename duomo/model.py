"""Model: an encoder, a decoder, or both, and the senses. B = rows, T = tokens, S = source, D = width, V = vocabulary."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from duomo.batch import Batch, Stream
from duomo.blocks import Cache, Head, Inflated, Quick, Sense, Stack, View, cross_view, self_view, swift_step
from duomo.blocks.product import product
from duomo.modalities import MODALITIES
from duomo.recipe import CutRecipe, ModelRecipe


class Aside(Protocol):
    """What says answers in a model's place: `generate.engine.Engine`."""

    def begin(self, prompt: Batch, room: int) -> Any:
        """What reads a prompt and goes on as a `Reader` does; None where it is no work for it."""


class Model(nn.Module):
    """One transformer. `placeholder` names the token id at which each sense's vectors are put.

    Initialisation: token vectors normal with deviation 0.02 (the tied head's logits start near 0); stacks as `Stack` says.
    """

    def __init__(self, recipe: ModelRecipe, placeholder: Mapping[str, int]):
        super().__init__()
        self.recipe, cut = recipe, cuts(recipe)
        self.placeholder = {name: placeholder[name] for name in recipe.senses}
        self.tokens = nn.Embedding(recipe.vocab_size, recipe.block.dim)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.types = nn.Embedding(recipe.token_types, recipe.block.dim) if recipe.token_types else None
        self.senses = senses(recipe, cut)
        self.encoder = self._stack(recipe.encoder_depth, memory=False, embed_norm=recipe.embed_norm)
        self.reads_memory = recipe.shape == "encoder_decoder"
        self.decoder = self._stack(recipe.decoder_depth, memory=self.reads_memory, embed_norm=recipe.embed_norm)
        self.head = None if recipe.tied else nn.Linear(recipe.block.dim, recipe.vocab_size, bias=False)
        self.head_bias = nn.Parameter(torch.zeros(recipe.vocab_size)) if recipe.head_bias else None
        self.int8 = False  # whether tokens after the first are said by weights of 8 bits, where there is a quick way
        self.engine: Aside | None = None  # what says answers of one row, where it is not the model itself
        self._quick_head: Head | None = None
        if self.head is not None:
            nn.init.normal_(self.head.weight, std=0.02)

    def train(self, mode: bool = True) -> "Model":
        """As torch's; what was packed for generation is forgotten where weights are about to change."""
        if mode:
            self._quick_head = self.engine = None
        return super().train(mode)

    def forward(self, batch: Batch) -> Tensor:
        """(B, T, V): logits at every place. Training calls `hidden`, and `logits` only where labels are."""
        return self.logits(self.hidden(batch))

    def hidden(self, batch: Batch) -> Tensor:
        """(B, T, D): over the target, or over the source of an encoder."""
        memory_BSD = self.encode(batch.source) if batch.source is not None else None
        if self.decoder is None:
            if memory_BSD is None:
                raise ValueError("an encoder reads a source; collate the samples for its shape")
            return memory_BSD
        if batch.target is None:
            raise ValueError("a decoder reads a target; collate the samples for its shape")
        return self.decode(batch.target, batch.source, memory_BSD)

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, V)."""
        weight, quick = self.tokens.weight if self.head is None else self.head.weight, self._quick_head
        if quick is not None and hidden.ndim == 2 and not torch.is_grad_enabled() and quick.holds(weight):
            return quick(hidden, self.head_bias)
        return product(hidden, weight, self.head_bias)

    def encode(self, source: Stream, dense: bool = False) -> Tensor:
        """(B, S, D). `dense` reads through the oracle mask."""
        if self.encoder is None:
            if self.decoder is not None and not self.reads_memory:
                raise ValueError("this model has no encoder")
            nothing_BSD = self.tokens.weight.new_zeros(*source.ids_BT.shape, self.recipe.block.dim)
            return self._sensed(nothing_BSD, source)  # the senses are the encoder: of words it reads nothing
        return self.encoder(self.embed(source), source.position_BT, self_view(source, dense))

    def decode(
        self, target: Stream, source: Stream | None = None, memory_BSD: Tensor | None = None, cache: Cache | None = None,
        dense: bool = False,
    ) -> Tensor:  # fmt: skip
        """(B, T, D) over the target. With a cache the target is what is new, and is written into it."""
        if self.decoder is None:
            raise ValueError("this model has no decoder; an encoder can not generate")
        if cache is not None and cache.swift is not None and self._is_quick(target, cache, cache.swift):
            seen = None if source is None else cross_view(target, source, dense).mask
            return cache.swift(self.embed(target), target, cache, seen)
        view = self_view(target, dense) if cache is None else View(mask=cache.begin(target.segment_BT, target.group_BT))
        memory_view: View | None = None if source is None else cross_view(target, source, dense)
        return self.decoder(self.embed(target), target.position_BT, view, memory_BSD, memory_view, cache)

    def _is_quick(self, target: Stream, cache: Cache, swift: Quick) -> bool:
        """Whether a pass may take the quick way: of one real token a row, which has met its memory where it has one; or of a prompt."""
        if swift.watched or (self.reads_memory and not cache.memory):
            return False
        if target.ids_BT.shape[1] > 1:
            return not (self.reads_memory or self.int8)
        return bool(target.segment_BT.all())

    def quicken(self, cache: Cache, many: bool) -> None:
        """Lets further passes over a cache take the quick way, where there is one: the same but for rounding.

        `many`: of many rows, which takes a second copy of the weights.
        """
        cache.swift = swift_step(self.decoder, many, self.int8)
        weight = self.tokens.weight if self.head is None else self.head.weight
        if cache.swift is None or (self.head is not None and type(self.head) is not nn.Linear):
            self._quick_head = None
        elif self._quick_head is None or not self._quick_head.serves(weight, many, self.int8):
            self._quick_head = Head(weight, many, self.int8)

    def embed(self, stream: Stream) -> Tensor:
        """(B, T, D): token vectors, with what the senses saw at its placeholders."""
        x_BTD = self.tokens(stream.ids_BT) * self.recipe.embed_scale
        if self.types is not None:
            x_BTD = x_BTD + self.types.weight[0]
        return self._sensed(x_BTD, stream)

    def _sensed(self, x_BTD: Tensor, stream: Stream) -> Tensor:
        """The same vectors, with what the senses saw at the stream's placeholders."""
        for name, media in stream.media.items():
            here_BT1 = (stream.ids_BT == self.placeholder[name])[..., None]
            x_BTD = x_BTD.masked_scatter(here_BT1, self.senses[name](media).to(x_BTD.dtype))
        return x_BTD

    def pool(self, hidden_BTD: Tensor, stream: Stream) -> Tensor:
        """(B, D): the mean over real tokens, for sentence vectors."""
        real_BT1 = (stream.segment_BT != 0)[..., None].to(hidden_BTD.dtype)
        return (hidden_BTD * real_BT1).sum(1) / real_BT1.sum(1).clamp(min=1)

    def _stack(self, depth: int, memory: bool, embed_norm: bool) -> Stack | None:
        r = self.recipe
        return Stack(r.block, depth, memory, r.max_positions, r.final_norm, embed_norm) if depth else None


class Unfilled(TorchFunctionMode):
    """Models that are made inside this context draw no first weights, and so take no memory before they get those of a file."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def senses(recipe: ModelRecipe, cut: Mapping[str, CutRecipe]) -> nn.ModuleDict:
    """The recipe's senses; those that inflate another come after it. Raises ValueError for what does not fit."""
    made: dict[str, nn.Module] = {}
    for name, sense in sorted(recipe.senses.items(), key=lambda item: bool(item[1].inflates)):
        still = made.get(sense.inflates)
        made[name] = Inflated(sense, cut[name], still) if isinstance(still, Sense) else Sense(sense, cut[name], recipe.block.dim)
    return nn.ModuleDict(made)


def cuts(recipe: ModelRecipe) -> dict[str, CutRecipe]:
    """How each sense of the model wants its media cut. Raises ValueError for a sense of no known modality."""
    for name, sense in recipe.senses.items():
        if (sense.modality or name) not in MODALITIES:
            raise ValueError(f"model.senses.{name}: no modality {sense.modality or name!r}; known: {', '.join(MODALITIES)}")
    return {name: sense.cut or MODALITIES[sense.modality or name].default for name, sense in recipe.senses.items()}
