"""duomo train RECIPE: prepare what is missing, train, log, validate, save; resume where it was left."""

import shutil
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from duomo import checkpoint
from duomo import recipe as recipes
from duomo.batch import Batch, move
from duomo.blocks import Stack
from duomo.commands.begin import begin
from duomo.commands.learning import held_out_of, objective_of, steps_of, told_by
from duomo.commands.pace import begun, paced
from duomo.commands.ready import Ready, get_ready
from duomo.commands.remember import remembering
from duomo.commands.show import Progress
from duomo.data import lineage
from duomo.data.load import fill_rate, single
from duomo.disk import need_room
from duomo.model import Model
from duomo.objectives import Objective
from duomo.recipe import Recipe
from duomo.report import Report
from duomo.train.log import Log
from duomo.train.loop import backward, loop, tokens
from duomo.train.optimizer import optimizer, schedule
from duomo.train.speed import flops_of, matmul_peak
from duomo.train.step import Step
from duomo.train.validate import validate

RUNS = Path("runs")
TRIED, PASSED = 10, 4  # steps that tell the pace, and how many of them do not count: memory is found and kernels are chosen in them


@dataclass
class Training:
    """A run under way: what `loop` needs, and where things are written."""

    folder: Path
    recipe: Recipe
    ready: Ready
    model: Model
    optimizer: torch.optim.Optimizer
    objective: Objective
    device: torch.device
    log: Log
    base: checkpoint.Base | None = None  # of adapters
    first: int = 0
    tokens: int = 0
    seconds: float = 0.0
    peak: float = 0.0
    flops_per_token: float = 0.0
    valid: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)  # of the step's batches


def run(recipe: Recipe, resume: bool = False, fresh: bool = False, runs: Path = RUNS) -> Report:
    """Trains a recipe into `runs/NAME`.

    Nothing is written into the folder, or deleted from it, before all that training needs is there. Raises ValueError where the
    run exists and neither `resume` nor `fresh` says what to do with it, and where the disk has no room for checkpoints;
    KeyboardInterrupt, after saving, on Ctrl-C.
    """
    folder = runs / recipe.name
    recipe = begun(recipe, folder) if resume else recipe
    _refuse(folder, recipe, resume, fresh)
    ready = get_ready(recipe)
    recipe = paced(recipe, lambda: seconds_a_step(recipe, ready))
    training = start(recipe, ready, folder, resume, fresh)
    with stop_after_step() as stopped, Progress(recipe.train.steps, training.first) as progress:
        for step in _steps(training):
            progress.show(step.number, step.loss, step.seconds, *_speed(training))
            if stopped() or step.number % recipe.train.save_every == 0 or step.number == recipe.train.steps:
                save(training, step.number)
            if stopped() and step.number < recipe.train.steps:
                raise KeyboardInterrupt(f"saved step {step.number}; go on with `duomo train … --resume`")
    training.log.close()
    return _report(training)


def start(recipe: Recipe, ready: Ready, folder: Path, resume: bool = False, fresh: bool = False) -> Training:
    """The model and its optimizer, new or as they were saved; then the run's folder, emptied before if it is to be `fresh`."""
    device = _device(recipe)
    torch.manual_seed(recipe.seed)
    model = Model(recipe.model, ready.tokenizer.placeholders(recipe.model.senses)).to(device).train()
    freeze(model, recipe)
    base = begin(model, recipe, folder, ready.tokenizer) if recipe.adapt or not resume else None
    objective = objective_of(recipe, model, ready)
    checkpoint_blocks(model, recipe.train.checkpoint_blocks)
    found = optimizer(model, recipe.train)
    state: dict[str, Any] = {}
    newest = checkpoint.latest(folder) if resume else None
    if newest is not None:
        state = checkpoint.resume(newest, model, found)
    ready = remembering(ready, model, recipe)
    need_room(folder, checkpoint.size_of(model, base) * _more(folder, recipe.train.keep))
    _begin(folder, recipe, ready, fresh)
    first = int(state.get("step", 0))
    log = Log(folder, first)
    training = Training(folder, recipe, ready, model, found, objective, device, log, base, first)
    training.tokens, training.seconds = int(state.get("tokens", 0)), float(state.get("seconds", 0.0))
    return training


