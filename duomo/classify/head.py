"""Head: a linear map from vectors to labels. N = texts, D = width, L = labels.

Zero-, few- and many-shot are one thing: the first head is the vectors of what the labels mean; examples pull it away from there, the
more of them the further. Where they are many, words may weigh beside vectors (`joint`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from duomo.classify import joint
from duomo.classify.words import Words, counted

TEMPERATURE = 0.01  # at which e5 learned to tell texts apart by their cosine (Wang et al., "Multilingual E5", 2024)
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # how freely examples move a head
FEW = 10.0  # where there are too few to choose by
FOLDS = 5
MANY = 50  # examples of each label from which words are tried: fewer do not say what a word is worth
Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Head:
    """What each label weighs in a vector, and in words where they were worth it."""

    labels: tuple[str, ...]
    weight_LD: NDArray[np.float64]
    bias_L: NDArray[np.float64]
    words: Words | None = None

    def shares(self, vectors_ND: Numbers, texts: Sequence[str] = ()) -> NDArray[np.float64]:
        """(N, L): how likely each label is of each text; a row sums to 1. `texts`, those of the vectors, are read by a head with words."""
        logits_NL = vectors_ND @ self.weight_LD.T + self.bias_L
        if self.words is not None:
            if len(texts) != len(vectors_ND):
                raise ValueError(f"this head weighs words: give it the texts of its {len(vectors_ND)} vectors, not {len(texts)}")
            logits_NL = logits_NL + self.words.logits(texts)
        shares_NL = np.exp(logits_NL - logits_NL.max(1, keepdims=True))
        return shares_NL / shares_NL.sum(1, keepdims=True)


def meant(labels: Sequence[str], meanings_LD: Numbers, temperature: float = TEMPERATURE) -> Head:
    """The head of no examples: a text's share of a label follows its cosine with what the label means."""
    weight_LD = np.asarray(meanings_LD, np.float64) / temperature
    return Head(tuple(labels), weight_LD, np.zeros(len(labels)))


def learn(
    vectors_ND: Numbers,
    answers: Sequence[str],
    start: Head,
    strength: float | None = None,
    seed: int = 0,
    texts: Sequence[str] = (),
) -> Head:
    """Logistic regression that begins at `start` and is held to it: the least of -log p + |change|² / (2 strength), summed.

    Where no strength is given it is chosen by cross-validation, if there are enough examples of each label. Where there are MANY of
    each, and their `texts` are given, words are weighed too if left-out examples are likelier so. Raises ValueError for an answer
    that is none of the labels, and for a label without an example.
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
    if strength is not None:
        return _fit(x_ND, target_N, start, strength)
    cost = costs(x_ND, target_N, start, seed)
    chosen = min(cost, key=cost.__getitem__)
    worded = _worded(x_ND, target_N, start, seed, texts, cost[chosen]) if texts else None
    return worded or _fit(x_ND, target_N, start, chosen)


def choose(x_ND: Tensor, target_N: Tensor, start: Head, seed: int) -> float:
    """The strength under which left-out examples are likeliest; FEW where a label has fewer than FOLDS of them."""
    cost = costs(x_ND, target_N, start, seed)
    return min(cost, key=cost.__getitem__)


def costs(x_ND: Tensor, target_N: Tensor, start: Head, seed: int) -> dict[float, float]:
    """Nats of left-out examples under each strength; FEW alone, and at no price that is known, where a label has fewer than FOLDS."""
    if int(target_N.bincount().min()) < FOLDS:
        return {FEW: math.inf}
    out = folds(target_N, seed)
    return {strength: sum(_left_out(x_ND, target_N, out_N, start, strength) for out_N in out) for strength in STRENGTHS}


def folds(target_N: Tensor, seed: int) -> list[Tensor]:
    """Which examples are left out, each time; of 2,000 and more one time is enough."""
    order_N = torch.randperm(len(target_N), generator=torch.Generator().manual_seed(seed))
    fold_N = torch.empty(len(target_N), dtype=torch.long)
    fold_N[order_N[target_N[order_N].argsort(stable=True)]] = torch.arange(len(target_N)) % FOLDS  # each label spread over all folds
    return [fold_N == fold for fold in range(FOLDS if len(target_N) < 2000 else 1)]


def _worded(x_ND: Tensor, target_N: Tensor, start: Head, seed: int, texts: Sequence[str], cost: float) -> Head | None:
    """A head with words; None where examples are too few, share no word, or are likelier without."""
    if int(target_N.bincount().min()) < MANY:
        return None
    grams, held = counted(texts, len(start.labels))
    if not grams:
        return None
    found = joint.better(joint.Known(x_ND, target_N, held, len(grams)), folds(target_N, seed), cost)
    return None if found is None else Head(start.labels, found.weight_LD, found.bias_L, Words(grams, found.word_VL))


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
