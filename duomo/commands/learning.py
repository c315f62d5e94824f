"""Learning: what a recipe's objective is held to, a reference or a teacher; and the steps that it reads."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache, partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from duomo.batch import Batch
from duomo.checkpoint import Run, open_run
from duomo.commands.asked import Asked
from duomo.commands.resolve import resolve_model
from duomo.compress.lora import merged, without
from duomo.model import Model, cuts
from duomo.objectives import Frozen, Objective, build, kind
from duomo.objectives.grpo import Rollout
from duomo.recipe import Recipe
from duomo.sample import Sample
from duomo.tasks.task import Answer, Task
from duomo.train.rollouts import Questions, Reward, Speaking, rollouts

if TYPE_CHECKING:
    from duomo.commands.ready import Ready


def objective_of(recipe: Recipe, model: Model, ready: "Ready") -> Objective:
    """The recipe's objective with the frozen model that it wants. Raises ValueError where that is not there, or does not fit.

    And, for one that learns from the model's own answers, where these would leave no room for a question; for one that compares
    documents, where the model is no encoder, or there is nothing to compare them with.
    """
    most = recipe.train.rollouts.max_tokens or 0
    if kind(recipe.train.objective).reads == "rollouts" and most >= recipe.model.max_positions:
        raise ValueError(f"train.rollouts.max_tokens: an answer of {most} tokens leaves no room in {recipe.model.max_positions} positions")
    if kind(recipe.train.objective).reads == "halves" and recipe.model.shape != "encoder":
        raise ValueError(f"train.objective: {recipe.train.objective} compares whole documents, as only model.shape=encoder reads them")
    if kind(recipe.train.objective).reads == "halves" and recipe.train.rows < 2 * recipe.train.micro_batches:
        raise ValueError(f"train.rows: {recipe.train.objective} tells pairs apart, so each of the micro_batches has at least 2; raise it")
    return build(recipe.train.objective, _frozen(recipe, model, ready), **recipe.train.options)


def held_out_of(recipe: Recipe, objective: Objective) -> Objective:
    """What is measured on held-out samples while the objective is trained."""
    return kind(recipe.train.objective).held_out or objective


def steps_of(recipe: Recipe, model: Model, ready: "Ready", first: int) -> Iterator[list[Batch]]:
    """The batches of every step: prepared ones, or the model's own answers."""
    if kind(recipe.train.objective).reads != "rollouts":
        return ready.loader.steps(first, recipe.train.steps, recipe.data.workers)
    tasks = [_task(name, recipe, ready) for name in ready.names]
    asked = [[sample for sample in ready.prepared.samples(name, "train") if sample.answer] for name in ready.names]
    shares = ready.loader.plan.per_step
    questions = Questions(asked, [reward_of(task) for task in tasks], shares, recipe.train.rows, recipe.seed)
    most = max(task.max_tokens for task in tasks)
    open = partial(merged, model) if recipe.adapt and recipe.adapt.rank else nullcontext
    root = Path(recipe.data.cache)
    speaking = Speaking(model, ready.tokenizer, recipe.train.rollouts, most, open, root, recipe.train.micro_batches)
    return rollouts(speaking, questions, first, recipe.train.steps)


def told_by(batches: Sequence[Batch]) -> dict[str, float]:
    """What the log says of a step's batches beside its loss: the mean reward, where there is one."""
    rewards = [batch.reward_B for batch in batches if isinstance(batch, Rollout)]
    return {"reward": float(torch.cat(rewards).mean())} if rewards else {}


def reward_of(task: Task) -> Reward:
    """A metric of one answer, so turned that more is better: the task's first that counts it (speech has one for each language).

    Raises ValueError for a task that scores no answers, and for an answer that no metric counts.
    """
    if task.ask != "answer":
        raise ValueError(f"task {task.name} scores no answers, so there is nothing to reward; leave it out of data.tasks")

    def reward(sample: Sample, said: str) -> float:
        row = task.score(sample, Answer(said))
        metric = next((metric for metric in task.metrics if metric.counts(row)), None)
        value = float("nan") if metric is None else float(metric.of([row]))
        if metric is None or not isfinite(value):
            raise ValueError(f"task {task.name}: the answer {said[:40]!r} has no score to be rewarded by; leave it out of data.tasks")
        return value if metric.higher_is_better else -value

    return reward


def _task(name: str, recipe: Recipe, ready: "Ready") -> Task:
    options = recipe.data.options.get(name, {}) if name in recipe.data.tasks else None
    return Asked(name, options, Path(recipe.data.cache), ready.prepared.folder / name).task()


def _frozen(recipe: Recipe, model: Model, ready: "Ready") -> Frozen:
    """Opens what the objective compares with: the model without its adapters where they are all that is trained, else another."""
    wanted, train, device = kind(recipe.train.objective).frozen, recipe.train, next(model.parameters()).device
    if wanted == "none":
        return nullcontext
    if wanted == "start" and recipe.adapt and not recipe.adapt.train:
        return partial(without, model)

    @cache
    def opened() -> Model:
        key, name = ("train.teacher", train.teacher) if wanted == "teacher" else ("train.start_from", train.start_from)
        if name is None:
            raise ValueError(f"objective {train.objective} compares with another model; name it in {key}")
        run = open_run(resolve_model(name))
        _refuse_stranger(run, recipe, ready, key)
        return run.model.to(device).requires_grad_(False)

    return lambda: nullcontext(opened())


def _refuse_stranger(run: Run, recipe: Recipe, ready: "Ready", key: str) -> None:
    """Raises ValueError where another model reads other tokens, or in another shape: then nothing of the two can be compared."""
    if run.tokenizer.inner.get_vocab() != ready.tokenizer.inner.get_vocab():
        mend = f"set tokenizer.path={run.folder}/tokenizer.json"
        raise ValueError(f"{key}: {run.folder} reads other tokens than this recipe; {mend}")
    if (run.recipe.model.shape, run.recipe.model.vocab_size) != (recipe.model.shape, recipe.model.vocab_size):
        raise ValueError(f"{key}: {run.folder} has another shape or vocab_size than model; make them the same")
    if recipe.model.senses and cuts(run.recipe.model) != cuts(recipe.model):
        raise ValueError(f"{key}: {run.folder} cuts its media otherwise than model.senses; make them the same")
    if recipe.data.cache_senses:
        raise ValueError(f"{key}: what model's senses have seen is nothing for those of {run.folder}; set data.cache_senses=false")
