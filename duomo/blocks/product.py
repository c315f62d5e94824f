"""Product: a linear map over many tokens on a processor. M = tokens, I = numbers in, O = numbers out.

oneDNN's float32 product is a tenth to a quarter faster than the one that torch calls by default, forward and towards the input;
towards the weights the default is as fast, and stays.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW = 32  # tokens below which the default is as fast


def mapped(layer: nn.Module, x: Tensor) -> Tensor:
    """What a map gives, (…, I) -> (…, O): the same but for rounding, whichever way it is computed."""
    if not suits(layer, x):
        return layer(x)
    assert isinstance(layer, nn.Linear)
    return product(x, layer.weight, layer.bias)


def suits(layer: nn.Module, x: Tensor) -> bool:
    """Whether the quicker way is there for a map: torch's own, watched by nobody."""
    if type(layer) is not nn.Linear or x.ndim < 2:
        return False
    watched = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
    return not watched and quicker(x, layer.weight)


def quicker(x: Tensor, weight_OI: Tensor) -> bool:
    """Whether oneDNN's product is there and the quicker: float32, many tokens on a processor, and nothing counts or maps operations."""
    if x.device.type != "cpu" or not x.dtype == weight_OI.dtype == torch.float32 or x.numel() < FEW * x.shape[-1]:
        return False
    if not (weight_OI.is_contiguous() or weight_OI.t().is_contiguous()):
        return False  # a part of a joined table, as `swift` lays them: oneDNN would take its slow reference way, forty times as long
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu") or not torch.backends.mkldnn.is_available():
        return False
    return not torch._C._len_torch_dispatch_stack() and torch._C._functorch.maybe_current_level() is None


def product(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """x Wᵀ + b, (…, I) -> (…, O), by whichever way is the quicker."""
    if not quicker(x, weight_OI):
        return F.linear(x, weight_OI, bias_O)
    return Product.apply(x.flatten(0, -2), weight_OI, bias_O).unflatten(0, x.shape[:-1])


class Product(torch.autograd.Function):
    """x Wᵀ + b by oneDNN, and its gradients."""

    @staticmethod
    def forward(ctx: Any, x_MI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_MI, weight_OI)
        ctx.biased = bias_O is not None
        return _onednn(x_MI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (x_MI, weight_OI), grad_MO = ctx.saved_tensors, grads[0]
        again = torch.is_grad_enabled()  # a gradient of this gradient is wanted: only torch's own products have one
        wants_x, wants_weight, _ = ctx.needs_input_grad
        grad_x = (grad_MO @ weight_OI if again else _onednn(grad_MO.contiguous(), weight_OI.t(), None)) if wants_x else None
        return grad_x, grad_MO.t() @ x_MI if wants_weight else None, grad_MO.sum(0) if ctx.biased and ctx.needs_input_grad[2] else None


def _onednn(x_MI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x_MI, weight_OI, bias_O, "none", [], "")
