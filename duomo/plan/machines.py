"""Machines: what plans are made for. One table; every figure names its source.

FLOP/s are of dense products in the precision that training takes there; bandwidth is that of the memory that holds the weights;
utilisation is assumed, and stated in every plan; it is lower where a step's kernels are so small that to start them, or to read
and write what they work on, takes longer than the work. A price is never assumed: it is given with `--price`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

GIB = 2**30
HERE = "this"  # measured, not looked up
H100 = {
    "flops": "NVIDIA H100 SXM data sheet: 1,979 TFLOP/s bf16 with sparsity, half of it dense",
    "bandwidth": "NVIDIA H100 SXM data sheet: 3.35 TB/s",
    "memory": "NVIDIA H100 SXM data sheet: 80 GB",
    "launch": "assumed: 5 µs a kernel",
}
BETWEEN = "between the 44 % of 124 M and the 55 % of 0.9 B weights that were measured on a card of the same peak (docs/gpu.md)"


@dataclass(frozen=True)
class Machine:
    """One device, and how many of them. FLOP/s, bytes/s and bytes are of one device."""

    name: str
    title: str
    flops: float
    bandwidth: float
    memory: float
    utilisation: float | None  # None: worked out from the step's own kernels
    devices: int = 1
    half: bool = False  # bfloat16 products over float32 weights
    launch: float = 1e-6  # seconds to start a kernel
    sources: Mapping[str, str] = field(default_factory=dict)


def _h100(devices: int, utilisation: float, why: str) -> Machine:
    title = "one H100" if devices == 1 else f"{devices} H100"
    name = "h100" if devices == 1 else f"h100x{devices}"
    return Machine(name, title, 989.4e12, 3.35e12, 80e9, utilisation, devices, True, 5e-6, H100 | {"utilisation": why})


MACHINES: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine(
            "laptop",
            "a laptop of 2 cores",
            192e9,
            25e9,
            16 * GIB,
            0.5,
            sources={
                "flops": "arithmetic: 2 cores × 3 GHz × 32 float32 FLOP a cycle (two 256-bit fused multiply-adds, AVX2)",
                "bandwidth": "arithmetic: one channel of DDR4-3200, 25.6 GB/s",
                "memory": "assumed: 16 GiB",
                "launch": "assumed: 1 µs a kernel",
                "utilisation": "assumed; `this` works it out for the machine that it runs on",
            },
        ),
        _h100(1, 0.5, BETWEEN),
        _h100(8, 0.45, "assumed: nine tenths of one H100, for gradients that are summed over NVLink"),
        _h100(64, 0.4, "assumed: eight tenths of one H100, for gradients that are summed over a network"),
    )
}


def named(name: str) -> Machine:
    """The machine of that name. Raises ValueError naming the nearest."""
    if name not in MACHINES:
        close = difflib.get_close_matches(name, [*MACHINES, HERE], 1, 0.4)
        nearest = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no machine {name!r}{nearest}; there are: {', '.join([*MACHINES, HERE])}")
    return MACHINES[name]


def dense_peak(device: str) -> float | None:
    """The dense bfloat16 FLOP/s of an accelerator by the name that its driver gives; None where this table does not know it."""
    known = {"H100 80GB HBM3": 989.4e12, "H200": 989.4e12, "A100": 312e12}  # NVIDIA's data sheets, SXM
    return next((flops for part, flops in known.items() if part in device), None)
