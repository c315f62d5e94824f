"""Probe: what the machine under one's hands reaches, measured in a second or two."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from duomo.plan.machines import HERE, Machine

SIDE = 1024
WORDS = 2**24  # numbers that are copied: 64 MiB, far more than a processor's own memory


@dataclass(frozen=True)
class Rates:
    """What kernels reach: FLOP/s of float32 products and of attention, bytes/s of a copy (read and written), seconds to start a kernel."""

    product: float
    attention: float
    copy: float
    call: float


def probe(seconds: float = 1.2) -> Rates:
    """Measures with as many threads as torch has here; where that is one, by its time on the processor, which neighbours change little."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    each, a = seconds / 4, torch.ones(SIDE, SIDE)
    q = torch.ones(4, 8, 256, 32)
    source, target, one = torch.ones(WORDS), torch.empty(WORDS), torch.ones(1)
    product = _best(lambda: a @ a, each, clock)
    attention = _best(lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True), each, clock)
    copy = _best(lambda: target.copy_(source), each, clock)
    call = _best(lambda: [one.neg() for _ in range(1000)], each, clock) / 1000
    pairs = q.shape[0] * q.shape[1] * q.shape[2] ** 2
    return Rates(2 * SIDE**3 / product, 4 * q.shape[3] * pairs / attention, 2 * 4 * WORDS / copy, call)


def machine(rates: Rates) -> Machine:
    """This machine as a row of the table."""
    threads, memory = torch.get_num_threads(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = f"measured now, {threads} thread{'s' * (threads > 1)}"
    sources = {"flops": f"{told}: products of {SIDE} × {SIDE} float32", "bandwidth": f"{told}: a copy, read and written"}
    sources |= {"memory": "as the system says", "utilisation": "worked out from the step's own kernels at these rates"}
    return Machine(HERE, "this machine", rates.product, rates.copy, memory, None, sources=sources)


def _best(work: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """The least seconds that it took within so many of them; the first time does not count."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        began = clock()
        work()
        best = min(best, clock() - began)
    return best
