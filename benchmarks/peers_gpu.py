"""Peers of `gpu.py`: transformers with the same weights, and a decoder written down plainly and compiled whole."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.model import Model

NAMES = (  # of a block, in ours and in transformers' Llama
    ("attn.q", "self_attn.q_proj"), ("attn.k", "self_attn.k_proj"), ("attn.v", "self_attn.v_proj"), ("attn.out", "self_attn.o_proj"),
    ("mlp.gate", "mlp.gate_proj"), ("mlp.up", "mlp.up_proj"), ("mlp.down", "mlp.down_proj"),
    ("attn_norm", "input_layernorm"), ("mlp_norm", "post_attention_layernorm"),
)  # fmt: skip


def llama(model: Model) -> Any:
    """transformers' Llama with the weights of ours, with the attention that it picks by itself."""
    from transformers import LlamaConfig, LlamaForCausalLM

    recipe, block = model.recipe, model.recipe.block
    config = LlamaConfig(
        vocab_size=recipe.vocab_size, hidden_size=block.dim, intermediate_size=block.ff_width, num_hidden_layers=recipe.decoder_depth,
        num_attention_heads=block.heads, max_position_embeddings=recipe.max_positions, rms_norm_eps=block.eps,
        tie_word_embeddings=recipe.tied, rope_parameters={"rope_type": "default", "rope_theta": block.theta},
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    weight, device = model.tokens.weight, model.tokens.weight.device
    with torch.device("meta"):
        other = LlamaForCausalLM(config)
    own, given = dict(model.named_parameters()), {"model.embed_tokens.weight": weight, "model.norm.weight": model.decoder.norm.weight}  # type: ignore[union-attr]
    given["lm_head.weight"] = weight if model.head is None else model.head.weight
    for layer in range(recipe.decoder_depth):
        given |= {f"model.layers.{layer}.{theirs}.weight": own[f"decoder.blocks.{layer}.{mine}.weight"] for mine, theirs in NAMES}
    other.load_state_dict({name: nn.Parameter(value.detach()) for name, value in given.items()}, assign=True)
    other.tie_weights()
    with device:
        other.model.rotary_emb = type(other.model.rotary_emb)(config)
    return other.to(device)


def transformers_steps(model: Model, ids_BT: Tensor, compiled: bool) -> Iterator[float]:
    """Steps as its users write them: its own loss, autocast to bfloat16, fused AdamW."""
    other = llama(model).train()
    call = torch.compile(other) if compiled else other
    solver = torch.optim.AdamW(other.parameters(), lr=1e-4, weight_decay=0.1, betas=(0.9, 0.95), fused=True)
    while True:
        solver.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss = call(input_ids=ids_BT[:, :-1], labels=ids_BT[:, 1:], shift_labels=ids_BT[:, 1:].contiguous(), use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        solver.step()
        yield float(loss)


def transformers_written(other: Any, ids_RT: Tensor, new: int) -> tuple[Tensor, float]:
    """Greedy tokens by `generate`, (R, N), and seconds a step."""
    other.generation_config.pad_token_id = 0

    def run(count: int) -> tuple[Tensor, float]:
        began = time.perf_counter()
        said = other.generate(ids_RT, attention_mask=torch.ones_like(ids_RT), max_new_tokens=count, min_new_tokens=count, do_sample=False)
        torch.cuda.synchronize()
        return said[:, ids_RT.shape[1] :], time.perf_counter() - began

    run(8)
    short, (said, whole) = statistics.median(run(1)[1] for _ in range(3)), run(new)
    return said, (whole - short) / (new - 1)


class Plain(nn.Module):
    """The same decoder as one would write it by hand."""

    def __init__(self, model: Model):
        super().__init__()
        self.inner, block = model, model.recipe.block
        self.heads, self.eps = block.heads, block.eps
        angle_TK = torch.arange(model.recipe.max_positions, device="cuda")[:, None] * model.decoder.rate_K  # type: ignore[union-attr,operator]
        self.cos, self.sin = (x.repeat(1, 2).to(torch.bfloat16) for x in (angle_TK.cos(), angle_TK.sin()))

    def forward(self, ids_BT: Tensor, labels_BT: Tensor) -> Tensor:
        x = self.inner.tokens(ids_BT)
        for block in self.inner.decoder.blocks:  # type: ignore[union-attr]
            x = x + self._attend(block.attn, F.rms_norm(x, x.shape[-1:], block.attn_norm.weight, self.eps))
            h = F.rms_norm(x, x.shape[-1:], block.mlp_norm.weight, self.eps)
            x = x + block.mlp.down(F.silu(block.mlp.gate(h)) * block.mlp.up(h))
        x = F.rms_norm(x, x.shape[-1:], self.inner.decoder.norm.weight, self.eps)  # type: ignore[union-attr,arg-type]
        return F.cross_entropy(F.linear(x, self.inner.tokens.weight).flatten(0, 1).float(), labels_BT.flatten())

    def _attend(self, attn: Any, h: Tensor) -> Tensor:
        q, k, v = (m(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for m in (attn.q, attn.k, attn.v))
        return attn.out(F.scaled_dot_product_attention(self._turn(q), self._turn(k), v, is_causal=True).transpose(1, 2).flatten(2))

    def _turn(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return x * self.cos[: x.shape[2]] + torch.cat([-b, a], -1) * self.sin[: x.shape[2]]


def plain_steps(model: Model, ids_BT: Tensor) -> Iterator[float]:
    """Steps of the plain loop, its model compiled whole."""
    plain = Plain(model.train())
    call, inputs, labels = torch.compile(plain), ids_BT[:, :-1].contiguous(), ids_BT[:, 1:].contiguous()
    solver = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, betas=(0.9, 0.95), fused=True)
    while True:
        solver.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss = call(inputs, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        solver.step()
        yield float(loss)
