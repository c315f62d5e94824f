import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from duomo.blocks import FeedForward, Stack, View
from duomo.recipe import BlockRecipe, RopeScaling
from tests.small import redrawn


def run(stack, seed=1):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 6, stack.recipe.dim, generator=random).requires_grad_()
    return x, stack(x, torch.arange(6).expand(2, -1), View(causal=True))


@pytest.mark.parametrize("memory", [False, True])
def test_checkpointed_blocks_have_the_same_gradients(memory):
    torch.manual_seed(0)
    stack = Stack(BlockRecipe(dim=16, heads=2, dropout=0.3), 3, memory).train()
    found = []
    for checkpointed in (False, True):
        stack.checkpoint_blocks = checkpointed
        stack.zero_grad()
        torch.manual_seed(7)  # the same dropout
        x = torch.ones(2, 6, 16).cumsum(1).requires_grad_()
        source = torch.ones(2, 4, 16).cumsum(2).requires_grad_() if memory else None
        y = stack(x, torch.arange(6).expand(2, -1), View(causal=True), source)
        y.square().sum().backward()
        found.append([y.detach(), x.grad, *(p.grad for p in stack.parameters()), *([source.grad] if memory else [])])
    for plain, again in zip(*found, strict=True):
        assert torch.equal(plain, again)


def test_dropout_acts_on_the_input_and_on_every_branch_in_training_only():
    torch.manual_seed(0)
    for depth in (0, 1):
        stack = Stack(BlockRecipe(dim=16, heads=2, dropout=0.5), depth, final_norm=False)
        assert ((run(stack.train())[1] == 0).float().mean() > 0.3) == (depth == 0), "branches add to it"
        assert torch.equal(run(stack.eval())[1], run(stack)[1])
    block = Stack(BlockRecipe(dim=16, heads=2, dropout=0.5), 1).blocks[0].train()
    x = torch.zeros(1, 400, 16)
    kept = block._add(x, torch.nn.Identity(), torch.ones_like)
    assert set(kept.unique().tolist()) == {0.0, 2.0}


def test_memory_is_wanted_where_it_was_built_in():
    with pytest.raises(ValueError, match="pass what encode gave"):
        run(Stack(BlockRecipe(dim=16, heads=2), 1, memory=True))


def test_the_residual_stream_does_not_grow_with_depth():
    def growth(depth):
        torch.manual_seed(0)
        x, y = run(Stack(BlockRecipe(dim=64, heads=4), depth, final_norm=False))
        return float(y.detach().std() / x.detach().std())

    assert growth(24) < 1.1 * growth(2)


def test_matrices_start_as_documented():
    torch.manual_seed(0)
    stack = Stack(BlockRecipe(dim=96, heads=4, bias=("q", "down")), 4)
    for name, module in stack.named_modules():
        if isinstance(module, nn.Linear):
            shrink = 8**-0.5 if name.endswith((".out", ".down")) else 1.0
            assert float(module.weight.detach().std()) == pytest.approx(shrink * (3 * module.in_features) ** -0.5, rel=0.05)
            assert module.bias is None or not module.bias.any()


VARIANTS = {
    "norm_first": True,
    "norm": "layer",
    "eps": 1e-2,
    "feedforward": "swiglu",
    "position": "none",
    "theta": 100.0,
    "scaling": RopeScaling(kind="linear", factor=2),
    "heads": 2,
    "kv_heads": 2,
    "head_dim": 2,
    "ff_dim": 24,
    "qk_norm": True,
}


@pytest.mark.parametrize("key", VARIANTS)
def test_every_variant_matters(key):
    """A flag that changed nothing could be wrong without any test knowing."""
    base = dict(dim=16, heads=4, norm_first=False, feedforward="relu")
    outputs = [run(redrawn(Stack(BlockRecipe(**more), 2)))[1] for more in (base, base | {key: VARIANTS[key]})]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3


def test_yarn_lengthens_queries_and_keys():
    lengths = {"yarn": 0.1 * math.log(4) + 1, "linear": 1.0, "llama3": 1.0}
    for kind, length in lengths.items():
        scaling = RopeScaling(kind=kind, factor=4)
        cos, sin = Stack(BlockRecipe(dim=16, heads=2, scaling=scaling), 1)._turn(torch.arange(6)[None])
        assert torch.allclose((cos**2 + sin**2).sqrt(), torch.full_like(cos, length), atol=1e-6)


def test_activations_differ():
    x = torch.randn(1, 50, 8, generator=torch.Generator().manual_seed(0))
    kinds = ("swiglu", "gelu_erf", "gelu_tanh", "relu")
    outputs = [redrawn(FeedForward(BlockRecipe(dim=8, heads=2, feedforward=kind, ff_dim=16)))(x) for kind in kinds]
    assert all((a - b).abs().max() > 1e-5 for a, b in pairwise(outputs))


def test_swiglu_is_its_formula():
    layer, x = redrawn(FeedForward(BlockRecipe(dim=8, heads=2, ff_dim=16))), torch.randn(1, 3, 8)
    gate, up = x @ layer.gate.weight.T, x @ layer.up.weight.T
    assert torch.allclose(layer(x), (gate * torch.sigmoid(gate) * up) @ layer.down.weight.T, atol=1e-6)
