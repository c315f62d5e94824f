"""Joint: one logistic regression on what a text means and on which words stand in it, for where examples are many.

N = texts, D = width, V = n-grams, L = labels. What an n-gram says of a label is its ratio there (naive Bayes) times what is learned, so
that a rare word of one side weighs from the start, and a frequent one of both sides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from duomo.classify.words import Counted, ratios

MEANING = (2.0, 0.5, 8.0)  # how freely examples weigh vectors, the middle first
WORDING = (0.05, 0.015, 0.15)  # … and words
ROUNDS = 100  # of the solver: beyond, no left-out text changes its label
HISTORY = 10  # gradients that the solver remembers: V is large


@dataclass(frozen=True)
class Known:
    """Examples: vectors, labels as numbers, n-grams of a table of `size`."""

    x_ND: Tensor
    target_N: Tensor
    words: Counted
    size: int

    def only(self, chosen_N: Tensor) -> "Known":
        """Some of them."""
        return Known(self.x_ND[chosen_N], self.target_N[chosen_N], self.words.only(chosen_N.numpy()), self.size)


@dataclass(frozen=True)
class Weights:
    """What each label weighs in a vector and in an n-gram."""

    weight_LD: NDArray[np.float64]
    bias_L: NDArray[np.float64]
    word_VL: NDArray[np.float32]

    def logits(self, x_ND: NDArray[np.floating], words: Counted) -> NDArray[np.float64]:
        """(N, L)."""
        return x_ND @ self.weight_LD.T + self.bias_L + words.times(self.word_VL)


def better(known: Known, folds: Sequence[Tensor], cost: float) -> Weights | None:
    """The weights under whose strengths left-out examples are likeliest; None where their nats are no fewer than `cost`, without words."""

    def left_out(meaning: float, wording: float) -> float:
        return sum(_left_out(known, out_N, meaning, wording) for out_N in folds)

    costs = {(MEANING[0], wording): left_out(MEANING[0], wording) for wording in WORDING}
    wording = min(costs, key=costs.__getitem__)[1]
    costs |= {(meaning, wording): left_out(meaning, wording) for meaning in MEANING[1:]}
    best = min(costs, key=costs.__getitem__)
    return fit(known, *best) if costs[best] < cost else None


def fit(known: Known, meaning: float, wording: float) -> Weights:
    """The least of -log p + |vector weights|² / (2 meaning) + |word weights|² / (2 wording), summed; by L-BFGS.

    Of vectors less their mean, which the bias takes up again. What labels mean is no start here: so many examples say it better.
    """
    count, labels = len(known.target_N), int(known.target_N.max()) + 1
    middle_D = known.x_ND.mean(0)
    x_ND, target_NL = known.x_ND - middle_D, F.one_hot(known.target_N, labels).double()
    ratio_VL, texts = torch.from_numpy(ratios(known.words, known.size, target_NL.numpy())), known.words.turned(known.size)
    weight_LD, bias_L, word_VL = x_ND.new_zeros(labels, x_ND.shape[1]), x_ND.new_zeros(labels), torch.zeros_like(ratio_VL)
    free = [(weight_LD, meaning), (bias_L, meaning), (word_VL, wording)]
    solver = torch.optim.LBFGS(
        [one for one, _ in free],
        max_iter=ROUNDS,
        history_size=HISTORY,
        tolerance_grad=1e-5,
        tolerance_change=1e-8,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        said_NL = torch.from_numpy(known.words.times((ratio_VL * word_VL).numpy()))
        log_NL = F.log_softmax(x_ND @ weight_LD.T + bias_L + said_NL, 1)
        wrong_NL = log_NL.exp() - target_NL
        pulls = (wrong_NL.T @ x_ND, wrong_NL.sum(0), ratio_VL * torch.from_numpy(texts.times(wrong_NL.numpy())))
        for (one, strength), pull in zip(free, pulls, strict=True):
            one.grad = (pull + one / strength) / count
        held = sum(float(one.square().sum()) / (2 * strength) for one, strength in free)
        return (held - (log_NL * target_NL).sum()) / count

    with torch.no_grad():
        solver.step(loss)
    shift_L = bias_L - weight_LD @ middle_D
    return Weights(weight_LD.numpy(), shift_L.numpy(), (ratio_VL * word_VL).float().numpy())


def _left_out(known: Known, out_N: Tensor, meaning: float, wording: float) -> float:
    """Nats of the examples that are left out."""
    out, weights = known.only(out_N), fit(known.only(~out_N), meaning, wording)
    logits_NL = torch.from_numpy(weights.logits(out.x_ND.numpy(), out.words))
    return float(F.cross_entropy(logits_NL, out.target_N, reduction="sum"))
