"""duomo plan RECIPE: what a training run takes before it begins: parameters, FLOPs, memory, time and cost on named machines."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from duomo.commands.planned import lines_of
from duomo.commands.ready import get_ready
from duomo.commands.show import status
from duomo.commands.train import checkpoint_blocks, freeze
from duomo.compress.lora import lora, without
from duomo.model import Model, Unfilled
from duomo.objectives import build, cross_entropy, kind
from duomo.plan.load import Load, assumed, placeholders
from duomo.plan.machines import HERE, Machine, named
from duomo.plan.need import OPTIMAL, Plan, decode_cache, mends, priced, resident, scaled, seconds_a_step, with_checkpointing
from duomo.plan.parts import Part, Worth, parts_of, worth
from duomo.plan.probe import Rates, machine, probe
from duomo.plan.trace import MOST_TRACED, Run, Traced, Work, shaped, trace
from duomo.recipe import Recipe
from duomo.report import Report
from duomo.train.loop import backward
from duomo.train.optimizer import optimizer

FEW = 2  # rows that are traced, and twice as many, where there are more


@dataclass(frozen=True)
class Wanted:
    """What is asked. `price`: for an hour of one device, by machine, "" for any; `rows`, `context`: of the decode cache."""

    machines: tuple[str, ...] = (HERE,)
    utilisation: float | None = None
    price: Mapping[str, float] = field(default_factory=dict)
    items: Mapping[str, int] | None = None
    data: bool = False
    rows: int = 1
    context: int | None = None


def run(recipe: Recipe, wanted: Wanted) -> Report:
    """Plans a recipe. `facts` hold all that `lines` tell, in bytes, seconds and FLOPs.

    Raises ValueError for an unknown machine, and for items that do not fit into a row.
    """
    machines = [name if name == HERE else named(name) for name in dict.fromkeys(wanted.machines)]
    rates = probe() if HERE in machines else None
    load = _measured(recipe) if wanted.data else assumed(recipe, 1, wanted.items)
    model = made(recipe)
    parts, step = parts_of(model), worth(model, load.batches)
    steps = _Steps(recipe, wanted, load)
    with status("tracing a step"):
        plans = [_plan(machine(rates) if isinstance(one, str) and rates else one, steps, step, rates) for one in machines]  # type: ignore[arg-type]
    facts = _facts(recipe, wanted, parts, step, plans, load)
    return Report(f"plan {recipe.name}", facts=facts, lines=tuple(lines_of(facts)))


def made(recipe: Recipe) -> Model:
    """The recipe's model as it is trained, adapters included, on the meta device: its weights have shapes and no bytes."""
    with torch.device("meta"), Unfilled():
        model = Model(recipe.model, placeholders(recipe)).train()
        freeze(model, recipe)
        if recipe.adapt is not None:
            lora(model, recipe.adapt)
    checkpoint_blocks(model, recipe.train.checkpoint_blocks)
    return model


def traced(recipe: Recipe, load: Load, half: bool = False) -> Traced:
    """One step of the recipe's own code: its model, optimizer, objective and backward pass."""
    tasks = Run(lambda: made(recipe), lambda model: optimizer(model, recipe.train), partial(_objective, recipe), backward)
    return trace(replace(tasks, clip=recipe.train.clip, half=half and recipe.train.precision != "fp32"), load.batches)