def _device(recipe: Recipe) -> torch.device:
    """What it is trained on, with as many threads as the recipe says."""
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seconds_a_step(recipe: Recipe, ready: Ready) -> float:
    """The median of the run's first steps, taken by weights that are thrown away; validation and saving are not counted."""
    device = _device(recipe)
    torch.manual_seed(recipe.seed)
    model = Model(recipe.model, ready.tokenizer.placeholders(recipe.model.senses)).to(device).train()
    objective, solver = objective_of(recipe, model, ready), optimizer(model, recipe.train)
    batches = (move(step, device) for step in islice(steps_of(recipe, model, ready, 0), TRIED))
    taken = [step.seconds for step in loop(model, batches, objective, solver, lambda step: 1.0, clip=recipe.train.clip)]
    return statistics.median(taken[PASSED:] or taken)


def save(training: Training, step: int) -> None:
    """A checkpoint of now; old ones beyond `train.keep` go."""
    state = {"step": step, "tokens": training.tokens, "seconds": training.seconds, "seed": training.recipe.seed}
    checkpoint.save(training.folder / "checkpoints" / f"step-{step}", training.model, training.optimizer, state, training.base)
    checkpoint.keep_newest(training.folder, training.recipe.train.keep)


def freeze(model: Model, recipe: Recipe) -> None:
    """Takes the senses that the recipe calls frozen out of training."""
    for name, sense in recipe.model.senses.items():
        model.senses[name].requires_grad_(not sense.frozen)


def checkpoint_blocks(model: Model, on: bool) -> None:
    """Whether blocks are computed again in the backward pass instead of kept."""
    for module in model.modules():
        if isinstance(module, Stack):
            module.checkpoint_blocks = on


def compile_stacks(model: Model, on: bool) -> None:
    """Compiles encoder and decoder in place; `embed` stays eager, since each new set of media shapes would be a new graph."""
    for stack in (model.encoder, model.decoder) if on else ():
        if stack is not None:
            stack.compile(dynamic=True)


def _refuse(folder: Path, recipe: Recipe, resume: bool, fresh: bool) -> None:
    begun = checkpoint.latest(folder) is not None
    if begun and not (resume or fresh):
        raise ValueError(f"{folder} exists; go on with --resume, begin anew with --fresh, or set name=OTHER")
    if resume and not begun:
        raise ValueError(f"{folder}: nothing to resume; leave --resume out")
    if resume and recipes.load(folder / "recipe.json") != recipe:
        raise ValueError(f"{folder}/recipe.json differs from this recipe; resume with the same recipe, or begin anew with --fresh")


def _more(folder: Path, keep: int) -> int:
    """How many checkpoints will come beside those that are there; the newest is written before the oldest goes."""
    return max(1, keep + 1 - len(list((folder / "checkpoints").glob("step-*"))))


def _begin(folder: Path, recipe: Recipe, ready: Ready, fresh: bool) -> None:
    """The run's folder with what it is made from."""
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    recipes.save(recipe, folder / "recipe.json")
    shutil.copyfile(ready.tokenizer_path, folder / "tokenizer.json")
    shutil.copyfile(ready.prepared.folder / lineage.NAME, folder / lineage.NAME)


