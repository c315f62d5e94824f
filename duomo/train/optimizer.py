"""Optimizers and schedules. P = matrices of one shape, R = rows, C = columns."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from duomo.recipe import TrainRecipe

# Coefficients of the quintic iteration (Jordan et al., "Muon", 2024): singular values end near 1, not at it.
QUINTIC = (3.4445, -4.7750, 2.0315)
WIDE = 1.5  # columns per row from which the way through the Gram matrix is the shorter


class Muon(Optimizer):
    """Momentum made orthogonal, for the matrices of hidden layers and filters seen as matrices; AdamW for all else, in one optimizer.

    torch.optim.Muon casts to bfloat16, which is many times slower than float32 on most CPUs, and takes matrices one by one.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float] = (0.9, 0.95), momentum: float = 0.95):
        super().__init__(list(groups), {"lr": 1e-3, "weight_decay": 0.0, "betas": betas, "momentum": momentum, "muon": False, "eps": 1e-8})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            with_grad = [p for p in group["params"] if p.grad is not None]
            if group["muon"]:
                self._muon(group, with_grad)
            else:
                for p in with_grad:
                    self._adamw(group, p)

    def _muon(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        by_shape = defaultdict(list)
        for p in parameters:
            by_shape[tuple(p.shape)].append(p)
        for (rows, *rest), same in by_shape.items():
            updates_PRC = torch.stack([self._momentum(p, group["momentum"]).flatten(1) for p in same])
            scale = max(1.0, rows / math.prod(rest)) ** 0.5
            for p, update_RC in zip(same, orthogonal(updates_PRC), strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update_RC.view_as(p), alpha=-group["lr"] * scale)

    def _momentum(self, p: nn.Parameter, decay: float) -> Tensor:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - decay)
        return torch.lerp(p.grad, state["momentum"], decay)  # Nesterov

    def _adamw(self, group: dict[str, Any], p: nn.Parameter) -> None:
        assert p.grad is not None
        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        state["step"] += 1
        count = float(state["step"])
        state["exp_avg"].lerp_(p.grad, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
        root = (state["exp_avg_sq"] / (1 - beta2**count)).sqrt_().add_(group["eps"])
        p.mul_(1 - group["lr"] * group["weight_decay"]).addcdiv_(state["exp_avg"], root, value=-group["lr"] / (1 - beta1**count))


def orthogonal(x_PRC: Tensor, iterations: int = 5) -> Tensor:
    """(P, R, C): each matrix with its singular values pushed to about 1 by a Newton–Schulz iteration."""
    a, b, c = QUINTIC
    tall = x_PRC.shape[1] > x_PRC.shape[2]
    x = x_PRC.mT if tall else x_PRC
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if x.shape[2] >= WIDE * x.shape[1]:
        x = _through_gram(x @ x.mT, iterations) @ x
    else:
        for _ in range(iterations):
            square = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _through_gram(gram_PRR: Tensor, iterations: int) -> Tensor:
    """(P, R, R): what a matrix of this Gram matrix is multiplied by in all iterations; wide ones are multiplied once so, not ten times."""
    a, b, c = QUINTIC
    whole = None
    for left in reversed(range(iterations)):
        factor = torch.baddbmm(gram_PRR, gram_PRR, gram_PRR, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        whole = factor if whole is None else factor @ whole
        if left:
            gram_PRR = factor @ gram_PRR @ factor
    assert whole is not None
    return whole


def optimizer(model: nn.Module, recipe: TrainRecipe) -> Optimizer:
    """The recipe's optimizer over what is to be trained: matrices decay; vectors, tables and the head do not."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices = [p for name, p in trained if p.ndim >= 2 and id(p) not in tables and not name.endswith(("head.weight", ".table"))]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in trained if id(p) not in chosen]
    if recipe.optimizer == "muon":
        hidden = {"params": matrices, "muon": True, "lr": recipe.muon_lr, "weight_decay": recipe.weight_decay}
        return Muon([hidden, {"params": others, "lr": recipe.lr}], recipe.betas)
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    one_pass = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for _, p in trained)  # over memory: five times as fast
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=one_pass or None)


def schedule(recipe: TrainRecipe, step: int) -> float:
    """The share of the full learning rate at a step: linear warm-up, then cosine, warm-up-stable-decay, or constant."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    floor = recipe.min_lr_share
    if recipe.schedule == "cosine":
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(done, 1)))
    if recipe.schedule == "wsd":
        return max(floor, min(1.0, (1 - done) / recipe.decay_share))
    return 1.0

