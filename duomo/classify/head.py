"""Head: a linear map from vectors to labels. N = texts, D = width, L = labels.

Zero-, few- and many-shot are one thing: the first head is the vectors of what the labels mean; examples pull it away from there, the
more of them the further.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

TEMPERATURE = 0.01  # at which e5 learned to tell texts apart by their cosine (Wang et al., "Multilingual E5", 2024)
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # how freely examples move a head
FEW = 10.0  # where there are too few to choose by
FOLDS = 5
Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Head:
    """What each label weighs in a vector."""

    labels: tuple[str, ...]
    weight_LD: NDArray[np.float64]
    bias_L: NDArray[np.float64]

    def shares(self, vectors_ND: Numbers) -> NDArray[np.float64]:
        """(N, L): how likely each label is of each text; a row sums to 1."""
        logits_NL = vectors_ND @ self.weight_LD.T + self.bias_L
        shares_NL = np.exp(logits_NL - logits_NL.max(1, keepdims=True))
        return shares_NL / shares_NL.sum(1, keepdims=True)


def meant(labels: Sequence[str], meanings_LD: Numbers, temperature: float = TEMPERATURE) -> Head:
    """The head of no examples: a text's share of a label follows its cosine with what the label means."""
    weight_LD = np.asarray(meanings_LD, np.float64) / temperature
    return Head(tuple(labels), weight_LD, np.zeros(len(labels)))


def learn(vectors_ND: Numbers, answers: Sequence[str], start: Head, strength: float | None = None, seed: int = 0) -> Head:
    """Logistic regression that begins at `start` and is held to it: the least of -log p + |change|² / (2 strength), summed.

    Where no strength is given it is chosen by cross-validation, if there are enough examples of each label. Raises ValueError for an
    answer that is none of the labels, and for a label without an example.
    """
    place = {label: number for number, label in enumerate(start.labels)}
    strange = next((answer for answer in answers if answer not in place), None)
    if strange is not None:
        raise ValueError(f"the label {strange!r} is none of {', '.join(start.labels)}")
    lacking = next((label for label in start.labels if label not in answers), None)
    if lacking is not None:
        raise ValueError(f"no example of the label {lacking!r}; give at least one of each, or none at all")
    target_N = torch.tensor([place[answer] for answer in answers])
    x_ND = torch.from_numpy(np.asarray(vectors_ND, np.float64))
    return _fit(x_ND, target_N, start, strength or choose(x_ND, target_N, start, seed))


def choose(x_ND: Tensor, target_N: Tensor, start: Head, seed: int) -> float:
    """The strength under which left-out examples are likeliest; FEW where a label has fewer than FOLDS of them."""
    if int(target_N.bincount().min()) < FOLDS:
        return FEW
    order_N = torch.randperm(len(target_N), generator=torch.Generator().manual_seed(seed))
    fold_N = torch.empty(len(target_N), dtype=torch.long)
    fold_N[order_N[target_N[order_N].argsort(stable=True)]] = torch.arange(len(target_N)) % FOLDS  # each label spread over all folds
    folds = range(FOLDS if len(target_N) < 2000 else 1)
    cost = {strength: sum(_left_out(x_ND, target_N, fold_N == fold, start, strength) for fold in folds) for strength in STRENGTHS}
    return min(cost, key=cost.__getitem__)


def _left_out(x_ND: Tensor, target_N: Tensor, out_N: Tensor, start: Head, strength: float) -> float:
    head = _fit(x_ND[~out_N], target_N[~out_N], start, strength)
    shares_NL = head.shares(x_ND[out_N].numpy())
    return float(-np.log(shares_NL[np.arange(len(shares_NL)), target_N[out_N].numpy()] + 1e-12).sum())


def _fit(x_ND: Tensor, target_N: Tensor, start: Head, strength: float) -> Head:
    """By L-BFGS in double precision, on vectors less their mean, which the bias takes up again."""
    middle_D = x_ND.mean(0)
    x_ND, weight_LD = x_ND - middle_D, torch.from_numpy(start.weight_LD)
    first_L = torch.from_numpy(start.bias_L) + weight_LD @ middle_D
    change_LD, shift_L = torch.zeros_like(weight_LD, requires_grad=True), torch.zeros_like(first_L, requires_grad=True)
    solver = torch.optim.LBFGS(
        [change_LD, shift_L],
        max_iter=200,
        tolerance_grad=1e-6,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )
    begun_NL = x_ND @ weight_LD.T + first_L

    def loss() -> Tensor:
        solver.zero_grad()
        logits_NL = begun_NL + x_ND @ change_LD.T + shift_L
        held = (change_LD.square().sum() + shift_L.square().sum()) / (2 * strength)
        total = (F.cross_entropy(logits_NL, target_N, reduction="sum") + held) / len(target_N)
        total.backward()
        return total

    with torch.enable_grad():
        solver.step(loss)
    learned_LD = (weight_LD + change_LD).detach()
    bias_L = first_L + shift_L.detach() - learned_LD @ middle_D
    return Head(start.labels, learned_LD.numpy(), bias_L.numpy())
