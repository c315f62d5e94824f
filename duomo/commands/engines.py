"""Engines: where a model is placed, and what says its words."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from duomo.commands.models import outside_of
from duomo.commands.resolve import nearest

if TYPE_CHECKING:
    from duomo.checkpoint import Run
    from duomo.generate.engine import Engine
    from duomo.recipe import ModelRecipe

ENGINES = ("torch", "llama.cpp", "auto")
PROBE, SAID = tuple(range(10, 26)), 8  # ids that are read, and tokens that are said


@dataclass(frozen=True)
class Speed:
    """How words are said. `int8`: by weights of 8 bits; `engine`: one of ENGINES, auto probes which is the sooner here."""

    int8: bool = False
    engine: str = "torch"


def placed(run: "Run", speed: Speed = Speed()) -> "Run":
    """The same, its model where it writes soonest: on the GPU if there is one, in bfloat16 there if it reads text alone.

    `speed`: by weights of 8 bits all tokens after the first, on the processor; or all of them by llama.cpp. Raises ValueError where
    torch has no such products, and as `engine_of`.
    """
    import torch

    run.model.engine = engine_of(run, speed)
    if run.model.engine is not None:
        return run
    if speed.int8:
        if not {"fbgemm", "x86"} & {*torch.backends.quantized.supported_engines}:
            raise ValueError("--int8: torch has no products of 8 bits for this processor; leave it out")
        run.model.int8 = True
    elif torch.cuda.is_available():
        run.model.to("cuda", torch.bfloat16 if halved(run.recipe.model) else None)
    return run


def halved(made: "ModelRecipe") -> bool:
    """Whether such a model, once placed, is in bfloat16."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported() and not made.senses


def engine_of(run: "Run", speed: Speed) -> "Engine | None":
    """llama.cpp with a model's weights, where it is wanted; with `auto` where it says the same tokens sooner.

    Raises ValueError for an engine that is none, and with `llama.cpp` where it is not installed or has no such model.
    """
    if speed.engine not in ENGINES:
        raise ValueError(f"--engine {speed.engine}: there are {', '.join(ENGINES)}{nearest(speed.engine, ENGINES)}")
    if speed.engine == "torch":
        return None
    try:
        engine = opened(run, speed.int8)
    except ValueError as error:
        if speed.engine == "llama.cpp":
            raise
        print(f"note: without llama.cpp: {error}", file=sys.stderr)
        return None
    return engine if speed.engine == "llama.cpp" or _sooner(run, engine, speed.int8) else None


def opened(run: "Run", int8: bool) -> "Engine":
    """A GGUF file as it is; any other model by way of one that is written for it and goes at once. Raises ValueError as `engine_of`."""
    from duomo.generate.engine import Engine, library
    from duomo.interchange import Card, gguf

    library()
    positions = run.recipe.model.max_positions
    if run.model.decoder is None or run.model.senses:
        raise ValueError("llama.cpp takes models that read text alone and write; leave out --engine")
    if gguf.known(run.folder):
        return Engine(run.folder, positions)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        gguf.write(outside_of(run, Card(run.recipe.name)), path, "Q8_0" if int8 else "F32")
        return Engine(path, positions)


def _sooner(run: "Run", engine: "Engine", int8: bool) -> bool:
    """Whether it says a few tokens sooner than torch does, and, by the same weights, the same ones; tells what it found."""
    from duomo.data.collate import prompt
    from duomo.data.render import Rendered
    from duomo.generate import Sampling, generate

    batch, model = prompt([Rendered(list(PROBE), [False] * len(PROBE))], run.model.recipe.shape), run.model
    found, seconds, model.int8 = dict[str, list[int]](), dict[str, float](), int8
    for name, way in (("torch", None), ("llama.cpp", engine)):
        model.engine = way
        for count in (2, SAID):
            began = time.perf_counter()
            found[name] = [int(id) for id in generate(model, batch, Sampling(max_tokens=count), -1)]
            seconds[name] = (time.perf_counter() - began) / count
    model.engine, model.int8 = None, False
    told = ", ".join(f"{name} {1 / spent:.0f}" for name, spent in seconds.items())
    same = int8 or found["torch"] == found["llama.cpp"]
    sooner = same and seconds["llama.cpp"] < seconds["torch"]
    print(f"note: tokens a second: {told}; {'llama.cpp' if sooner else 'torch'} answers{'' if same else ', they differ'}", file=sys.stderr)
    return sooner
