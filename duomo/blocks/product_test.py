import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from duomo.blocks.product import FEW, mapped, product, quicker, suits


def given(rows=2 * FEW, bias=True):
    torch.manual_seed(0)
    return nn.Linear(24, 40, bias=bias), torch.randn(2, rows // 2, 24)


@pytest.mark.parametrize("bias", [False, True])
def test_a_product_and_its_gradients_are_torchs(bias):
    found = []
    for way in (mapped, lambda layer, x: layer(x)):
        layer, x = given(bias=bias)
        x.requires_grad_()
        y = way(layer, x)
        (y * y.detach().sin()).sum().backward()
        found.append([y, x.grad, *(p.grad for p in layer.parameters())])
    assert suits(layer, x)
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape and (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_a_gradient_of_a_gradient_is_torchs():
    found = []
    for way in (product, torch.nn.functional.linear):
        layer, x = given()
        x.requires_grad_()
        (slope,) = torch.autograd.grad(way(x, layer.weight, layer.bias).sin().sum(), x, create_graph=True)
        slope.square().sum().backward()
        found.append((x.grad, layer.weight.grad))
    for ours, theirs in zip(*found, strict=True):
        assert theirs.abs().max() > 0.1 and (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_only_what_is_wanted_has_a_gradient():
    layer, x = given()
    layer.weight.requires_grad_(False)
    x.requires_grad_()
    mapped(layer, x).sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is not None and x.grad is not None


def test_operations_are_counted_and_hooks_are_called():
    layer, x = given()
    with FlopCounterMode(display=False) as counter:
        assert not quicker(x, layer.weight)
        mapped(layer, x)
    assert counter.get_total_flops() == 2 * x.numel() * 40
    called = []
    held = layer.register_forward_hook(lambda *_: called.append(1))
    mapped(layer, x)
    held.remove()
    assert called == [1] and suits(layer, x)


def test_a_part_of_a_table_goes_torchs_way():
    layer, x = given()
    assert quicker(x, torch.randn(24, 40).t()) and not quicker(x, torch.randn(24, 80)[:, :40].t())
    layer.weight.data = torch.randn(24, 80)[:, :40].t()
    assert not suits(layer, x) and torch.equal(mapped(layer, x), layer(x))


def test_other_precisions_and_few_tokens_go_torchs_way():
    layer, x = given()
    assert not quicker(x.double(), layer.weight.double()) and not quicker(x[:, : FEW // 4], layer.weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not quicker(x, layer.weight) and mapped(layer, x).dtype == torch.bfloat16
