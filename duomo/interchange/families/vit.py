"""ViT (Dosovitskiy et al. 2020) as the image sense. Its class token leads the patches; its pooler and its classifier stay out.

Reference: `modeling_vit.py` of transformers.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from duomo.interchange.families import sight
from duomo.interchange.families.family import BIAS, Config, Family, Names, Place, both, layers
from duomo.interchange.families.fields import Fields
from duomo.interchange.families.sight import EYES, SENSE
from duomo.interchange.format import Lazy
from duomo.recipe import ModelRecipe, Projection

MAPS = {"attn.q": "attention.attention.query", "attn.k": "attention.attention.key", "attn.v": "attention.attention.value",
        "attn.out": "attention.output.dense", "attn_norm": "layernorm_before",
        "mlp.up": "intermediate.dense", "mlp.down": "output.dense", "mlp_norm": "layernorm_after"}  # fmt: skip
LEADING, PLACES = f"{SENSE}.leading.table", f"{SENSE}.place.table"
BUT_QKV: tuple[Projection, ...] = ("out", "up", "down")
STAYS_OUT = r"pooler\.dense\.(weight|bias)|classifier\.(weight|bias)|embeddings\.mask_token"
NOTE = "It only sees: its pooler and its classifier stay out; its class token is read by the patches, and is not among what they give."


def vit(fields: Fields) -> ModelRecipe:
    """ViTConfig -> recipe."""
    for name in ("encoder_stride", "pooler_output_size", "pooler_act"):  # of what stays out
        fields.value(name)
    return sight.recipe(fields, "gelu", 1e-12, BIAS if fields.flag("qkv_bias", True) else BUT_QKV, leading=1)


def names(recipe: ModelRecipe) -> Names:
    """Where each tensor lies."""
    parts: dict[str, Place] = {}
    for ours, theirs in MAPS.items():
        left_out = ours in ("attn.q", "attn.k", "attn.v") and "q" not in recipe.senses[EYES].block.bias
        parts |= {f"{ours}.weight": Place(f"{theirs}.weight")} if left_out else both(ours, theirs)
    found = sight.front(recipe, "embeddings.patch_embeddings.projection") | both(f"{SENSE}.stack.norm", "layernorm")
    found |= {LEADING: Place("embeddings.cls_token", lone=True), PLACES: Place("embeddings.position_embeddings", lone=True)}
    return found | layers(recipe.senses[EYES].depth, f"{SENSE}.stack.blocks.{{}}", "encoder.layer.{}", parts)


def config(recipe: ModelRecipe) -> Config:
    """ViTConfig."""
    return sight.config(recipe) | {"qkv_bias": "q" in recipe.senses[EYES].block.bias}


def joined(recipe: ModelRecipe, held: Lazy) -> Lazy:
    """The class token with its own place added to it, and the places of the patches alone."""

    def leading() -> Tensor:
        return held[LEADING] + held[PLACES][:1]

    def places() -> Tensor:
        return held[PLACES][1:]

    return sight.without_words(recipe, Lazy({**held.made, LEADING: leading, PLACES: places}))


def parted(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The class token's own place is zero: what it was is in the token."""
    return {**weights, PLACES: torch.cat([torch.zeros_like(weights[LEADING]), weights[PLACES]])}


VIT = Family(
    architecture="ViTModel",
    model_type="vit",
    recipe=vit,
    names=names,
    config=config,
    prefix="vit.",
    ignored=STAYS_OUT,
    note=NOTE,
    wordless=sight.wordless,
    joined=joined,
    parted=parted,
)
