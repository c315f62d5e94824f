"""Learns the weights of the network that compares a question with passages (`duomo/retrieve/compare.py`). N = pairs.

    python benchmarks/comparing.py [--threads 2] [--to duomo/retrieve/compare.safetensors]

From descriptions of encyclopedia articles, Chinese sentences with their translations (each twice), and questions to four manuals: once with
what answers, once without, and of the manuals' every third beside the other three manuals. `shelf.py` asks none of these descriptions and
sentences, neither to fit by nor to test. Articles and sentences that it asks for do appear as wrong answers to others, but for the
sentences of its test; which can only make them seem worth less. A quarter of an hour, most of it to read 10,479 passages once.
"""

import argparse
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from manuals import SHARE
from numpy.typing import NDArray
from safetensors.numpy import save_file
from shelf import CACHE, MODEL, Asked, articles, shelf_of, summed
from shelf_questions import ASKED, Question, chinese, encyclopedia, manuals
from torch import Tensor, nn

from duomo.commands import fetch
from duomo.commands.models import embedder, open_with_card
from duomo.commands.shelf import embedding
from duomo.commands.show import bars
from duomo.data.store import Store
from duomo.retrieve.compare import READ, WEIGHTS, context
from duomo.retrieve.words import SAY_NOTHING, searcher
from duomo.vectors import Embedder

LONGEST = 200  # tokens of a passage that are learned from
BATCH, ALIKE = 24, 16  # questions of a step; batches of which those of like length are put together
RATE, WARM, DECAY, DROP = 1.5e-3, 100, 0.05, 0.1
EPOCHS, SEED = 3.0, 0
Tokens = Callable[[str, str], NDArray[np.float16]]  # a text and its kind -> (T, D)


@dataclass(frozen=True)
class Item:
    """A question's tokens, those of the passages that were found, their scores, and which of them answers; -1: none."""

    asked_QD: NDArray[np.float16]
    passages: tuple[NDArray[np.float16], ...]
    scores: tuple[float, ...]
    right: int


