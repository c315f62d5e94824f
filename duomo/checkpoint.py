"""Checkpoint: a folder with a manifest; written whole or not at all, never loaded without verifying. No pickle anywhere."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer

from duomo import recipe as recipes
from duomo.disk import whole_folder
from duomo.model import Model
from duomo.recipe import Recipe
from duomo.tokenizer import Tokenizer

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Run:
    """A trained run, opened: what every verb that takes a MODEL works with."""

    folder: Path
    recipe: Recipe
    tokenizer: Tokenizer
    model: Model
    step: int


def open_run(folder: Path) -> Run:
    """The newest checkpoint of a run, verified, ready to answer. Raises ValueError with the mend."""
    if not (folder / "recipe.json").is_file():
        raise ValueError(f"{folder}: not a run (no recipe.json); train one with `duomo train RECIPE`")
    recipe = recipes.load(folder / "recipe.json")
    tokenizer = Tokenizer.load(folder / "tokenizer.json", recipe.tokenizer.chat)
    newest = latest(folder)
    if newest is None:
        raise ValueError(f"{folder}: no checkpoint yet; let `duomo train` reach its first save")
    model = Model(recipe.model, tokenizer.placeholders())
    load_model(newest, model)
    return Run(folder, recipe, tokenizer, model.eval(), step_of(newest))


def save(folder: Path, model: nn.Module, optimizer: Optimizer | None, state: Mapping[str, Any]) -> Path:
    """Writes `folder` with the model, the optimizer, torch's generator and `state` (JSON), each file in the manifest."""
    with whole_folder(folder) as temporary:
        _write(temporary / "model.safetensors", {name: t.detach().contiguous() for name, t in model.state_dict().items()})
        if optimizer is not None:
            tensors, rest = pack_optimizer(optimizer)
            _write(temporary / "optimizer.safetensors", tensors | _generators())
            (temporary / "optimizer.json").write_text(json.dumps(rest))
        (temporary / "state.json").write_text(json.dumps(dict(state)))
        facts = {"torch": torch.__version__, "threads": torch.get_num_threads(), "world_size": 1}
        files = {path.name: digest(path) for path in sorted(temporary.iterdir())}
        (temporary / MANIFEST).write_text(_sealed(facts | {"files": files}))
    return folder


def verify(folder: Path) -> Mapping[str, Any]:
    """The manifest, once every file in it was found with its hash. Raises ValueError naming the file that differs."""
    try:
        text = (folder / MANIFEST).read_text()
        manifest = json.loads(text)
        files: dict[str, str] = dict(manifest["files"])
        del manifest["seal"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder}: no readable {MANIFEST}; use an earlier checkpoint") from error
    if text != _sealed(manifest):
        raise ValueError(f"{folder / MANIFEST}: was damaged or changed; use an earlier checkpoint")
    for name, wanted in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise ValueError(f"{path}: missing; use an earlier checkpoint")
        if digest(path) != wanted:
            raise ValueError(f"{path}: its SHA-256 is not the manifest's, so it was damaged or changed; use an earlier checkpoint")
    return manifest


def load_model(folder: Path, model: nn.Module) -> None:
    """Puts verified weights into a model of the same shape."""
    verify(folder)
    try:
        model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder}/model.safetensors: does not fit the recipe ({reason})") from error


def resume(folder: Path, model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """Restores model, optimizer and torch's generator; gives the state that was saved with them."""
    load_model(folder, model)
    try:
        tensors = safetensors.torch.load_file(folder / "optimizer.safetensors")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder}: holds no optimizer to resume with; start anew or from another checkpoint") from error
    _set_generators(tensors.pop("generator"), tensors.pop("generator.cuda", None))
    unpack_optimizer(optimizer, tensors, json.loads((folder / "optimizer.json").read_text()))
    return json.loads((folder / "state.json").read_text())


def latest(run: Path) -> Path | None:
    """The checkpoint of the most steps, or None."""
    return max((p for p in (run / "checkpoints").glob("step-*") if p.name[5:].isdigit()), key=step_of, default=None)


def size_of(model: nn.Module) -> int:
    """The bytes of a checkpoint: weights, and up to two moments of each."""
    return 3 * sum(p.numel() * p.element_size() for p in model.parameters())


def step_of(checkpoint: Path) -> int:
    """The step in a checkpoint folder's name."""
    return int(checkpoint.name.removeprefix("step-"))


def keep_newest(run: Path, count: int) -> None:
    """Deletes all but the newest checkpoints."""
    found = sorted((p for p in (run / "checkpoints").glob("step-*") if p.name[5:].isdigit()), key=step_of)
    for old in found[:-count]:
        shutil.rmtree(old)


def pack_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors, and the rest as JSON."""
    state = optimizer.state_dict()
    named = {f"{number}.{key}": value for number, entry in state["state"].items() for key, value in entry.items()}
    return {name: value.contiguous() for name, value in named.items()}, {"groups": state["param_groups"]}


def unpack_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """The inverse of `pack_optimizer`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over all weights, in order of name: two runs agree bit for bit when it is equal."""
    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        total.update(name.encode() + tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _sealed(manifest: Mapping[str, Any]) -> str:
    """The manifest's text with a hash of its own, so that damage to it shows as well."""
    seal = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    return json.dumps({**manifest, "seal": seal}, indent=1)


def _generators() -> dict[str, Tensor]:
    """The state of torch's generators: dropout draws from the one of its device."""
    cuda = {"generator.cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"generator": torch.get_rng_state(), **cuda}


def _set_generators(cpu: Tensor, cuda: Tensor | None) -> None:
    torch.set_rng_state(cpu)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.write_bytes(safetensors.torch.save(dict(tensors)))  # save_file would map the file and die by signal on a full disk
