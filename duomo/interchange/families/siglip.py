"""SigLIP (Zhai et al. 2023): its vision tower as the image sense. The text tower and the pooling head stay out.

Reference: `modeling_siglip.py` of transformers.
"""

from dataclasses import replace

from duomo.interchange.families import sight
from duomo.interchange.families.family import Config, Family, Names, Place, both, layers
from duomo.interchange.families.fields import Fields
from duomo.interchange.families.sight import EYES, SENSE
from duomo.recipe import ModelRecipe

MAPS = {"attn.q": "self_attn.q_proj", "attn.k": "self_attn.k_proj", "attn.v": "self_attn.v_proj", "attn.out": "self_attn.out_proj",
        "attn_norm": "layer_norm1", "mlp.up": "mlp.fc1", "mlp.down": "mlp.fc2", "mlp_norm": "layer_norm2"}  # fmt: skip
STAYS_OUT = r"head\..*|embeddings\.position_ids|text_model\..*|logit_scale|logit_bias"
NOTE, NOTE_BOTH = "It only sees: its pooling head stays out.", "It only sees: its text tower and its pooling head stay out."


def siglip(fields: Fields) -> ModelRecipe:
    """SiglipVisionConfig, or the one inside a SiglipConfig -> recipe."""
    vision = fields
    if fields.config.get("model_type") == SIGLIP_BOTH.model_type:
        fields.value("text_config")
        vision = fields.table("vision_config") or Fields({}, fields.where)
    vision.flag("vision_use_head", True)  # of the head that stays out
    made = sight.recipe(vision, "gelu_pytorch_tanh", 1e-6)
    vision.finish()
    return made


def names(recipe: ModelRecipe) -> Names:
    """Where each tensor lies."""
    parts: dict[str, Place] = {}
    for ours, theirs in MAPS.items():
        parts |= both(ours, theirs)
    found = sight.front(recipe, "embeddings.patch_embedding") | both(f"{SENSE}.stack.norm", "post_layernorm")
    found |= {f"{SENSE}.place.table": Place("embeddings.position_embedding.weight")}
    return found | layers(recipe.senses[EYES].depth, f"{SENSE}.stack.blocks.{{}}", "encoder.layers.{}", parts)


def config(recipe: ModelRecipe) -> Config:
    """SiglipVisionConfig."""
    return sight.config(recipe) | {"vision_use_head": False}


SIGLIP = Family(
    architecture="SiglipVisionModel",
    model_type="siglip_vision_model",
    recipe=siglip,
    names=names,
    config=config,
    prefix="vision_model.",
    ignored=STAYS_OUT,
    note=NOTE,
    wordless=sight.wordless,
    joined=sight.without_words,
)
SIGLIP_BOTH = replace(SIGLIP, architecture="SiglipModel", model_type="siglip", note=NOTE_BOTH)
