"""Plans, checked: what `duomo plan` foretells of small models beside what they take: bytes of tensors, memory of the process, seconds.

    python benchmarks/plan.py [--steps 5] [--only NAME …]

One thread; seconds are those on the processor, the median of the steps. Each shape is trained in a process of its own: its memory is
what it grew by over a process that has trained a tiny model. The machine's rates are measured in the same process, before and after, so
that a neighbour that slows the machine slows both sides alike. Writes runs/plan/report.json; ends with 1 where an error is above 15 %.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from duomo import recipe as recipes
from duomo.commands.plan import made, traced
from duomo.commands.train import checkpoint_blocks
from duomo.model import Model
from duomo.objectives import cross_entropy
from duomo.plan.load import assumed, placeholders
from duomo.plan.need import HEAP, seconds_of
from duomo.plan.parts import worth
from duomo.plan.probe import Rates, probe
from duomo.recipe import Recipe
from duomo.report import Report, save
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer
from duomo.train.speed import bytes_of

OUT = Path("runs/plan")
BOUND = 0.15
EYES = {"channels": [16, 32, 64, 64], "strides": [[2, 2]] * 4, "depth": 2, "block": {"dim": 64, "heads": 4, "position": "none"}}
LLAMA = {"vocab_size": 8192, "decoder_depth": 8, "block": {"dim": 256, "heads": 8, "ff_dim": 688}}
BOTH = {"shape": "encoder_decoder", "vocab_size": 4096, "encoder_depth": 3, "decoder_depth": 3, "block": {"dim": 256, "heads": 8}}
SHAPES: dict[str, dict[str, Any]] = {
    "decoder": {"model": LLAMA, "data": {"row_tokens": 256}, "train": {"rows": 4}},
    "decoder, blocks computed again": {
        "model": LLAMA,
        "data": {"row_tokens": 256},
        "train": {"rows": 4, "checkpoint_blocks": True},
    },
    "decoder, Muon": {
        "model": {"vocab_size": 4096, "decoder_depth": 4, "block": {"dim": 256, "heads": 4}},
        "data": {"row_tokens": 512},
        "train": {"rows": 2, "optimizer": "muon"},
    },
    "narrow and deep": {
        "model": {"vocab_size": 2048, "decoder_depth": 12, "block": {"dim": 128, "heads": 4}},
        "data": {"row_tokens": 256},
        "train": {"rows": 4},
    },
    "encoder-decoder": {"model": BOTH, "data": {"max_tokens": 256, "pack": False}, "train": {"rows": 6}},
    "encoder": {
        "model": {"shape": "encoder", "vocab_size": 8192, "encoder_depth": 6, "block": {"dim": 256, "heads": 8}},
        "data": {"row_tokens": 256, "mask_words": True},
        "train": {"rows": 4},
    },
    "decoder that sees": {
        "model": {"vocab_size": 4096, "decoder_depth": 4, "block": {"dim": 192, "heads": 6}, "senses": {"image": EYES}},
        "data": {"row_tokens": 256},
        "train": {"rows": 4},
    },
}
TINY = {
    "model": {"vocab_size": 512, "decoder_depth": 1, "block": {"dim": 64, "heads": 2}},
    "data": {"row_tokens": 32},
    "train": {"rows": 2},
}


def recipe_of(name: str, tree: dict[str, Any]) -> Recipe:
    """A shape as a recipe."""
    return recipes.parse({"name": name.replace(" ", "-").replace(",", "")} | tree, name)


def measured(name: str, steps: int) -> dict[str, Any]:
    """What training takes: bytes of tensors by torch's own allocator, growth of the process, seconds on the processor a step."""
    torch.set_num_threads(1)
    _trained(recipe_of("tiny", TINY), 2)  # libraries and their buffers are there
    before, rates = _resident(), [probe(1.0)]
    seconds, tensors = _trained(recipe_of(name, SHAPES[name]), steps)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    rates.append(probe(1.0))
    best = {field: (min if field == "call" else max)(getattr(one, field) for one in rates) for field in vars(rates[0])}
    return {"tensors": tensors, "process": grown, "seconds": statistics.median(seconds), "rates": best}


def _trained(recipe: Recipe, steps: int) -> tuple[list[float], int]:
    """Seconds on the processor of each step after the first, and the most bytes that tensors took in one."""
    torch.manual_seed(0)
    model = Model(recipe.model, placeholders(recipe)).train()
    checkpoint_blocks(model, recipe.train.checkpoint_blocks)
    batches, solver = list(assumed(recipe).batches), optimizer(model, recipe.train)
    stepping = loop(model, (batches for _ in range(steps + 2)), cross_entropy, solver, lambda step: 1.0)
    next(stepping)
    seconds = list[float]()
    for _ in range(steps):
        began = time.process_time()
        next(stepping)
        seconds.append(time.process_time() - began)
    return seconds, bytes_of(lambda: next(stepping)) + _bytes(model, solver)


def _bytes(model: torch.nn.Module, solver: torch.optim.Optimizer) -> int:
    """Of weights, buffers and state. Gradients go before a step begins."""
    state = [value for one in solver.state.values() for value in one.values() if isinstance(value, torch.Tensor)]
    return sum(x.numel() * x.element_size() for x in (*model.parameters(), *model.buffers(), *state))


def _resident() -> int:
    return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))


def foretold(name: str, rates: Rates) -> dict[str, float]:
    """The same of a plan."""
    recipe = recipe_of(name, SHAPES[name])
    load = assumed(recipe)
    found = traced(recipe, load)
    flops = worth(made(recipe), load.batches).flops
    seconds = seconds_of(found.passes, rates) + seconds_of(found.update, rates)
    return {"tensors": found.most, "process": HEAP * found.most, "seconds": seconds, "utilisation": flops / seconds / rates.product}


def compared(name: str, steps: int) -> dict[str, Any]:
    """One row: what was foretold, what was measured, and by how much of it they differ."""
    out = subprocess.run([sys.executable, __file__, "--measure", name, "--steps", str(steps)], capture_output=True, text=True, check=True)
    was = json.loads(out.stdout.splitlines()[-1])
    said = foretold(name, Rates(**was.pop("rates")))
    error = {key: said[key] / was[key] - 1 for key in was}
    return {"shape": name, "foretold": said, "measured": was, "error": error}


def main() -> int:
    """Compares, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options.steps)))
        return 0
    print("| shape | tensors MiB | foretold | process MiB | foretold | seconds a step | foretold |\n|" + " --- |" * 7)
    rows = list[dict[str, Any]]()
    for name in options.only:
        rows.append(compared(name, options.steps))
        print("| " + " | ".join((name, *_cells(rows[-1]))) + " |", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    save(Report("plan", facts={"rows": rows, "bound": BOUND, "load": os.getloadavg()[1]}), OUT / "report.json")
    missed = [f"{row['shape']}: {key} by {value:+.0%}" for row in rows for key, value in row["error"].items() if abs(value) > BOUND]
    print(*(f"missed: {one}" for one in missed), sep="\n")
    return int(bool(missed))


def _cells(row: dict[str, Any]) -> Iterator[str]:
    for key, scale, form in (("tensors", 2**20, ".1f"), ("process", 2**20, ".0f"), ("seconds", 1, ".3f")):
        yield f"{row['measured'][key] / scale:{form}}"
        yield f"{row['foretold'][key] / scale:{form}} ({row['error'][key]:+.0%})"


if __name__ == "__main__":
    sys.exit(main())