class _Steps:
    """Traces of a recipe's step on one of so many devices, each made once. Of many rows a few are traced, for all rows are alike."""

    def __init__(self, recipe: Recipe, wanted: Wanted, load: Load):
        self.recipe, self.wanted, self.load = recipe, wanted, load
        self._known = dict[tuple[bool, bool, int, int], Traced]()

    def of(self, recipe: Recipe, half: bool, devices: int) -> Traced:
        """The step of one device."""
        count = recipe.train.micro_batches
        if self.wanted.data and devices == 1 and count == self.recipe.train.micro_batches:
            return self._traced(recipe, half, count, 0)
        rows = -(-recipe.train.rows // devices // count)
        if rows <= 2 * FEW:
            return self._traced(recipe, half, count, rows)
        alike = min(count, MOST_TRACED)
        one, two = (self._traced(recipe, half, alike, size) for size in (FEW, 2 * FEW))
        found = one.with_rows(two, rows / FEW)
        return replace(found, passes=Work().plus(found.passes, count / alike))

    def _traced(self, recipe: Recipe, half: bool, count: int, rows: int) -> Traced:
        """So many micro-batches of so many rows; 0: those that were measured."""
        key = (half, recipe.train.checkpoint_blocks, count, rows)
        if key not in self._known:
            train = recipe.train.model_copy(update={"micro_batches": count, "rows": count * rows or recipe.train.rows})
            mine = recipe.model_copy(update={"train": train})
            self._known[key] = traced(mine, assumed(mine, 1, self.wanted.items) if rows else self.load, half)
        return self._known[key]


def _plan(one: Machine, steps: _Steps, step: Worth, rates: Rates | None) -> Plan:
    recipe = steps.recipe
    working = min(one.devices, recipe.train.rows)
    found = steps.of(recipe, one.half, one.devices)
    checkpointed = steps.of(with_checkpointing(recipe, True), one.half, one.devices)
    own = scaled(step, -(-recipe.train.rows // one.devices) / recipe.train.rows)
    seconds = seconds_a_step(one, found, own, rates, steps.wanted.utilisation)
    plan = Plan(one, found, checkpointed, resident(one, found), seconds, own.flops / (seconds * one.flops), working)
    if plan.fits:
        return plan
    mend = mends(recipe, one, lambda tried: resident(one, steps.of(tried, one.half, one.devices)))
    return replace(plan, mend=mend)


def _measured(recipe: Recipe) -> Load:
    """The first step of the recipe's own data, prepared where it was not."""
    batches = get_ready(recipe).loader.step(0)
    return Load(tuple(batches), "measured: the first step of the recipe's own data")


def _objective(recipe: Recipe, model: Model) -> Any:
    """The recipe's objective, a frozen model included; rollouts are learned from like any other labels."""
    row = kind(recipe.train.objective)
    if row.reads == "rollouts":
        return cross_entropy
    if row.frozen == "none":
        return build(recipe.train.objective, **recipe.train.options)
    if row.frozen == "start" and recipe.adapt and not recipe.adapt.train:
        return build(recipe.train.objective, partial(without, model), **recipe.train.options)
    other = shaped(made(recipe)).requires_grad_(False)

    def frozen() -> AbstractContextManager[Any]:
        return nullcontext(other)

    return build(recipe.train.objective, frozen, **recipe.train.options)


def _facts(
    recipe: Recipe, wanted: Wanted, parts: list[Part], step: Worth, plans: list[Plan], load: Load
) -> dict[str, Any]:  # fmt: skip
    steps, count = recipe.train.steps, sum(part.parameters for part in parts)
    context = wanted.context or recipe.model.max_positions
    return {
        "recipe": recipe.name,
        "digest": recipe.digest,
        "step_is": load.told,
        "parameters": count,
        "parts": [vars(part) for part in parts],
        "steps": steps,
        "tokens_a_step": step.tokens,
        "flops_a_token": step.flops / max(step.tokens, 1),
        "tokens": steps * step.tokens,
        "flops": steps * step.flops,
        "optimal_tokens": OPTIMAL * count,
        "optimizer": recipe.train.optimizer,
        "checkpoint_blocks": recipe.train.checkpoint_blocks,
        "cache": {"rows": wanted.rows, "context": context, "bytes": decode_cache(recipe.model, wanted.rows, context, context)},
        "notes": _notes(recipe, plans),
        "machines": [_machine(plan, steps, wanted) for plan in plans],
    }


def _machine(plan: Plan, steps: int, wanted: Wanted) -> dict[str, Any]:
    own, found = plan.machine, plan.traced
    hours = steps * plan.seconds / 3600
    price = wanted.price.get(own.name, wanted.price.get(""))
    memory = {
        "weights": found.weights,
        "gradients": found.gradients,
        "optimizer state": found.optimizer,
        "batch": found.batch,
        "activations": found.activations,
        "activations, blocks computed again": plan.checkpointed.activations,
        "logits and loss": found.head,
        "most at once": found.most,
        "most at once, blocks computed again": plan.checkpointed.most,
        "process": plan.resident,
    }
    return {
        "name": own.name,
        "title": own.title,
        "devices": own.devices,
        "devices_with_rows": plan.working,
        "peak": own.flops,
        "bandwidth": own.bandwidth,
        "memory": own.memory,
        "half": own.half,
        "bytes": memory,
        "seconds_a_step": plan.seconds,
        "utilisation": plan.utilisation,
        "hours": hours,
        "price_an_hour": price,
        "cost": priced(own, hours, price),
        "fits": plan.fits,
        "mend": list(plan.mend),
        "sources": dict(own.sources) | ({"utilisation": "given"} if wanted.utilisation else {}),
    }


def _notes(recipe: Recipe, plans: list[Plan]) -> list[str]:
    """What the figures leave out."""
    found, row = list[str](), kind(recipe.train.objective)
    if recipe.train.minutes is not None:
        found.append(f"train.minutes={recipe.train.minutes:g} ends the run sooner on a machine that takes longer")
    if row.reads == "rollouts":
        found.append("the answers that the model gives while it trains are not counted")
    if row.frozen == "teacher":
        found.append("the teacher is counted as large as the model itself")
    if any(plan.machine.devices > 1 for plan in plans):
        found.append("this version trains on one device; more are what data-parallel training takes at the stated utilisation")
    found += [
        f"{plan.machine.title}: {recipe.train.rows} rows keep {plan.working} of {plan.machine.devices} devices at work; raise train.rows"
        for plan in plans
        if plan.working < plan.machine.devices
    ]
    return found
