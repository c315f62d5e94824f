"""View: who sees whom, as attention reads it. B = rows, T = queries, S = keys, N = tokens, P = places laid out by like length."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class View:
    """What queries see, in the form the kernel wants it; made once a pass and shared by all layers.

    `mask` is bool, broadcast to (B, 1, T, S), True where seen; None and not `causal`: all see all.
    """

    mask: Tensor | None = None
    causal: bool = False
    packed: "Packed | None" = None


@dataclass(frozen=True)
class Packed:
    """Documents of a packed stream as a few rectangles. `order_P` takes tokens to rectangles, `back_N` takes them home.

    Both index one row past the end where there is nothing to take. `starts` is for kernels that take documents of any length: where
    each begins, and the number of tokens; None where a document's padding would be seen.
    """

    shapes: tuple[tuple[int, int], ...]
    order_P: Tensor
    back_N: Tensor
    masks: tuple[Tensor | None, ...]
    starts: Tensor | None = None  # int32, documents + 1
    longest: int = 0
