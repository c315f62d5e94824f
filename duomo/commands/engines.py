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
    from duomo.batch import Batch
    from duomo.checkpoint import Run
    from duomo.generate.engine import Engine
    from duomo.recipe import ModelRecipe

ENGINES = ("torch", "llama.cpp", "auto")
PROBE, SAID = tuple(range(10, 26)), 8  # ids that are read, and tokens that are said


@dataclass(frozen=True)
class Speed:
    """How words are said. `int8`: by weights of 8 bits; `engine`: one of ENGINES, auto probes which is the sooner here.

    Raises ValueError for another engine.
    """

    int8: bool = False
    engine: str = "torch"

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(f"--engine {self.engine}: there are {', '.join(ENGINES)}{nearest(self.engine, ENGINES)}")


def placed(run: "Run", speed: Speed = Speed()) -> "Run":
    """The same, its model where it writes soonest: on the GPU if there is one, in bfloat16 there if it reads text alone.

    `speed`: by weights of 8 bits all tokens after the first, on the processor; or all of them by llama.cpp. Raises ValueError where
    torch has no such products, and as `engine_of`.
    """
    import torch

    eight = bool({"fbgemm", "x86"} & {*torch.backends.quantized.supported_engines})
    if speed.int8 and not eight and speed.engine != "llama.cpp":
        raise ValueError("--int8: torch has no products of 8 bits for this processor; leave it out")
    run.model.engine = engine_of(run, speed)
    run.model.int8 = speed.int8 and eight  # what an engine does not take, as several answers at once, torch says alike
    if run.model.engine is None and not speed.int8 and torch.cuda.is_available():
        run.model.to("cuda", torch.bfloat16 if halved(run.recipe.model) else None)
    return run


def halved(made: "ModelRecipe") -> bool:
    """Whether such a model, once placed, is in bfloat16."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported() and not made.senses


def engine_of(run: "Run", speed: Speed) -> "Engine | None":
    """llama.cpp with a model's weights, where it is wanted; with `auto` where it says the same tokens sooner.

    Raises ValueError with `llama.cpp` where it is not installed or has no such model.
    """
    import torch

    if speed.engine == "llama.cpp":
        return opened(run, speed.int8)
    if speed.engine == "torch" or (torch.cuda.is_available() and not speed.int8):
        return None  # on a GPU torch is the sooner
    try:
        engine = opened(run, speed.int8)
        return engine if _sooner(run, engine, speed.int8) else None
    except (ValueError, OSError) as error:
        print(f"note: without llama.cpp: {error}", file=sys.stderr)
        return None


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

    def asked(ids: tuple[int, ...]) -> "Batch":
        return prompt([Rendered(list(ids), [False] * len(ids))], run.model.recipe.shape)

    model, found, seconds = run.model, dict[str, list[int]](), dict[str, float]()
    try:
        model.int8 = int8
        for name, way in (("torch", None), ("llama.cpp", engine)):
            model.engine = way
            for ids in (PROBE[::-1], PROBE):  # the second is timed; an engine has read nothing of it before
                began = time.perf_counter()
                found[name] = [int(id) for id in generate(model, asked(ids), Sampling(max_tokens=SAID), -1)]
                seconds[name] = (time.perf_counter() - began) / SAID
    finally:
        model.engine, model.int8 = None, False
    told = ", ".join(f"{name} {1 / spent:.0f}" for name, spent in seconds.items())
    same = int8 or found["torch"] == found["llama.cpp"]
    sooner = same and seconds["llama.cpp"] < seconds["torch"]
    print(f"note: tokens a second: {told}; {'llama.cpp' if sooner else 'torch'} answers{'' if same else ', they differ'}", file=sys.stderr)
    return sooner
