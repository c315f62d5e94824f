"""Pack: which samples make a step, and in which rows: a pure function of (seed, step, lengths)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from duomo.data.mix import order

Pick = tuple[int, int]  # data set, sample


@dataclass(frozen=True)
class Plan:
    """The order of a run. `per_step` samples of each data set a step, on average; nothing is drawn, nothing is stored.

    A step takes the next places of the endless order of `mix`, so every epoch shows each sample once and a run that resumes at
    step N reads exactly what an unbroken one would.
    """

    seed: int
    lengths: tuple[np.ndarray, ...]
    per_step: tuple[float, ...]
    rows: int

    def step(self, step: int) -> list[list[Pick]]:
        """The rows of a step: its samples, spread so that rows are as alike in length as can be."""
        every = round(sum(self.per_step), 6)  # rounded: a step of 3 unpacked samples must not come out as 2.9999999 of them
        sizes = [len(length) for length in self.lengths]
        data_set_N, item_N = order(self.seed, sizes, self.per_step, int(step * every), int((step + 1) * every))
        picks = list(zip(data_set_N.tolist(), item_N.tolist(), strict=True))
        return balance(picks, [int(self.lengths[d][i]) for d, i in picks], self.rows)

    def epochs(self, steps: int) -> list[float]:
        """How often each data set is gone through in so many steps."""
        return [rate * steps / len(lengths) for rate, lengths in zip(self.per_step, self.lengths, strict=True)]


def plan(seed: int, lengths: Sequence[np.ndarray], shares: Sequence[float], rows: int, row_tokens: int, pack: bool) -> Plan:
    """A plan in which data set d gives `shares[d]` of the tokens of rows · row_tokens (of the samples, when rows are not packed).

    Raises ValueError where a step would hold less than one sample.
    """
    total = sum(shares)
    budget = rows * row_tokens if pack else rows
    mean = [float(np.mean(length)) if pack else 1.0 for length in lengths]
    rates = tuple(budget * share / total / size for share, size in zip(shares, mean, strict=True))
    if round(sum(rates), 6) < 1:
        each = f"{1 / sum(rates) * budget:,.0f}"
        raise ValueError(f"data.row_tokens {row_tokens:,} × train.rows {rows} is less than one sample of {each} tokens; raise row_tokens")
    return Plan(seed, tuple(lengths), rates, rows)


def balance(picks: Sequence[Pick], lengths: Sequence[int], rows: int) -> list[list[Pick]]:
    """The longest first, each into the emptiest row; rows that stay empty are left out."""
    filled: list[list[Pick]] = [[] for _ in range(rows)]
    loads = [0] * rows
    for pick in sorted(range(len(picks)), key=lambda p: -lengths[p]):
        row = loads.index(min(loads))
        filled[row].append(picks[pick])
        loads[row] += lengths[pick]
    return [row for row in filled if row]
