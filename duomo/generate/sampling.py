"""Sampling: which token comes next. B = rows, S = tokens said, V = vocabulary."""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

LIMITS: dict[str, tuple[float, float]] = {
    "max_tokens": (1, inf),
    "temperature": (0, inf),
    "top_k": (0, inf),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repetition_penalty": (0.01, 100),
    "beams": (1, inf),
    "length_penalty": (0, inf),
}
COLDEST, HOTTEST = 1e-6, 1e30  # beyond them logits would overflow
FEW = 256  # ids in which most nuclei end


@dataclass(frozen=True)
class Sampling:
    """How an answer is found. Temperature 0 takes the likeliest token; with `beams` > 1 nothing is drawn, but searched.

    Raises ValueError for a number outside its range.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    top_k: int = 0  # only the k likeliest; 0: all
    top_p: float = 1.0  # only the fewest that hold this share (Holtzman et al. 2020)
    min_p: float = 0.0  # only those at least this likely, against the likeliest (Nguyen et al. 2024)
    repetition_penalty: float = 1.0  # of what the answer said already (Keskar et al. 2019, 4.1)
    beams: int = 1
    length_penalty: float = 1.0  # answers are compared by log p / length ** length_penalty
    stop: tuple[str, ...] = ()  # texts that end an answer and are cut off
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                limit = f"at least {low:g}" if high == inf else f"between {low:g} and {high:g}"
                raise ValueError(f"{name} is {limit}, not {value:g}")
        if "" in self.stop:
            raise ValueError("stop: an empty text would end every answer before it begins")


def penalise(logits_BV: Tensor, said_BS: Tensor, penalty: float) -> Tensor:
    """Logits with those of ids already said made less likely by a factor (Keskar et al., CTRL, 2019, 4.1)."""
    if penalty == 1.0 or not said_BS.shape[1]:
        return logits_BV
    said = logits_BV.gather(1, said_BS)
    return logits_BV.scatter(1, said_BS, torch.where(said > 0, said / penalty, said * penalty))


def choose(logits_BV: Tensor, sampling: Sampling, random: torch.Generator) -> Tensor:
    """(B,): the next ids."""
    if sampling.temperature == 0:
        return logits_BV.argmax(-1)
    return torch.multinomial(probabilities(logits_BV, sampling), 1, generator=random)[:, 0]


def probabilities(logits_BV: Tensor, sampling: Sampling) -> Tensor:
    """What is drawn from, not summing to 1, where the temperature is above 0."""
    return restrict((logits_BV / min(max(sampling.temperature, COLDEST), HOTTEST)).softmax(-1), sampling)


def restrict(p_BV: Tensor, sampling: Sampling) -> Tensor:
    """Probabilities with the unlikely set to 0, not summing to 1: outside the top k, outside the nucleus, below min_p of the best.

    The likeliest always stays.
    """
    if 0 < sampling.top_k < p_BV.shape[-1]:
        likeliest_BK = p_BV.topk(sampling.top_k).indices  # exactly k, whatever is equal
        p_BV = torch.zeros_like(p_BV).scatter(1, likeliest_BK, p_BV.gather(1, likeliest_BK))
    if sampling.top_p < 1:
        p_BV = _nucleus(p_BV, sampling.top_p)
    return p_BV.where(p_BV >= sampling.min_p * p_BV.amax(-1, keepdim=True), 0)


def _nucleus(p_BV: Tensor, share: float) -> Tensor:
    """The fewest that hold this share, the rest 0. Most rows end among their likeliest FEW, which are found sooner than all are sorted.

    Which way a row goes is its own affair, so that what is drawn does not depend on the others.
    """
    most_B1 = share * p_BV.sum(-1, keepdim=True)
    top_BK, place_BK = p_BV.topk(min(FEW, p_BV.shape[-1]))
    wide_B = (top_BK.sum(-1) < most_B1[:, 0]) & (top_BK.shape[-1] < p_BV.shape[-1])
    kept_BV = torch.zeros_like(p_BV).scatter(1, place_BK, _until(top_BK, most_B1))
    if bool(wide_B.any()):
        sorted_BV, order_BV = p_BV[wide_B].sort(descending=True, stable=True)
        kept_BV[wide_B] = torch.zeros_like(sorted_BV).scatter(1, order_BV, _until(sorted_BV, most_B1[wide_B]))
    return kept_BV


def _until(sorted_BK: Tensor, most_B1: Tensor) -> Tensor:
    """Falling probabilities, 0 from where those before hold enough; the first always stays."""
    over_BK = sorted_BK.cumsum(-1) - sorted_BK >= most_B1
    over_BK[:, 0] = False
    return sorted_BK.masked_fill(over_BK, 0)
