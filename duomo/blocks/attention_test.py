import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.blocks import Attention, View, rotary_angles, self_mask, self_view
from duomo.data.collate import stream
from duomo.data.render import Rendered
from duomo.recipe import BlockRecipe
from tests.small import redrawn

RECIPES = {
    "plain": BlockRecipe(dim=12, heads=3),
    "biases": BlockRecipe(dim=12, heads=3, bias=("q", "k", "v", "out")),
    "shared keys": BlockRecipe(dim=12, heads=6, kv_heads=2, bias=("k",)),
    "wide heads": BlockRecipe(dim=12, heads=2, head_dim=8),
    "normed": BlockRecipe(dim=12, heads=3, qk_norm=True, eps=1e-3),
}


def attention(recipe):
    return redrawn(Attention(recipe).double())


def rms(vector, weight, eps):
    return vector / math.sqrt(float(np.mean(vector**2)) + eps) * weight


def slow(layer, x_TD, mask_TS, recipe):
    """One head, one query, one key at a time, from the formula of the paper."""

    def mapped(linear, h):
        return linear.weight.detach().numpy() @ h + (0 if linear.bias is None else linear.bias.detach().numpy())

    width, group, out = layer.head_dim, layer.heads // layer.kv_heads, []
    for t, x in enumerate(x_TD):
        heads = []
        for head in range(layer.heads):
            mine, theirs = slice(head * width, (head + 1) * width), slice(head // group * width, (head // group + 1) * width)
            query, scores, values = mapped(layer.q, x)[mine], [], []
            query = rms(query, layer.q_norm.weight.detach().numpy(), recipe.eps) if recipe.qk_norm else query
            for s in range(len(x_TD)):
                if mask_TS[t, s]:
                    key = mapped(layer.k, x_TD[s])[theirs]
                    key = rms(key, layer.k_norm.weight.detach().numpy(), recipe.eps) if recipe.qk_norm else key
                    scores.append(math.exp(float(query @ key) / math.sqrt(width)))
                    values.append(mapped(layer.v, x_TD[s])[theirs])
            heads.append(sum(score / sum(scores) * value for score, value in zip(scores, values, strict=True)))
        out.append(mapped(layer.out, np.concatenate(heads)))
    return np.stack(out)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_attention_is_the_papers_formula(recipe):
    layer, x = attention(recipe), torch.randn(1, 5, 12, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    groups = torch.tensor([0, 0, 1, 2, 2])
    mask = groups[None, :] <= groups[:, None]
    fast = layer(x, View(mask=mask[None, None])).detach()[0].numpy()
    assert fast.std() > 0.3
    assert np.abs(fast - slow(layer, x[0].numpy(), mask.numpy(), recipe)).max() < 1e-12


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=3), st.booleans())
def test_packed_attention_equals_the_oracle_and_so_do_its_gradients(lengths, causal):
    rows = [[Rendered([1] * length, [True] * length) for length in row] for row in lengths]
    s, layer = stream(rows, causal), attention(RECIPES["shared keys"])
    weight = torch.randn(*s.ids_BT.shape, 12, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    weight[s.segment_BT == 0] = 0
    results = []
    for view in (self_view(s), View(mask=self_mask(s))):
        x = torch.randn(*s.ids_BT.shape, 12, dtype=torch.double, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = layer(x, view)
        (y * weight).sum().backward()
        results.append((y[s.segment_BT != 0], x.grad))
    assert (results[0][0] - results[1][0]).abs().max() < 1e-12
    assert (results[0][1] - results[1][1]).abs().max() < 1e-12


def test_rotary_attention_sees_distances_only():
    recipe = BlockRecipe(dim=16, heads=2)
    layer, x = redrawn(Attention(recipe)), torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(1))

    def read(first):
        angle = (torch.arange(6.0) + first)[None, None, :, None] * rotary_angles(recipe, 8)
        return layer(x, View(causal=True), (angle.cos(), angle.sin()))

    assert (read(0) - read(300)).abs().max() < 1e-4
    assert (read(0) - layer(x, View(causal=True))).abs().max() > 0.1
