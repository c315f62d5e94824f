"""Plain: the least that a person would write: a Llama-shaped decoder in one file of torch. B = rows, T = tokens, D = width."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.model import Model
from duomo.recipe import BlockRecipe


class Layer(nn.Module):
    """One block."""

    def __init__(self, block: BlockRecipe):
        super().__init__()
        self.heads, dim, hidden = block.heads, block.dim, block.ff_width
        self.norm_1, self.norm_2 = nn.RMSNorm(dim, block.eps), nn.RMSNorm(dim, block.eps)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.gate_up, self.down = nn.Linear(dim, 2 * hidden, bias=False), nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in self.qkv(self.norm_1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(turn(q, cos, sin), turn(k, cos, sin), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Plain(nn.Module):
    """The model."""

    cos: Tensor
    sin: Tensor

    def __init__(self, vocab_size: int, depth: int, block: BlockRecipe, longest: int):
        super().__init__()
        self.tokens, self.head = nn.Embedding(vocab_size, block.dim), nn.Linear(block.dim, vocab_size, bias=False)
        self.layers, self.norm = nn.ModuleList(Layer(block) for _ in range(depth)), nn.RMSNorm(block.dim, block.eps)
        width = block.dim // block.heads
        angle = torch.arange(longest)[:, None] / block.theta ** (torch.arange(0, width, 2) / width)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        x, cos, sin = self.tokens(ids), self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.head(self.norm(x))

    @classmethod
    def of(cls, model: Model) -> "Plain":
        """With the weights of a Duomo model."""
        recipe, mine = model.recipe, model.state_dict()
        made = cls(recipe.vocab_size, recipe.decoder_depth, recipe.block, recipe.max_positions)
        held = {"tokens.weight": mine["tokens.weight"], "head.weight": mine["head.weight"], "norm.weight": mine["decoder.norm.weight"]}
        for n in range(recipe.decoder_depth):
            of, to = f"decoder.blocks.{n}.", f"layers.{n}."
            held[f"{to}qkv.weight"] = torch.cat([mine[f"{of}attn.{name}.weight"] for name in "qkv"])
            held[f"{to}gate_up.weight"] = torch.cat([mine[f"{of}mlp.gate.weight"], mine[f"{of}mlp.up.weight"]])
            held[f"{to}out.weight"], held[f"{to}down.weight"] = mine[f"{of}attn.out.weight"], mine[f"{of}mlp.down.weight"]
            held[f"{to}norm_1.weight"], held[f"{to}norm_2.weight"] = mine[f"{of}attn_norm.weight"], mine[f"{of}mlp_norm.weight"]
        made.load_state_dict({name: tensor.clone() for name, tensor in held.items()}, strict=False)
        return made


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
