"""Block and Stack: the one block of every shape. B = rows, T = tokens, S = memory, D = width, K = head width."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from duomo.blocks.attention import Attention, Turn
from duomo.blocks.cache import Cache, Slot
from duomo.blocks.positions import Positions, rotary_angles, rotary_scale
from duomo.blocks.product import mapped
from duomo.blocks.view import View
from duomo.recipe import BlockRecipe

Memory = Tensor | tuple[Tensor, Tensor] | None
ACTIVATIONS = {"gelu_erf": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "relu": F.relu}


def norm(recipe: BlockRecipe) -> nn.Module:
    """The recipe's normalisation over D."""
    if recipe.norm == "rms":
        return nn.RMSNorm(recipe.dim, recipe.eps)
    return nn.LayerNorm(recipe.dim, recipe.eps, bias=recipe.norm_bias)


class FeedForward(nn.Module):
    """(B, T, D) -> (B, T, D), each token alone: swiglu (Shazeer 2020) or one activation between two maps."""

    def __init__(self, recipe: BlockRecipe):
        super().__init__()
        gated = recipe.feedforward == "swiglu"
        hidden = recipe.ff_width
        self.gate = nn.Linear(recipe.dim, hidden, bias="gate" in recipe.bias) if gated else None
        self.up = nn.Linear(recipe.dim, hidden, bias="up" in recipe.bias)
        self.down = nn.Linear(hidden, recipe.dim, bias="down" in recipe.bias)
        self.activation = F.silu if gated else ACTIVATIONS[recipe.feedforward]

    def forward(self, x_BTD: Tensor) -> Tensor:
        if self.gate is None:
            return mapped(self.down, self.activation(mapped(self.up, x_BTD)))
        return mapped(self.down, self.activation(mapped(self.gate, x_BTD)) * mapped(self.up, x_BTD))