def _steps(training: Training) -> Iterator[Step]:
    recipe, ready = training.recipe.train, training.ready
    held_out, measured = _held_out(ready, training.recipe), held_out_of(training.recipe, training.objective)
    precise = precision(recipe.precision, training.device)
    training.peak = matmul_peak(training.device, torch.float32)
    batches = _measured(steps_of(training.recipe, training.model, ready, training.first), training)
    compile_stacks(training.model, recipe.compile)

    def rate(step: int) -> float:
        return schedule(recipe, step)

    with precise:
        for step in loop(training.model, batches, training.objective, training.optimizer, rate, training.first, recipe.clip):
            training.tokens += step.tokens
            training.seconds += step.seconds
            training.log.step(step, _facts(step, training))
            if step.number % recipe.validate_every == 0 or step.number == recipe.steps:
                training.valid = validate(training.model, held_out, measured, training.device)
                training.log.validation(step.number, training.valid)
            yield step


def _measured(steps: Iterator[list[Batch]], training: Training) -> Iterator[list[Batch]]:
    """The same steps on the device; the first is run once more to count what a token costs."""
    for number, batches in enumerate(steps):
        batches, training.told = move(batches, training.device), told_by(batches)
        if not number:
            with torch.random.fork_rng([training.device] if training.device.type == "cuda" else []):
                flops = flops_of(lambda batches=batches: backward(training.model, batches, training.objective))  # type: ignore[misc]
            training.flops_per_token = flops / max(tokens(batches), 1)
        yield batches


def _speed(training: Training) -> tuple[float, float]:
    """Tokens a second so far, and the share of the machine's peak that they take."""
    speed = training.tokens / max(training.seconds, 1e-9)
    return speed, speed * training.flops_per_token / training.peak if training.peak else 0.0


def _facts(step: Step, training: Training) -> dict[str, float]:
    speed = step.tokens / step.seconds
    return {
        "seconds": step.seconds,
        "tokens_per_second": speed,
        "of_peak": speed * training.flops_per_token / training.peak,
        "waited": step.waited / step.seconds,
        "elapsed": training.seconds,
        "targets": step.targets,
        **training.told,
    }


def _held_out(ready: Ready, recipe: Recipe) -> dict[str, Sequence[Batch]]:
    """A few fixed rows of each data set's valid split."""
    found: dict[str, Sequence[Batch]] = {}
    for name, shards in ready.valid.items():
        count = min(len(shards), 8 * recipe.train.validate_rows)
        rows = [[shards[i]] for i in range(count)]
        if rows:
            masker = ready.loader.mask(0) if ready.loader.mask else None  # the same words hidden at every validation
            found[name] = [single(rows, recipe.model.shape, ready.loader.placeholder, masker)]
    return found


def precision(wanted: str, device: torch.device) -> Any:
    """bfloat16 where the GPU has it (or it is asked for), else float32; master weights stay float32."""
    wide = wanted == "fp32" or (wanted == "auto" and not (device.type == "cuda" and torch.cuda.is_bf16_supported()))
    return torch.autocast(device.type, torch.bfloat16, enabled=not wide)


@contextmanager
def stop_after_step() -> Iterator[Any]:
    """Ctrl-C (and a polite kill) ends the run after the step under way; a second one at once."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise KeyboardInterrupt("stopped at once; `duomo train … --resume` goes on from the last checkpoint, if there is one")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(training: Training) -> Report:
    ready, recipe = training.ready, training.recipe
    rate, of_peak = _speed(training)
    facts = {
        "digest": recipe.digest,
        "seed": recipe.seed,
        "steps": recipe.train.steps,
        "tokens": training.tokens,
        "seconds": round(training.seconds, 1),
        "tokens_per_second": round(rate),
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "of_peak": round(of_peak, 3),
        "fill_rate": round(fill_rate(ready.loader.step(0)), 4),
        "epochs": {name: round(value, 2) for name, value in zip(ready.names, ready.loader.plan.epochs(recipe.train.steps), strict=True)},
        "valid": training.valid,
        "weights": checkpoint.weights_digest(training.model),
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    line = f"{training.folder}: {recipe.train.steps} steps, {training.tokens:,} tokens in {training.seconds:.0f} s ({rate:,.0f}/s)"
    return Report(f"train {recipe.name}", facts=facts, lines=(line, f"ask it: duomo ask {training.folder} \"…\""))
