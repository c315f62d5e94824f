"""duomo train RECIPE: prepare what is missing, train, log, validate, save; resume where it was left."""

import shutil
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
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
from duomo.commands.pace import begun, paced, precise
from duomo.commands.ready import Ready, get_ready
from duomo.commands.remember import remembering
from duomo.commands.show import Progress
from duomo.data import lineage
from duomo.data.load import fill_rate, single
from duomo.disk import need_room
from duomo.model import Model
from duomo.objectives import Objective
from duomo.plan.machines import dense_peak
from duomo.plan.parts import Worth, stacks, worth
from duomo.recipe import Recipe
from duomo.report import Report
from duomo.train.log import Log
from duomo.train.loop import Backward, backward, loop
from duomo.train.optimizer import optimizer, schedule
from duomo.train.profile import LOG, TRACE, Profile
from duomo.train.speed import half_gain, matmul_peak
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
    profile: Profile | None = None
    peak: float = 0.0  # FLOP/s of dense products
    worth: Worth = Worth(0.0, 0)  # of the step's batches
    done: float = 0.0  # FLOPs that all steps of this process were worth, and their seconds
    clocked: float = 0.0
    valid: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)  # of the step's batches


def run(recipe: Recipe, resume: bool = False, fresh: bool = False, runs: Path = RUNS, profile: bool = False) -> Report:
    """Trains a recipe into `runs/NAME`; with `profile` it tells of a few early steps where their time goes.

    Nothing is written into the folder, or deleted from it, before all that training needs is there. Raises ValueError where the
    run exists and neither `resume` nor `fresh` says what to do with it, and where the disk has no room for checkpoints;
    KeyboardInterrupt, after saving, on Ctrl-C.
    """
    folder = runs / recipe.name
    recipe = begun(recipe, folder) if resume else recipe
    _refuse(folder, recipe, resume, fresh)
    ready = get_ready(recipe)
    if not torch.cuda.is_available():
        recipe = precise(recipe, half_gain)
    recipe = paced(recipe, lambda: seconds_a_step(recipe, ready))
    training = start(recipe, ready, folder, resume, fresh)
    if profile:
        training.profile = Profile(folder, recipe.train.steps - training.first, training.device)
    with stop_after_step() as stopped, Progress(recipe.train.steps, training.first) as progress:
        for step in _steps(training):
            progress.show(step.number, step.loss, step.seconds, *_speed(training))
            if stopped() or step.number % recipe.train.save_every == 0 or step.number == recipe.train.steps:
                with _logging(training):
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
    with precision(recipe.train.precision, device):
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


def compile_blocks(model: Model) -> None:
    """Compiles the blocks of encoder and decoder in place; `embed` stays eager, since each new set of media shapes would be a new graph.

    All blocks of a stack share one compiled form, so that it takes as long as one does.
    """
    for stack in filter(None, (model.encoder, model.decoder)):
        for block in stack.blocks:
            block.compile()


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
    training.peak = peak(training.device, recipe.precision)
    batches: Iterator[Sequence[Batch]] = _measured(steps_of(training.recipe, training.model, ready, training.first), training)
    if recipe.compile or (recipe.compile is None and training.device.type == "cuda" and find_spec("triton")):
        compile_blocks(training.model)
    passes: Backward = backward
    objective, profile = training.objective, training.profile
    if profile is not None:
        batches, objective, passes = profile.steps(batches), profile.objective(objective), profile.backward(passes)
        profile.watch(_watched(training.model), training.optimizer)

    def rate(step: int) -> float:
        return schedule(recipe, step)

    with precise:
        for step in loop(training.model, batches, objective, training.optimizer, rate, training.first, recipe.clip, passes):
            training.tokens += step.tokens
            training.seconds += step.seconds
            training.done, training.clocked = training.done + training.worth.flops, training.clocked + step.seconds
            with _logging(training):
                training.log.step(step, _facts(step, training))
                if step.number % recipe.validate_every == 0 or step.number == recipe.steps:
                    training.valid = validate(training.model, held_out, measured, training.device)
                    training.log.validation(step.number, training.valid)
            yield step
            if profile is not None:
                profile.after(step, training.worth.flops, training.peak)


def _measured(steps: Iterator[list[Batch]], training: Training) -> Iterator[list[Batch]]:
    """The same steps on the device, and what each is worth."""
    for batches in steps:
        training.worth, training.told = worth(training.model, batches), told_by(batches)
        yield move(batches, training.device)


def _watched(model: Model) -> dict[str, torch.nn.Module]:
    """The parts whose forward pass a profile tells apart."""
    return {"embeddings": model.tokens, **{f"sense {name}": sense for name, sense in model.senses.items()}, **stacks(model)}


def _logging(training: Training) -> AbstractContextManager[None]:
    """What is done between two steps, for a profile."""
    return nullcontext() if training.profile is None else training.profile.range(LOG)


def _speed(training: Training) -> tuple[float, float]:
    """Tokens a second so far, and the utilisation: the share of the peak that the steps were worth."""
    speed = training.tokens / max(training.seconds, 1e-9)
    return speed, training.done / max(training.clocked, 1e-9) / training.peak if training.peak else 0.0


def _facts(step: Step, training: Training) -> dict[str, float]:
    return {
        "seconds": step.seconds,
        "tokens_per_second": step.tokens / step.seconds,
        "of_peak": training.worth.flops / step.seconds / training.peak,
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
    return torch.autocast(device.type, torch.bfloat16, enabled=_halved(wanted, device))


def peak(device: torch.device, wanted: str) -> float:
    """FLOP/s of dense products in the precision that is trained in: the maker's figure where it is known, else measured."""
    half = _halved(wanted, device)
    known = dense_peak(torch.cuda.get_device_name(device)) if half and device.type == "cuda" else None
    return known or matmul_peak(device, torch.bfloat16 if half and device.type == "cuda" else torch.float32)


def _halved(wanted: str, device: torch.device) -> bool:
    return wanted == "bf16" or (wanted in ("auto", "fast") and device.type == "cuda" and torch.cuda.is_bf16_supported())


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
    return Report(f"train {recipe.name}", facts=facts, lines=(line, *_page(training), f"ask it: duomo ask {training.folder} \"…\""))


def _page(training: Training) -> list[str]:
    """What a profile found, and where its trace lies."""
    if training.profile is None or not training.profile.page:
        return []
    return [f"trace: {training.folder / TRACE} (open it in ui.perfetto.dev)", *training.profile.page, ""]
