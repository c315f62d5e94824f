"""Step: the record of one optimizer step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What one optimizer step did."""

    number: int  # 1 after the first
    loss: float  # nats per target
    targets: float
    tokens: int
    norm: float  # of the gradient, before clipping
    rate: float  # share of the full learning rate
    seconds: float
    waited: float  # of them for data
