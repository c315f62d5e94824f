"""Choosing: the next id of each row by its own rules. B = rows, S = tokens said, V = vocabulary."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from duomo.generate.sampling import Sampling, penalise, probabilities


class Allow(Protocol):
    """What may be said next, as a grammar knows it: asked before each token, told of each but the one that ends the answer."""

    def mask(self) -> Tensor | Sequence[int]:
        """The ids that are allowed next: bool (V,), or the ids themselves. Where the answer may end, its stop id is among them."""

    def take(self, id: int) -> None:
        """This id was said."""


@dataclass(frozen=True)
class TokenLogprob:
    """Natural log of what the model gave a token, before temperature, penalty and grammar; `top`: the same of the likeliest.

    `text`: as `Tokenizer.readable` writes it.
    """

    id: int
    text: str
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


class Lost(RuntimeError):
    """What a model gave a row is no number."""

    def __init__(self) -> None:
        super().__init__("the model gave no numbers here, so no token is the likeliest; ask otherwise, or in higher precision")


@dataclass
class Chooser:
    """How one row finds its next id: by a generator of its own, so that what is drawn does not depend on who is beside it."""

    sampling: Sampling
    allow: Allow | None = None
    device: torch.device | str = "cpu"
    said: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = torch.Generator(self.device).manual_seed(self.sampling.seed % 2**63)
        self._said_S = torch.zeros(64, dtype=torch.long, device=self.device)  # what is penalised, each once, then room

    @property
    def plain(self) -> bool:
        """Whether it takes logits as they are."""
        return self.allow is None and self.sampling.repetition_penalty == 1.0

    def bend(self, logits_V: Tensor) -> Tensor:
        """(V,): less likely what was said, and -inf what is not allowed. Raises ValueError where nothing is."""
        said_1S = self._said_S[None, : len(self.said)].to(logits_V.device)
        logits_V = penalise(logits_V[None], said_1S, self.sampling.repetition_penalty)[0]
        if self.allow is None:
            return logits_V
        logits_V = logits_V.masked_fill(~_allowed(self.allow.mask(), logits_V), -torch.inf)
        if bool(logits_V.isneginf().all()):
            raise ValueError("the grammar allows no token that this model can say; widen it")
        return logits_V

    def take(self, id: int) -> None:
        """This id was said."""
        if id not in self.said and self.sampling.repetition_penalty != 1.0:
            if len(self.said) == len(self._said_S):
                self._said_S = torch.cat([self._said_S, self._said_S])
            self._said_S[len(self.said)] = id
            self.said.add(id)
        if self.allow is not None:
            self.allow.take(id)


def choose_each(logits_BV: Tensor, choosers: Sequence[Chooser]) -> list[int | Exception]:
    """The next id of each row; what was raised where a row's own rules fail, for the others go on.

    Rows that are greedy are taken at once, and rows that sample alike made ready to be drawn at once.
    """
    lost = logits_BV.isnan().any(-1).nonzero()[:, 0].tolist()
    faults: dict[int, Exception] = {row: Lost() for row in lost}
    logits_BV = logits_BV.clone() if not all(one.plain for one in choosers) else logits_BV
    for row, chooser in enumerate(choosers):
        if not chooser.plain and row not in faults:
            try:
                logits_BV[row] = chooser.bend(logits_BV[row])
            except Exception as error:  # whatever a grammar raises is its own request's affair
                faults[row] = error
    ids: list[int | Exception] = list(logits_BV.argmax(-1).tolist())
    alike = defaultdict[Sampling, list[int]](list)
    for row, chooser in enumerate(choosers):
        if chooser.sampling.temperature > 0 and row not in faults:
            s = chooser.sampling
            alike[Sampling(temperature=s.temperature, top_k=s.top_k, top_p=s.top_p, min_p=s.min_p)].append(row)
    for sampling, rows in alike.items():
        for row, p_V in zip(rows, probabilities(logits_BV[rows], sampling), strict=True):
            ids[row] = _drawn(p_V, choosers[row].random)
    return [faults.get(row, id) for row, id in enumerate(ids)]


def logprobs_of(logits_BV: Tensor, ids: Sequence[int], counts: Sequence[int]) -> list[tuple[float, list[tuple[int, float]]]]:
    """Of each row the log-probability of its id, and its `counts` likeliest ids with theirs."""
    log_p_BV, most = logits_BV.log_softmax(-1), max(counts)
    own_B = log_p_BV[torch.arange(len(ids)), torch.tensor(ids, device=log_p_BV.device)].tolist()
    values_BN, ids_BN = log_p_BV.topk(min(most, log_p_BV.shape[1]))
    tops = [list(zip(one, value, strict=True)) for one, value in zip(ids_BN.tolist(), values_BN.tolist(), strict=True)]
    return [(own, top[:count]) for own, top, count in zip(own_B, tops, counts, strict=True)]


def _drawn(p_V: Tensor, random: torch.Generator) -> int | Exception:
    try:
        return int(torch.multinomial(p_V[None], 1, generator=random))
    except RuntimeError as error:  # probabilities that are no numbers
        return error


def _allowed(mask: Tensor | Sequence[int], logits_V: Tensor) -> Tensor:
    """bool (V,): what the mask says, whichever way it says it; what it does not reach is not allowed; no matter what is beyond the head."""
    allowed_V, device = torch.zeros_like(logits_V, dtype=torch.bool), logits_V.device
    if isinstance(mask, Tensor) and mask.dtype == torch.bool:
        size = min(len(mask), len(allowed_V))
        allowed_V[:size] = mask[:size].to(device)
    else:
        ids = mask.to(device, torch.long) if isinstance(mask, Tensor) else torch.tensor(list(mask), dtype=torch.long, device=device)
        allowed_V[ids[(ids >= 0) & (ids < len(allowed_V))]] = True
    return allowed_V
