"""Beams: the answer that is likeliest as a whole, among many kept side by side. R = rows, W = beams, S = tokens said, V = vocabulary."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from duomo.batch import Batch
from duomo.generate.reader import Reader
from duomo.generate.sampling import Sampling

if TYPE_CHECKING:
    from duomo.model import Model


@torch.inference_mode()
def beam_search(model: "Model", prompt: Batch, sampling: Sampling, stop_id: int, cached: bool = True) -> list[list[int]]:
    """The best answer of each row, without the stop id, by log p / length ** length_penalty; the stop counts as a token.

    Every end that a beam meets is a candidate, and so are the beams that max_tokens cuts. A row's search is over once no beam
    can become better than its best end. The prompt is read once a row, before beams part.
    """
    reader = Reader(model, prompt, sampling.max_tokens, cached)
    rows, penalty = len(reader.target.ids_BT), sampling.length_penalty
    row_R1 = torch.arange(rows, device=reader.target.ids_BT.device)[:, None]
    score_RW, said_RWS = torch.zeros(row_R1.shape, device=row_R1.device), row_R1.new_zeros(rows, 1, 0)
    best = _Best(rows)
    for count in range(1, sampling.max_tokens + 1):
        total_RWV = score_RW[..., None] + reader.logits().log_softmax(-1).unflatten(0, score_RW.shape)
        best.update(total_RWV[..., stop_id] / count**penalty, said_RWS)
        total_RWV[..., stop_id] = -torch.inf
        width, vocab = total_RWV.shape[1:]
        score_RW, place_RW = total_RWV.flatten(1).topk(min(sampling.beams, width * vocab))
        beam_RW, token_RW = place_RW // vocab, place_RW % vocab
        said_RWS = torch.cat([said_RWS[row_R1, beam_RW], token_RW[..., None]], -1)
        if count == sampling.max_tokens or best.beats(score_RW[:, 0] / sampling.max_tokens**penalty):
            break
        reader.select((row_R1 * width + beam_RW).flatten())
        reader.add(token_RW.flatten()[:, None])
    best.update(score_RW / sampling.max_tokens**penalty, said_RWS)
    return best.ids


class _Best:
    """The best answer of each row so far."""

    def __init__(self, rows: int):
        self.values, self.ids = [-torch.inf] * rows, [list[int]() for _ in range(rows)]

    def update(self, values_RW: Tensor, said_RWS: Tensor) -> None:
        """Takes the best of each row's candidates where it is better."""
        value_R, beam_R = values_RW.max(1)
        for r, (value, beam) in enumerate(zip(value_R.tolist(), beam_R.tolist(), strict=True)):
            if value > self.values[r]:
                self.values[r], self.ids[r] = value, said_RWS[r, beam].tolist()

    def beats(self, values_R: Tensor) -> bool:
        """Whether no row has more to hope for than these."""
        return all(own >= hope for own, hope in zip(self.values, values_R.tolist(), strict=True))
