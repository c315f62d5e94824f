"""Speed: what the machine can do at best, and what a step asks of it."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = 1024


def matmul_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.3) -> float:
    """FLOP/s of a square matrix product, the best of repeated runs within `seconds`."""
    a = torch.ones(SIDE, SIDE, device=device, dtype=dtype)  # not random: a run that goes on must draw what it would have drawn
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        float((a @ a)[0, 0])
        best = max(best, 2 * SIDE**3 / (time.perf_counter() - start))
    return best


def flops_of(work: Callable[[], object]) -> float:
    """FLOPs of the matrix products, convolutions and attention in `work`, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())
