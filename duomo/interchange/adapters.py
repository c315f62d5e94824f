"""Adapters in PEFT's format: a folder of adapter_config.json and adapter_model.safetensors, for the twin of their base in transformers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import safetensors.torch
from torch import Tensor

from duomo.disk import whole_folder
from duomo.interchange import families
from duomo.interchange.tensors import read_json, tensors_in
from duomo.recipe import ModelRecipe, Projection

NAME = "peft"  # as in `duomo export --to`
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # peft's own wrapping
SIDES = ("lora_A", "lora_B")
BLOCKS = ("encoder.blocks.", "decoder.blocks.")  # where adapters go: not into senses
# What a config says of how adapters were trained, of where they may go, and of what only counts where something else is on.
IDLE = frozenset(
    "peft_type peft_version task_type auto_mapping base_model_name_or_path revision inference_mode lora_dropout target_modules "
    "exclude_modules layers_to_transform layers_pattern megatron_core qalora_group_size r lora_alpha use_rslora "
    "ensure_weight_tying".split()
)
MOST = 1_000_000  # of rank and alpha
PLAIN = {"bias": ("none",), "init_lora_weights": (True, False, "gaussian")}  # other beginnings change the base


@dataclass(frozen=True)
class Adapters:
    """Low-rank adapters by the house's names, as `decoder.blocks.0.attn.q.lora_A.weight`: (rank, in), and lora_B (out, rank)."""

    rank: int
    alpha: float  # a product counts alpha / rank times
    weights: Mapping[str, Tensor]

    @property
    def targets(self) -> tuple[Projection, ...]:
        """The maps that have adapters in some layer."""
        found = {name.split(".")[-3] for name in self.weights}
        return tuple(target for target in get_args(Projection) if target in found)


def known(path: Path) -> bool:
    """Whether a folder holds adapters."""
    return (path / CONFIG).is_file()


def write(adapters: Adapters, model: ModelRecipe, base: str, folder: Path) -> None:
    """A folder that peft loads onto the base in transformers. Raises ValueError for a model of no family, or whose maps lie otherwise."""
    family, names = _names(model)
    prefix = "" if family.architecture.endswith("Model") else family.prefix  # a twin without a head stands bare
    held = dict[str, Tensor]()
    for name, tensor in adapters.weights.items():
        ours, side = name.removesuffix(".weight").rsplit(".", 1)
        if ours not in names:
            raise ValueError(f"{ours}: this family keeps it together with others, or turned, so an adapter of it alone can not be written")
        held[f"{PREFIX}{prefix}{names[ours]}.{side}.weight"] = tensor.detach().cpu().contiguous()
    modules = sorted({name.removeprefix(PREFIX).rsplit(".", 2)[0] for name in held})
    alike = model.shape == "encoder"  # a pooler, which stays out here, has a map of the same last word
    config = {
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION" if alike else "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": adapters.rank,
        "lora_alpha": adapters.alpha,
        "lora_dropout": 0.0,
        "target_modules": modules if alike else _short(modules, [prefix + name for name in names.values()]),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    with whole_folder(folder) as made:
        (made / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        (made / WEIGHTS).write_bytes(safetensors.torch.save(held, {"format": "pt"}))


def read(folder: Path, model: ModelRecipe, base: Mapping[str, Tensor]) -> Adapters:
    """Adapters out of a folder, for a model of this recipe and these weights.

    Raises ValueError for what would change the answers and is not known, and for adapters of another model.
    """
    config = read_json(folder / CONFIG)
    rank, alpha = _refuse_strange(folder, config)
    family, names = _names(model)
    ours = {theirs: name for name, theirs in names.items()}
    found = dict[str, Tensor]()
    for name, tensor in tensors_in(folder).items():
        module, _, side = name.removeprefix(PREFIX).removeprefix(family.prefix).removesuffix(".weight").rpartition(".")
        if side not in SIDES or module not in ours:
            raise ValueError(f"{folder / WEIGHTS}: {name:.120} is no adapter of this base; import it onto the model that it was trained on")
        out, into = base[f"{ours[module]}.weight"].shape
        wanted = (rank, into) if side == SIDES[0] else (out, rank)
        if tuple(tensor.shape) != wanted:
            raise ValueError(f"{folder / WEIGHTS}: {name:.120} has the shape {tuple(tensor.shape)}, but rank and base want {wanted}")
        if found.setdefault(f"{ours[module]}.{side}.weight", tensor) is not tensor:
            raise ValueError(f"{folder / WEIGHTS}: holds {name:.120} twice, with and without {family.prefix}; take one of them out")
    lone = {name.rsplit(".", 2)[0] for name in found}
    if not found or len(found) != 2 * len(lone):
        raise ValueError(f"{folder / WEIGHTS}: holds {len(found)} tensors for {len(lone)} maps, of each of which there must be two")
    return Adapters(rank, alpha, found)


def _refuse_strange(folder: Path, config: Mapping[str, Any]) -> tuple[int, float]:
    """Rank and alpha of plain LoRA. Raises ValueError for anything beside it."""
    if config.get("peft_type") != "LORA":
        raise ValueError(f"{folder / CONFIG}: peft_type {config.get('peft_type')!r:.40} is not LORA, which is all that is read")
    for key, value in config.items():
        plain = value in PLAIN[key] if key in PLAIN else key in IDLE or not value
        if not plain:
            raise ValueError(f"{folder / CONFIG}: {key}={value!r:.60} changes what the adapters do in a way that is not known here")
    rank, alpha = config.get("r", 0), config.get("lora_alpha", 0)
    counts = type(rank) is int and 0 < rank <= MOST and type(alpha) in (int, float) and 0 < alpha <= MOST
    if not counts:
        raise ValueError(f"{folder / CONFIG}: r {rank!r:.40} and lora_alpha {alpha!r:.40} are not two numbers above 0, at most {MOST:,}")
    return rank, float(alpha) * (rank**0.5 if config.get("use_rslora") else 1.0)


def _names(model: ModelRecipe) -> tuple[families.Family, dict[str, str]]:
    """The family, and the house's maps -> its modules without prefix, for maps that lie there as they lie here."""
    family, _ = families.said(model)
    places = {name: place for name, place in family.names(model).items() if name.startswith(BLOCKS) and name.endswith(".weight")}
    return family, {
        name.removesuffix(".weight"): place.name.removesuffix(".weight")
        for name, place in places.items()
        if not place.turned and place.parts == 1 and "norm" not in name.rsplit(".", 2)[-2]
    }


def _short(modules: list[str], every: Any) -> list[str]:
    """The modules by their last words, as people name them, where these name no others."""
    last = {module.rpartition(".")[2] for module in modules}
    meant = {module for module in every if module.rpartition(".")[2] in last}
    return sorted(last) if meant == set(modules) else modules
