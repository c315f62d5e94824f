"""Qwen2 (biases of q, k and v) and Qwen3 (norms of queries and keys); the rest is Llama's.

Reference: modeling_qwen2.py and modeling_qwen3.py of transformers.
"""

from duomo.interchange.families.family import Config, Family
from duomo.interchange.families.fields import Fields
from duomo.interchange.families.llama import ATTENTION, BUFFERS, HEAD, TIED, config, names, refuse_window, rotary_decoder
from duomo.recipe import ModelRecipe


def qwen2(fields: Fields) -> ModelRecipe:
    """Qwen2Config -> recipe. Raises ValueError for a sliding window that is in use and shorter than the context."""
    _refuse_windows(fields)
    return rotary_decoder(fields, ("q", "k", "v"), kv_heads=32, positions=32_768)


def qwen3(fields: Fields) -> ModelRecipe:
    """Qwen3Config -> recipe. Raises ValueError as `qwen2` does."""
    _refuse_windows(fields)
    bias = ATTENTION if fields.flag("attention_bias", False) else ()
    return rotary_decoder(fields, bias, kv_heads=32, positions=32_768, head_dim=128, qk_norm=True)


def _refuse_windows(fields: Fields) -> None:
    used, allowed = fields.flag("use_sliding_window", False), {"full_attention"}
    fields.value("sliding_window")  # counts where it is in use
    if used:
        refuse_window(fields, 4096)
        allowed.add("sliding_attention")  # over a window as long as the context
    kinds = fields.value("layer_types", [])
    if not isinstance(kinds, list) or set(map(str, kinds)) - allowed:
        raise ValueError(f"{fields.where}: layer_types are {kinds!r:.60}; read here is only {' and '.join(sorted(allowed))}")


def _qwen2_config(recipe: ModelRecipe) -> Config:
    return config(recipe) | {"use_sliding_window": False}


def _qwen3_config(recipe: ModelRecipe) -> Config:
    return config(recipe) | {"use_sliding_window": False, "attention_bias": "q" in recipe.block.bias}


QWEN2 = Family("Qwen2ForCausalLM", "qwen2", qwen2, names, _qwen2_config, "model.", (HEAD,), BUFFERS, again=TIED)
QWEN3 = Family("Qwen3ForCausalLM", "qwen3", qwen3, names, _qwen3_config, "model.", (HEAD,), BUFFERS, again=TIED)
