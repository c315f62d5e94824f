"""Rollouts: a model answers, is rewarded, and reads its own answers as the batches of its next step. G = answers to one question."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from duomo.batch import IGNORE, Batch, move
from duomo.data.collate import check, collate, prompt
from duomo.data.mix import order
from duomo.data.render import Rendered, render
from duomo.generate import Sampling, generate
from duomo.model import Model, cuts
from duomo.objectives.cross_entropy import label_nats
from duomo.objectives.grpo import Rollout, advantages
from duomo.recipe import RolloutRecipe
from duomo.sample import Sample
from duomo.tokenizer import Tokenizer

Reward = Callable[[Sample, str], float]


@dataclass(frozen=True)
class Questions:
    """What is asked: `rows` samples a step, a pure function of (seed, step), of each data set its share, with its reward."""

    samples: Sequence[Sequence[Sample]]
    rewards: Sequence[Reward]
    shares: Sequence[float]
    rows: int
    seed: int = 0

    def step(self, step: int) -> list[tuple[Sample, Reward]]:
        """The samples of one step, each with what its answers are rewarded by."""
        sizes = list(map(len, self.samples))
        data_set_N, item_N = order(self.seed, sizes, self.shares, step * self.rows, (step + 1) * self.rows)
        return [(self.samples[d][i], self.rewards[d]) for d, i in zip(data_set_N.tolist(), item_N.tolist(), strict=True)]


@dataclass(frozen=True)
class Speaking:
    """How the model under training answers. `open` makes it ready for that: adapters are merged, for as long as the block lasts."""

    model: Model
    tokenizer: Tokenizer
    recipe: RolloutRecipe
    max_tokens: int
    open: Callable[[], AbstractContextManager[object]]
    root: Path = Path()
    micro_batches: int = 1

    @property
    def most(self) -> int:
        """Tokens of an answer."""
        return self.recipe.max_tokens or self.max_tokens


def rollouts(speaking: Speaking, questions: Questions, first: int, last: int) -> Iterator[list[Batch]]:
    """The micro-batches of steps first … last - 1, made of answers drawn when they are asked for: between two optimizer steps.

    The answers of a step are read `updates` times. What is drawn depends on (seed, step) and the weights, so that a run which is
    resumed where a new set begins goes on as if it had not stopped.
    """
    updates, held = speaking.recipe.updates, list[Batch]()
    for step in range(first, last):
        if not held or step % updates == 0:
            held = _gathered(speaking, questions.step(step // updates), questions.seed, step // updates)
        yield held


def _gathered(speaking: Speaking, asked: Sequence[tuple[Sample, Reward]], seed: int, number: int) -> list[Batch]:
    """One set of answers, scored, beside the others to the same question; a question that leaves no room for one is left out."""
    model, group = speaking.model, speaking.recipe.answers
    opened = [render(sample, speaking.tokenizer, cuts(model.recipe), speaking.root, answer=False) for sample, _ in asked]
    kept = [place for place, item in enumerate(opened) if len(item.ids) + speaking.most <= model.recipe.max_positions]
    if not kept:
        raise ValueError(f"none of a step's questions leaves room for {speaking.most} tokens; lower train.rollouts.max_tokens")
    asked, items = [asked[place] for place in kept], [opened[place] for place in kept for _ in range(group)]
    random = int(np.random.default_rng((seed, number)).integers(2**31))
    said = _said(speaking, items, random)
    stop, rewards = speaking.tokenizer.stop_id, list[float]()
    for row, ids in enumerate(said):
        sample, reward = asked[row // group]
        rewards.append(reward(sample, speaking.tokenizer.decode(ids[:-1] if ids[-1] == stop else ids)))
    reward_B = torch.tensor(rewards)
    rows = [[_answered(item, ids)] for item, ids in zip(items, said, strict=True)]
    return _batches(speaking, rows, reward_B, advantages(reward_B, group))


def _said(speaking: Speaking, items: Sequence[Rendered], seed: int) -> list[list[int]]:
    """The ids of each answer, with the one that ends it, if it came to an end."""
    model, stop = speaking.model, speaking.tokenizer.stop_id
    batch = move(check(prompt(items, model.recipe.shape), model.placeholder), next(model.parameters()).device)
    training = model.training
    with speaking.open():
        model.eval()
        drawn = list(generate(model, batch, Sampling(speaking.most, speaking.recipe.temperature, seed=seed), stop))
    model.train(training)
    said = torch.stack(drawn, 1).tolist()
    return [row[: row.index(stop) + 1] if stop in row else row for row in said]


def _answered(item: Rendered, ids: list[int]) -> Rendered:
    """The question with an answer as it was drawn, every token of which is learned from."""
    return replace(item, ids=item.ids + ids, learn=[False] * len(item.ids) + [True] * len(ids))


def _batches(speaking: Speaking, rows: Sequence[list[Rendered]], reward_B: torch.Tensor, advantage_B: torch.Tensor) -> list[Batch]:
    size, warm, made = -(-len(rows) // speaking.micro_batches), speaking.recipe.temperature, list[Batch]()
    for at in range(0, len(rows), size):
        batch = check(collate(rows[at : at + size], speaking.model.recipe.shape), speaking.model.placeholder)
        part = slice(at, at + size)
        rollout = Rollout(**vars(batch), reward_B=reward_B[part], advantage_B=advantage_B[part], temperature=warm)
        made.append(_remembering(speaking.model, rollout) if speaking.recipe.updates > 1 else rollout)
    return made


@torch.no_grad()
def _remembering(model: Model, batch: Rollout) -> Rollout:
    """With what each label costs now, for the ratio to what it will cost after an update."""
    here_BT, there = batch.labels_BT != IGNORE, move(batch, next(model.parameters()).device)
    nats_BT, training = torch.zeros(here_BT.shape), model.training
    nats_BT[here_BT] = label_nats(model.eval(), there, batch.temperature).cpu()  # as it answered: nothing dropped out
    model.train(training)
    return replace(batch, nats_BT=nats_BT)
