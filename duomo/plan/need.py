"""Need: what one step takes on a machine: memory by part, seconds, and what mends a plan that does not fit."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from duomo.plan.machines import Machine
from duomo.plan.parts import Worth
from duomo.plan.probe import Rates
from duomo.plan.trace import Traced, Work
from duomo.recipe import ModelRecipe, Recipe

OPTIMAL = 20  # tokens a parameter (Hoffmann et al., "Training Compute-Optimal Large Language Models", 2022)
RUNTIME = 300 * 2**20  # bytes of a process with torch in it that holds nothing yet
HEAP = 1.35  # what the system's allocator takes for each byte in use: measured by benchmarks/plan.py on a processor
KEPT, MOVED = 0.66, 0.2  # of activations, and of bytes moved, what blocks compiled for an accelerator leave: from two steps (docs/gpu.md)
SPARE = 0.92  # of an accelerator's memory that tensors can have


@dataclass(frozen=True)
class Plan:
    """One machine's row. `seconds` of a step; `fits` with `mend`, the changes to the recipe that would make it fit."""

    machine: Machine
    traced: Traced
    checkpointed: Traced
    resident: float
    seconds: float
    utilisation: float
    working: int  # devices that have a row
    mend: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the memory is enough as the recipe stands."""
        return self.resident <= room(self.machine)


def resident(machine: Machine, traced: Traced) -> float:
    """Bytes of memory that a training process takes at most; on an accelerator those of its tensors."""
    return traced.most - (1 - KEPT) * traced.activations if machine.half else RUNTIME + HEAP * traced.most


def room(machine: Machine) -> float:
    """Bytes that a process can have."""
    return SPARE * machine.memory


def seconds_of(work: Work, rates: Rates) -> float:
    """Seconds that kernels take one after the other: products at their rate, all others at the rate of a copy."""
    products = work.flops["product"] + work.flops["convolution"]
    return products / rates.product + work.flops["attention"] / rates.attention + work.moved / rates.copy + work.calls * rates.call


def seconds_a_step(machine: Machine, traced: Traced, worth: Worth, rates: Rates | None, utilisation: float | None) -> float:
    """Of one device's share: by a utilisation that is given; else by the machine's, or what starting and feeding its kernels takes if
    that is longer; where the machine was measured, by its kernels alone.
    """
    if utilisation is not None:
        return worth.flops / (machine.flops * utilisation)
    if machine.utilisation is None:
        assert rates is not None
        return seconds_of(traced.passes, rates) + seconds_of(traced.update, rates)
    work = traced.passes.plus(traced.update)
    moved = work.moved * (MOVED if machine.half else 1)
    return max(worth.flops / (machine.flops * machine.utilisation), work.calls * machine.launch, moved / machine.bandwidth)


def mends(recipe: Recipe, machine: Machine, bytes_of: Callable[[Recipe], float]) -> tuple[str, ...]:
    """The first changes that make it fit: blocks computed again, then ever smaller micro-batches. Nothing: none of these does."""
    tried = recipe
    for checkpoint in (False, True):
        count = recipe.train.micro_batches
        while True:
            again = checkpoint or recipe.train.checkpoint_blocks
            train = recipe.train.model_copy(update={"checkpoint_blocks": again, "micro_batches": count})
            tried = recipe.model_copy(update={"train": train})
            if bytes_of(tried) <= room(machine):
                return _changes(recipe, tried)
            if count >= recipe.train.rows:
                break
            count = min(2 * count, recipe.train.rows)
    return ()


def _changes(before: Recipe, after: Recipe) -> tuple[str, ...]:
    found = []
    if after.train.checkpoint_blocks != before.train.checkpoint_blocks:
        found.append("train.checkpoint_blocks=true")
    if after.train.micro_batches != before.train.micro_batches:
        found.append(f"train.micro_batches={after.train.micro_batches}")
    return tuple(found)


def decode_cache(recipe: ModelRecipe, rows: int, context: int, source: int = 0) -> int:
    """Bytes of the keys and values of so many answers of so many tokens, float32; `source`: tokens of what a memory was read from."""
    block = recipe.block
    width = (block.kv_heads or block.heads) * block.head_width
    memory = source if recipe.shape == "encoder_decoder" else 0
    return 2 * 4 * rows * recipe.decoder_depth * width * (context + 1 + memory)


def with_checkpointing(recipe: Recipe, on: bool) -> Recipe:
    """The recipe with blocks computed again in the backward pass, or not."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"checkpoint_blocks": on})})


def priced(machine: Machine, hours: float, price: float | None) -> float | None:
    """What so many hours of all devices cost, at a price for an hour of one."""
    return None if price is None else hours * machine.devices * price


def scaled(worth: Worth, share: float) -> Worth:
    """A share of it."""
    return replace(worth, flops=worth.flops * share, tokens=round(worth.tokens * share))
