"""Facts: what the figures of a run depend on, for its report."""

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from duomo.checkpoint import Run
from duomo.commands.lineage import learned
from duomo.data import lineage
from duomo.recipe import Recipe
from duomo.train import log

LIBRARIES = ("duomo", "torch", "numpy", "tokenizers")  # whose versions move figures


def facts(opened: Run, recipe: Recipe, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Recipe, seed, versions, machine; what the run learned from, in what time, and how long it was measured."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return {
        "name": recipe.name,
        "about": recipe.about,
        "digest": opened.recipe.digest,
        "seed": recipe.seed,
        "step": opened.step,
        "parameters": sum(parameter.numel() for parameter in opened.model.parameters()),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "device": device},
        "seconds": dict(seconds),
        "training": training(opened.folder),
        "licences": list(lineage.licences(learned(opened.folder))),
    }


def training(folder: Path) -> dict[str, Any]:
    """What the log tells of the training: steps, tokens, seconds, speed, losses; nothing where there is no log."""
    lines = log.read(folder)
    steps, valid = [line for line in lines if "loss" in line], [line["valid"] for line in lines if "valid" in line]
    if not steps:
        return {}
    tokens, seconds = sum(line["tokens"] for line in steps), steps[-1]["elapsed"]
    of_peak = sum(line["of_peak"] * line["seconds"] for line in steps) / sum(line["seconds"] for line in steps)
    return {
        "steps": steps[-1]["step"],
        "tokens": tokens,
        "seconds": round(seconds, 1),
        "tokens_per_second": round(tokens / seconds),
        "of_peak": round(of_peak, 3),
        "loss": steps[-1]["loss"],
        "valid": valid[-1] if valid else {},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from its folder, without being installed
        return "not installed"
