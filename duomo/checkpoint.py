"""Checkpoint: a folder with a manifest; written whole or not at all, never loaded without verifying. No pickle anywhere."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
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
from duomo.model import Model, Unfilled
from duomo.recipe import Recipe
from duomo.tokenizer import Tokenizer

MANIFEST = "manifest.json"
IDS = ("tokens.weight", "head.weight", "head_bias")  # tensors with a row for each id
BASE = "base.json"  # of a checkpoint that holds only what its base lacks
ADAPTER = (".lora_A.weight", ".lora_B.weight")  # the two maps of an adapter, as PEFT names them


@dataclass(frozen=True)
class Run:
    """A trained run, opened: what every verb that takes a MODEL works with."""

    folder: Path
    recipe: Recipe
    tokenizer: Tokenizer
    model: Model
    step: int


@dataclass(frozen=True)
class Base:
    """What a run of adapters lies on: another run, whose weights it does not hold."""

    run: str  # its folder, as seen from this run's
    weights: str  # what tells them from others
    scale: float  # how often an adapter's product counts
    own: frozenset[str]  # the tensors that are trained, or that the base lacks


def open_run(folder: Path) -> Run:
    """The newest checkpoint of a run, verified, ready to answer; adapters are added to their base. Raises ValueError with the mend."""
    if not (folder / "recipe.json").is_file():
        raise ValueError(f"{folder}: not a run (no recipe.json); train one with `duomo train RECIPE`")
    recipe = recipes.load(folder / "recipe.json")
    tokenizer = Tokenizer.load(folder / "tokenizer.json", recipe.tokenizer.chat)
    newest = latest(folder)
    if newest is None:
        raise ValueError(f"{folder}: no checkpoint yet; let `duomo train` reach its first save")
    with Unfilled():
        model = Model(recipe.model, tokenizer.placeholders(recipe.model.senses))
    _put(model, _whole(newest, model), f"{newest}/model.safetensors")
    return Run(folder, recipe, tokenizer, model.eval(), step_of(newest))


def save(folder: Path, model: nn.Module, optimizer: Optimizer | None, state: Mapping[str, Any], base: Base | None = None) -> Path:
    """Writes `folder` with the model, the optimizer, torch's generator and `state` (JSON), each file in the manifest.

    With a base: of the model only what is its own.
    """
    with whole_folder(folder) as temporary:
        held = {name: t.detach().contiguous() for name, t in weights(model).items() if base is None or name in base.own}
        _write(temporary / "model.safetensors", held)
        if base is not None:
            (temporary / BASE).write_text(json.dumps({"run": base.run, "weights": base.weights, "scale": base.scale}))
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
    """Puts verified weights into a model of the same shape; what a checkpoint of adapters does not hold stays as it is."""
    some = BASE in verify(folder)["files"]
    if some:
        same_base(folder)
    _put(model, _read(folder), f"{folder}/model.safetensors", some)


def take(model: nn.Module, run: Run, some: bool) -> None:
    """Starts a model from a run's weights; with `some` it may have parts, and ids at the end of its tables, that the run lacks."""
    held = weights(run.model)
    _put(model, wider(held, model) if some else held, f"train.start_from: {run.folder}", some)


def wider(held: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The same tensors; those of a row for each id with their mean row for the ids that only the model has.

    Such an id is then as likely as ids are on the average, where zeros would be likelier than all where logits lie below 0.
    """
    wanted = model.state_dict()
    lacking = {name: len(wanted[name]) - len(held[name]) for name in IDS if name in held and name in wanted}
    means = {name: held[name].mean(0, keepdim=True) for name, count in lacking.items() if count > 0}
    return {
        name: torch.cat([tensor, *[means[name]] * lacking[name]]) if name in means else tensor for name, tensor in held.items()
    }


def weights(model: nn.Module) -> dict[str, Tensor]:
    """All tensors of a model by name. Where it has adapters in it, by the names without: `q.weight`, and beside it `q.lora_A.weight`."""
    return {_plain(name): tensor for name, tensor in model.state_dict().items()}


def own_tensors(run: Path) -> dict[str, Tensor]:
    """What a run's newest checkpoint holds itself, verified: of an adapted run what its base lacks."""
    newest = latest(run) or run
    verify(newest)
    return _read(newest)


def base_of(base: Path, folder: Path, scale: float, own: Iterable[str]) -> Base:
    """A run, opened and so verified, as the base of the one in `folder`."""
    return Base(os.path.relpath(base.resolve(), folder.resolve()), _weights_of(base), scale, frozenset(own))


def same_base(folder: Path) -> Path:
    """The run that a checkpoint's adapters lie on. Raises ValueError where its weights are not those that they were trained on."""
    run, kept = folder.parent.parent, json.loads((folder / BASE).read_text())
    base = (run / kept["run"]).resolve()
    if latest(base) is None:
        raise ValueError(f"{run}: holds adapters only, and their base {base} is not there; put it back")
    if _weights_of(base) != kept["weights"]:
        raise ValueError(f"{run}: its base {base} was changed after the adapters were trained; put the old one back, or train again")
    return base


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


def size_of(model: nn.Module, base: Base | None = None) -> int:
    """The bytes of a checkpoint: weights, and up to two moments of each that is trained; what the base holds is not in it."""
    held = sum(t.numel() * t.element_size() for name, t in weights(model).items() if base is None or name in base.own)
    return held + 2 * sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)


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


def _whole(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """All weights of a verified checkpoint, for a model of its shape. On a base: the base's and its own, adapters added to their maps."""
    if BASE not in verify(folder)["files"]:
        return _read(folder)
    own, found = _read(folder), wider(weights(open_run(same_base(folder)).model), model)
    scale: float = json.loads((folder / BASE).read_text())["scale"]
    found |= {name: tensor for name, tensor in own.items() if not name.endswith(ADAPTER)}
    for name in (name.removesuffix(ADAPTER[0]) for name in own if name.endswith(ADAPTER[0])):
        found[f"{name}.weight"] = found[f"{name}.weight"] + scale * (own[name + ADAPTER[1]] @ own[name + ADAPTER[0]])
    return found


def _weights_of(run: Path) -> str:
    """What tells the weights of a run from any others: the hashes of its newest checkpoint, which name its own base's."""
    files = verify(latest(run) or run)["files"]
    return hashlib.sha256(json.dumps([files["model.safetensors"], files.get(BASE)]).encode()).hexdigest()


def _read(folder: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(folder / "model.safetensors")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder}/model.safetensors: can not be read ({' '.join(str(error).split())[:200]})") from error


def _put(model: nn.Module, held: Mapping[str, Tensor], where: str, some: bool = False) -> None:
    """Puts tensors into a model: all that it has, or `some` of them."""
    state = {name: held[_plain(name)] for name in model.state_dict() if _plain(name) in held}
    try:
        if len(state) < len(held):
            raise RuntimeError(f"no place for {min(held.keys() - set(map(_plain, state)))}")
        model.load_state_dict(state, strict=not some)
    except RuntimeError as error:
        raise ValueError(f"{where}: does not fit the recipe ({' '.join(str(error).split())[:200]})") from error


def _plain(name: str) -> str:
    """A tensor's name without what peft puts into it: `q.base_layer.weight`, `q.lora_A.default.weight`."""
    return name.replace(".base_layer.", ".").replace(".default.", ".")


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