class Network(nn.Module):
    """As `Comparer`, over many pairs at once."""

    def __init__(self, dim: int = 384, inner: int = 64, hidden: int = 64, last: int = 64) -> None:
        super().__init__()
        self.project, self.meet = nn.Linear(dim, inner), nn.Linear(3 * inner + 2, hidden)
        self.judge, self.last = nn.Linear(4 * hidden + 6, last), nn.Linear(last, 1)
        self.sharp, self.drop = nn.Parameter(torch.tensor(12.0)), nn.Dropout(DROP)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, asked: Tensor, asked_mask: Tensor, passage: Tensor, passage_mask: Tensor, context_N2: Tensor) -> Tensor:
        """(N,): worth of (N, Q, D) beside (N, P, D), true where the masks (N, Q), (N, P) are."""
        cosine_NQP = asked @ passage.transpose(1, 2)
        one, other = self.project(asked), self.project(passage)
        ours, near, worst = self._side(one, asked_mask, other, passage_mask, cosine_NQP)
        theirs, their_near, their_worst = self._side(other, passage_mask, one, asked_mask, cosine_NQP.transpose(1, 2))
        near_N4 = torch.stack([near, their_near, worst, their_worst], -1) * 5
        seen = torch.cat([ours, theirs, near_N4, context_N2], -1)
        return self.last(self.drop(F.relu(self.judge(seen)))).squeeze(-1)

    def _side(self, here: Tensor, mask_NA: Tensor, there: Tensor, there_mask: Tensor, cosine_NAB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cosine_NAB = cosine_NAB.masked_fill(~there_mask[:, None], -9)
        chance_NAB = torch.softmax(cosine_NAB * self.sharp, -1)
        found, near_NA = chance_NAB @ there, cosine_NAB.max(-1).values
        told = [here * found, (here - found).abs(), here, near_NA[..., None], (chance_NAB * cosine_NAB).sum(-1)[..., None]]
        met = self.drop(F.relu(self.meet(torch.cat(told, -1)))) * mask_NA[..., None]
        count_N1 = mask_NA.sum(1, keepdim=True)
        near_N = near_NA.masked_fill(~mask_NA, 0).sum(1) / count_N1[:, 0]
        return torch.cat([met.sum(1) / count_N1, met.max(1).values], -1), near_N, near_NA.masked_fill(~mask_NA, 9).min(1).values

    def worth(self, items: Sequence[Item]) -> Tensor:
        """(N,) of all pairs of these questions, one after the other."""
        asked = padded([item.asked_QD for item in items for _ in item.passages])
        passages = padded([passage[:LONGEST] for item in items for passage in item.passages])
        return self(*asked, *passages, torch.from_numpy(np.concatenate([context(item.scores) for item in items])))

    def weights(self) -> dict[str, NDArray[np.float16]]:
        """Under the names of `Comparer`, in half precision."""
        named = {name: getattr(self, name) for name in ("project", "meet", "judge", "last")}
        held = {name: layer.weight for name, layer in named.items()} | {f"{name} bias": layer.bias for name, layer in named.items()}
        return {name: value.detach().numpy().astype(np.float16) for name, value in (held | {"sharp": self.sharp}).items()}


def padded(rows: Sequence[NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    """(N, T, D) and where it holds something (N, T)."""
    longest = max(map(len, rows))
    made, mask = np.zeros((len(rows), longest, rows[0].shape[1]), np.float32), np.zeros((len(rows), longest), bool)
    for number, row in enumerate(rows):
        made[number, : len(row)], mask[number, : len(row)] = row, True
    return torch.from_numpy(made), torch.from_numpy(mask)


def learn(items: Sequence[Item], epochs: float, seed: int, told: Callable[[int, int, float], None]) -> Network:
    """The network that tells best which passage answers, or that none does: cross-entropy over K passages and none, which is worth 0."""
    torch.manual_seed(seed)
    network, chance, shown = Network(items[0].asked_QD.shape[1]), random.Random(seed), list(items)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps, step, mean = int(epochs * len(items) / BATCH), 0, 0.0
    while step < steps:
        chance.shuffle(shown)
        for batch in batches(shown, chance):
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, step / WARM) * (1 - step / steps)
            worth, losses = network.worth(batch), list[Tensor]()
            for item, one in zip(batch, worth.split([len(item.passages) for item in batch]), strict=True):
                right = torch.tensor([item.right if item.right >= 0 else len(one)])
                losses.append(F.cross_entropy(F.pad(one, (0, 1))[None], right))
            loss = torch.stack(losses).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            step, mean = step + 1, loss.item() if not step else 0.98 * mean + 0.02 * loss.item()
            told(step, steps, mean)
            if step == steps:
                break
    return network.eval()


def batches(items: Sequence[Item], chance: random.Random) -> list[list[Item]]:
    """Questions with passages of like length together, so that little is padding."""
    made = list[list[Item]]()
    for first in range(0, len(items), BATCH * ALIKE):
        alike = sorted(items[first : first + BATCH * ALIKE], key=lambda item: max(map(len, item.passages)))
        made += (alike[at : at + BATCH] for at in range(0, len(alike), BATCH))
    chance.shuffle(made)
    return made


def found(asked: Asked, tokens: Tokens, gones: Sequence[bool] = (False, True), banned: Sequence[str] = ()) -> Iterator[Item]:
    """Each question with what is found for it: once as it is, once with its file taken out. `banned`: files that are never found."""
    away = np.zeros(len(asked.shelf.passages), bool)
    for file in banned:
        away[asked.rows[file]] = True
    for number, question in enumerate(asked.questions):
        scores_N = summed(SHARE)(*asked.scores(number))
        own = asked.rows.get(question.file, slice(0, 0))
        for gone in gones:
            held_N = np.where(away, -1, scores_N)
            held_N[own] = -1 if gone else scores_N[own]
            rows = [int(row) for row in np.argsort(-held_N, kind="stable")[:READ]]
            right = next((place for place, row in enumerate(rows) if own.start <= row < own.stop), -1)
            passages = tuple(tokens(asked.shelf.passages[row].whole, "passage") for row in rows)
            yield Item(tokens(question.text, "query"), passages, tuple(float(held_N[row]) for row in rows), right)


def gathered(store: Store, model: Embedder) -> list[Item]:
    """All that is learned from."""
    words, say, ask = searcher(), searcher(SAY_NOTHING), embedding(model, "query")

    def asked(name: str, files: Iterable[tuple[str, str]], questions: Sequence[Question]) -> Asked:
        return Asked(name, tuple(questions), shelf_of(name, files, words, model), say, ask([one.text for one in questions]))

    tokens: Tokens = lru_cache(20_000)(lambda text, kind: model.tokens(text, kind).astype(np.float16))
    english, _, tests, others = chinese(store)
    wiki = asked("wiki", articles(store), encyclopedia(store, "train", None)[1][ASKED:])
    translated = asked("hsk", english, others)
    faqs = manuals(store, "program_faqs")
    made = list[Item]()
    with bars() as shown:
        task = shown.add_task("questions", total=None, note="")

        def take(some: Iterable[Item]) -> list[Item]:
            taken = list[Item]()
            for item in some:
                taken.append(item)
                shown.advance(task)
            return taken

        made += take(found(wiki, tokens)) + 2 * take(found(translated, tokens, banned=[one.file for one in tests]))
        for name, (files, questions) in faqs.items():
            made += take(found(asked(f"manual-{name}", files, questions), tokens))
            strange = [Question(one.text, "") for other, (_, some) in faqs.items() if other != name for one in some[::3]]
            made += take(found(asked(f"manual-{name}", files, strange), tokens, (False,)))
    return made


def main() -> None:
    """Learns and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help="where the weights go: what Duomo reads beside questions by")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    fetch.run([MODEL, "wiki", "hsk", "program_faqs"], CACHE)
    learned = gathered(Store(CACHE), embedder(*open_with_card(MODEL)))
    with bars() as shown:
        task = shown.add_task("learn", total=1, note="")
        network = learn(
            learned, EPOCHS, SEED, lambda step, steps, loss: shown.update(task, completed=step, total=steps, note=f"loss {loss:.3f}")
        )
    save_file(network.weights(), options.to, {"learned from": "wiki, hsk, program_faqs"})
    print(f"{options.to}: {options.to.stat().st_size:,} bytes, learned from {len(learned):,} questions with what was found")


if __name__ == "__main__":
    main()