class Block(nn.Module):
    """Attention, then (where built with memory) attention to it, then feed-forward; norms before or after each."""

    def __init__(self, recipe: BlockRecipe, memory: bool = False):
        super().__init__()
        self.norm_first = recipe.norm_first
        self.attn, self.attn_norm = Attention(recipe), norm(recipe)
        self.cross = Attention(recipe) if memory else None
        self.cross_norm = norm(recipe) if memory else None
        self.mlp, self.mlp_norm = FeedForward(recipe), norm(recipe)
        self.dropout = nn.Dropout(recipe.dropout)

    def forward(
        self, x_BTD: Tensor, view: View, turn: Turn | None = None, memory: Memory = None, memory_view: View | None = None,
        slot: Slot | None = None,
    ) -> Tensor:  # fmt: skip
        """(B, T, D) -> (B, T, D). `memory`: what the encoder made, (B, S, D), or the keys and values that `remember` made of it."""
        x_BTD = self._add(x_BTD, self.attn_norm, lambda h: self.attn(h, view, turn, slot))
        if self.cross is not None and self.cross_norm is not None:
            cross, seen = self.cross, memory_view or View()
            pair = self._pair(memory)
            x_BTD = self._add(x_BTD, self.cross_norm, lambda h: cross.read(h, pair, seen))
        return self._add(x_BTD, self.mlp_norm, self.mlp)

    def remember(self, memory_BSD: Tensor | None, cache: Cache, rows: int) -> Memory:
        """Keys and values of the memory, computed once a request; None for a block that reads none."""
        if self.cross is None:
            return None
        if self.cross not in cache.memory:
            keys, values = self._pair(memory_BSD)
            cache.memory[self.cross] = keys.contiguous(), values.contiguous()  # each step reads them as they lie
            return cache.memory[self.cross]
        return cache.recall(self.cross, rows)

    def _add(self, x_BTD: Tensor, normed: nn.Module, branch: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_first:
            return x_BTD + self.dropout(branch(normed(x_BTD)))
        return normed(x_BTD + self.dropout(branch(x_BTD)))

    def _pair(self, memory: Memory) -> tuple[Tensor, Tensor]:
        if memory is None or self.cross is None:
            raise ValueError("this decoder reads a memory: pass what encode gave")
        return self.cross.keys(memory) if isinstance(memory, Tensor) else memory


class Stack(nn.Module):
    """Blocks one after the other, with positions and the embedding norm before, the final norm after.

    Initialisation: matrices normal with deviation 1/√(3 fan-in); those that write to the residual stream a further
    1/√(2 depth) smaller, so that its variance does not grow with depth (GPT-2); biases 0, norms 1.
    """

    rate_K: Tensor

    def __init__(
        self, recipe: BlockRecipe, depth: int, memory: bool = False, max_positions: int = 0, final_norm: bool = True,
        embed_norm: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.recipe = recipe
        self.checkpoint_blocks = False
        self.swift: object = None  # `blocks.swift.Swift`, once tokens were generated
        self.positions = Positions(recipe, max_positions) if recipe.position in ("learned", "sinusoidal") else None
        self.embed_norm = norm(recipe) if embed_norm else None
        self.dropout = nn.Dropout(recipe.dropout)
        self.blocks = nn.ModuleList(Block(recipe, memory) for _ in range(depth))
        self.norm = norm(recipe) if final_norm else nn.Identity()
        if recipe.position == "rotary":
            self.register_buffer("rate_K", rotary_angles(recipe, recipe.head_width), persistent=False)
        self._initialise(depth)

    def forward(
        self, x_BTD: Tensor, position_BT: Tensor, view: View, memory_BSD: Tensor | None = None, memory_view: View | None = None,
        cache: Cache | None = None, depth: int | None = None,
    ) -> Tensor:  # fmt: skip
        """(B, T, D) -> (B, T, D). `depth`: what the first so many blocks make, without the final norm."""
        if self.positions is not None:
            x_BTD = x_BTD + self.positions(position_BT)
        if self.embed_norm is not None:
            x_BTD = self.embed_norm(x_BTD)
        x_BTD, turn = self.dropout(x_BTD), self._turn(position_BT)
        for block in islice(cast(Iterable[Block], self.blocks), depth):
            if self.checkpoint_blocks and self.training:
                x_BTD = checkpoint(block, x_BTD, view, turn, memory_BSD, memory_view, use_reentrant=False)
            elif cache is None:
                x_BTD = block(x_BTD, view, turn, memory_BSD, memory_view)
            else:
                memory = block.remember(memory_BSD, cache, len(x_BTD))
                x_BTD = block(x_BTD, view, turn, memory, memory_view, block.attn.slot(cache))
        return self.norm(x_BTD) if depth is None else x_BTD

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Stack":
        """Moves and casts as any module does, but turns by angles of at least float32: in bfloat16 far places would be one."""
        super()._apply(fn, recurse)
        if self.recipe.position == "rotary" and self.rate_K.dtype.itemsize < 4:
            self.rate_K = rotary_angles(self.recipe, self.recipe.head_width).to(self.rate_K.device)
        return self

    def train(self, mode: bool = True) -> "Stack":
        """As torch's; what was packed for generation is forgotten where weights are about to change."""
        if mode:
            self.swift = None
        return super().train(mode)

    def _turn(self, position_BT: Tensor) -> Turn | None:
        if self.recipe.position != "rotary":
            return None
        angle_B1TK = position_BT[:, None, :, None] * self.rate_K
        scale = rotary_scale(self.recipe)
        return angle_B1TK.cos() * scale, angle_B1TK.sin() * scale

    def _initialise(self, depth: int) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                shrink = (2 * depth) ** -0.5 if name.endswith((".out", ".down")) else 1.0
                nn.init.normal_(module.weight, std=shrink * (3 * module.in_features) ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.positions is not None and isinstance(self.positions.table, nn.Parameter):
            nn.init.normal_(self.positions.table, std=0.02)
