"""Loop: optimizer steps, and nothing else. The caller logs, validates and saves."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from duomo.batch import Batch
from duomo.objectives.loss import Loss, Objective
from duomo.train.step import Step

Backward = Callable[[nn.Module, Sequence[Batch], Objective], Loss]


def backward(model: nn.Module, batches: Sequence[Batch], objective: Objective) -> Loss:
    """Sets gradients for one step of micro-batches. It owns the divisor: the targets of the whole step, not of each batch."""
    divisor = sum(targets(batch) for batch in batches)
    losses = []
    for batch in batches:
        loss = objective(model, batch)
        (loss.total_B.sum() / max(divisor, 1e-9)).backward()
        losses.append(Loss(loss.total_B.detach(), loss.count_B.detach()))
    return Loss(*(torch.cat(parts) for parts in zip(*losses, strict=True)))


def targets(batch: Batch) -> float:
    """The (weighted) number of labels."""
    here_BT = batch.labels_BT >= 0
    return float(here_BT.sum() if batch.weight_BT is None else batch.weight_BT[here_BT].sum())


def tokens(batches: Sequence[Batch]) -> int:
    """Tokens read, padding not counted."""
    return sum(int((s.segment_BT != 0).sum()) for batch in batches for s in (batch.source, batch.target) if s is not None)


def loop(
    model: nn.Module, steps: Iterable[Sequence[Batch]], objective: Objective, optimizer: Optimizer, rate: Callable[[int], float],
    first: int = 0, clip: float = 1.0, backward: Backward = backward,
) -> Iterator[Step]:  # fmt: skip
    """Trains over `steps`, yielding after each. `rate(step)` scales the learning rates; `backward` may be a private one."""
    source, number = iter(steps), first
    while True:
        began = time.perf_counter()
        batches = next(source, None)
        if batches is None:
            return
        waited = time.perf_counter() - began
        _set_rates(optimizer, rate(number))
        optimizer.zero_grad()
        loss = backward(model, batches, objective)
        norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], clip)
        optimizer.step()
        number += 1
        told = loss.mean, float(loss.count_B.sum()), tokens(batches), float(norm), rate(number - 1)  # a GPU is waited for here
        yield Step(number, *told, time.perf_counter() - began, waited)


def _set_rates(optimizer: Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group.setdefault("full_lr", group["lr"])
        group["lr"] = group["full_lr"] * share
