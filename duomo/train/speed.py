"""Speed: what the machine can do at best, and what a step asks of it."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE, WIDE_SIDE = 1024, 8192  # of a processor's products, and of an accelerator's, which smaller ones do not fill
NARROW_SIDE = 256  # takes milliseconds even where bfloat16 is slow


def matmul_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.3, side: int = 0) -> float:
    """FLOP/s of a square matrix product, the best of repeated runs within `seconds`; of a `side` that fills the device if none is said."""
    side = side or (SIDE if device.type == "cpu" else WIDE_SIDE)
    a = torch.ones(side, side, device=device, dtype=dtype)  # not random: a run that goes on must draw what it would have drawn
    best, began = 0.0, time.perf_counter()
    while not best or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        float((a @ a)[0, 0])
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def half_gain(seconds: float = 0.01) -> float:
    """How many times as fast as float32's the products of bfloat16 are here: 1/50 to 2.5, by the processor. Takes 20 ms or more."""
    device = torch.device("cpu")
    kinds = (torch.bfloat16, torch.float32)
    for kind in kinds:
        matmul_peak(device, kind, 0, NARROW_SIDE)  # the first product makes its kernel
    half, full = (matmul_peak(device, kind, seconds, NARROW_SIDE) for kind in kinds)
    return half / full


def flops_of(work: Callable[[], object]) -> float:
    """FLOPs of the matrix products, convolutions and attention in `work`, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def bytes_of(work: Callable[[], object]) -> int:
    """The most bytes that tensors took in `work` beyond those that were there before; on a processor, by torch's own allocator."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    now, most = 0, 0
    assert profiled.profiler is not None
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most
