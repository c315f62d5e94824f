"""The table of families by the architecture that a config.json names. A new family is one file and one row here."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from duomo.interchange.families.bert import BERT
from duomo.interchange.families.family import Config, Family, Names, Place, inward, outward
from duomo.interchange.families.fields import Fields
from duomo.interchange.families.gpt2 import GPT2
from duomo.interchange.families.llama import LLAMA, MISTRAL
from duomo.interchange.families.qwen import QWEN2, QWEN3
from duomo.interchange.families.siglip import SIGLIP, SIGLIP_BOTH
from duomo.interchange.families.vit import VIT
from duomo.interchange.families.whisper import WHISPER
from duomo.recipe import BlockRecipe, ModelRecipe, RopeScaling

FAMILIES: dict[str, Family] = {
    "LlamaForCausalLM": LLAMA,
    "MistralForCausalLM": MISTRAL,
    "Qwen2ForCausalLM": QWEN2,
    "Qwen3ForCausalLM": QWEN3,
    "GPT2LMHeadModel": GPT2,
    "BertModel": BERT,
    "BertForMaskedLM": BERT,
    "BertForPreTraining": BERT,
    "WhisperForConditionalGeneration": WHISPER,
    "SiglipVisionModel": SIGLIP,
    "SiglipModel": SIGLIP_BOTH,
    "ViTModel": VIT,
    "ViTForImageClassification": VIT,
}
__all__ = ["FAMILIES", "Config", "Family", "Fields", "Names", "Place", "family_of", "inward", "outward", "recipe_of", "said"]


def family_of(config: Mapping[str, Any], where: str | Path) -> Family:
    """The family of a config. Raises ValueError, listing the known ones, for another."""
    named = config.get("architectures") or []
    if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) and named[0] in FAMILIES:
        return FAMILIES[named[0]]
    found = [family for family in FAMILIES.values() if family.model_type == config.get("model_type")]
    if not named and found:
        return found[0]
    told = ", ".join(map(str, named)) if isinstance(named, list) and named else config.get("model_type", "none")
    raise ValueError(f"{where}: the architecture {told!s:.80} is not known; known: {', '.join(FAMILIES)}")


def recipe_of(family: Family, config: Mapping[str, Any], where: str | Path) -> ModelRecipe:
    """The recipe of a config. Raises ValueError, with the field, for what the Block can not do or nobody knows."""
    fields = Fields(config, where)
    try:
        recipe = family.recipe(fields)
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")) for fault in error.errors()]
        told = "; ".join(f"{key} {reason}".strip() for key, reason in faults)
        raise ValueError(f"{where}: {told}") from None
    fields.finish()
    return recipe


def said(recipe: ModelRecipe) -> tuple[Family, Config]:
    """The family that is exactly this recipe, and its config. Raises ValueError telling what keeps the nearest from it."""
    wanted, nearest = essential(recipe), list[str]()
    for family in {family.architecture: family for family in FAMILIES.values()}.values():
        try:
            config = family.config(recipe)
            found = essential(recipe_of(family, config, "config.json"))
        except (KeyError, ValueError):  # something that the family has no field for
            continue
        differences = list(_differences(wanted.model_dump(), found.model_dump(), ""))
        if not differences:
            return family, {"architectures": [family.architecture], "model_type": family.model_type, **config}
        told = [f"{family.architecture}: {', '.join(differences)}"]
        nearest = told if not nearest or len(differences) < nearest[0].count(",") + 1 else nearest
    raise ValueError(f"no known family computes what this model does; the nearest differs ({'; '.join(nearest)})")


def essential(recipe: ModelRecipe) -> ModelRecipe:
    """The recipe with defaults spelt out, and without what does not change what the model computes."""
    block, plain = recipe.block, BlockRecipe()
    used = {*block.bias} - (set() if block.feedforward == "swiglu" else {"gate"})
    rotary = block.position == "rotary"
    spelt = {
        "kv_heads": block.kv_heads or block.heads,
        "head_dim": block.head_width,
        "ff_dim": block.ff_width,
        "norm_bias": block.norm_bias or block.norm == "rms",
        "theta": block.theta if rotary else plain.theta,
        "scaling": _scaling(block.scaling) if rotary else None,
        "bias": tuple(sorted(used)),
        "dropout": 0.0,
    }
    return recipe.model_copy(update={"block": block.model_copy(update=spelt)})


def _scaling(scaling: RopeScaling | None) -> RopeScaling | None:
    return RopeScaling(kind="linear", factor=scaling.factor) if scaling and scaling.kind == "linear" else scaling


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, value in wanted.items():
        other = found[name]
        if isinstance(value, dict) and isinstance(other, dict):
            yield from _differences(value, other, f"{where}{name}.")
        elif value != other:
            yield f"{where}{name} {other} not {value}"
