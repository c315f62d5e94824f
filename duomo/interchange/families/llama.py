"""Llama (SmolLM2 too) and Mistral; Qwen is the same with other biases (`qwen.py`).

Reference: modeling_llama.py, modeling_mistral.py and modeling_rope_utils.py of transformers.
"""

from typing import Any

from duomo.interchange.families.family import Config, Family, Names, Place, both, layers
from duomo.interchange.families.fields import Fields
from duomo.recipe import BlockRecipe, ModelRecipe, Projection, RopeScaling

ATTENTION: tuple[Projection, ...] = ("q", "k", "v", "out")
FEEDFORWARD: tuple[Projection, ...] = ("gate", "up", "down")
SWIGLU = {"silu": "swiglu", "swish": "swiglu"}
HEAD = "lm_head.weight"
TIED = {HEAD: "embed_tokens.weight"}  # in files of a tied model that write it all the same
BUFFERS = r".*rotary_emb\.inv_freq"  # old files keep them; they follow from the config
MAPS = {"attn.q": "self_attn.q_proj", "attn.k": "self_attn.k_proj", "attn.v": "self_attn.v_proj", "attn.out": "self_attn.o_proj",
        "mlp.gate": "mlp.gate_proj", "mlp.up": "mlp.up_proj", "mlp.down": "mlp.down_proj"}  # fmt: skip
NORMS = {"attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}


def llama(fields: Fields) -> ModelRecipe:
    """LlamaConfig -> recipe."""
    bias = ATTENTION if fields.flag("attention_bias", False) else ()
    bias += FEEDFORWARD if fields.flag("mlp_bias", False) else ()
    fields.only("pretraining_tp", 1)
    fields.only("rope_interleaved", False)
    return rotary_decoder(fields, bias, kv_heads=fields.whole("num_attention_heads"))


def mistral(fields: Fields) -> ModelRecipe:
    """MistralConfig -> recipe. Raises ValueError for a sliding window that is shorter than the context."""
    refuse_window(fields, 4096)
    return rotary_decoder(fields, (), kv_heads=8, positions=4096 * 32)


def rotary_decoder(
    fields: Fields, bias: tuple[Projection, ...], kv_heads: int, positions: int = 2048, head_dim: int | None = None, qk_norm: bool = False
) -> ModelRecipe:
    """A decoder of Llama's kind: rms norms first, swiglu, rotary positions. `kv_heads`, `positions` and `head_dim` are the defaults."""
    dim, heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
    head_dim = fields.maybe("head_dim") or head_dim
    theta, scaling = rope(fields)
    block = BlockRecipe(
        dim=dim,
        heads=heads,
        kv_heads=fields.whole("num_key_value_heads", kv_heads),
        head_dim=head_dim or dim // heads,
        ff_dim=fields.whole("intermediate_size"),
        eps=fields.real("rms_norm_eps", 1e-6),
        feedforward=fields.one("hidden_act", SWIGLU, "silu"),
        theta=theta,
        scaling=scaling,
        bias=bias,
        qk_norm=qk_norm,
    )
    return ModelRecipe(
        vocab_size=fields.whole("vocab_size"),
        decoder_depth=fields.whole("num_hidden_layers"),
        block=block,
        max_positions=fields.whole("max_position_embeddings", positions),
        tied=fields.flag("tie_word_embeddings", False),
    )


def refuse_window(fields: Fields, default: int) -> None:
    """Raises ValueError for attention that sees a part of the context only: the Block sees all of it."""
    window = fields.value("sliding_window") if "sliding_window" in fields.config else default
    context = fields.whole("max_position_embeddings", 4096 * 32)
    if window is not None and not (type(window) is int and window >= context):
        mend = f"set max_position_embeddings to {window!r} to use it as far as the window reaches"
        raise ValueError(f"{fields.where}: a sliding window of {window!r} is shorter than the context of {context}; {mend}")


def rope(fields: Fields) -> tuple[float, RopeScaling | None]:
    """Theta and scaling, from where transformers 5 writes them (rope_parameters) or from where earlier ones did."""
    theta = fields.real("rope_theta", 10_000.0)
    fields.only("partial_rotary_factor", 1.0, 1)
    context = fields.whole("max_position_embeddings", 2048)
    new, old = fields.table("rope_parameters"), fields.table("rope_scaling")
    tables = [table for table in (old, new) if table is not None]
    said = [_rope(table, theta, context) for table in tables] or [(theta, None)]
    if said[0] != said[-1]:
        raise ValueError(f"{fields.where}: rope_scaling and rope_parameters say different things; take one of them out")
    if "rope_theta" in fields.config and said[-1][0] != theta:
        raise ValueError(f"{fields.where}: rope_theta is {theta:g} here and {said[-1][0]:g} in rope_parameters; take one of them out")
    return said[-1]


def _rope(fields: Fields, theta: float, context: int) -> tuple[float, RopeScaling | None]:
    kinds = {"default": "", "linear": "linear", "llama3": "llama3", "yarn": "yarn"}
    kind = fields.one("rope_type", kinds, fields.one("type", kinds, "default"))
    theta = fields.real("rope_theta", theta)
    fields.only("partial_rotary_factor", 1.0, 1)
    scaling: dict[str, Any] = {}
    if kind:
        scaling = {"kind": kind, "factor": fields.real("factor")}
    if kind in ("llama3", "yarn"):
        scaling["original_positions"] = fields.whole("original_max_position_embeddings", context)
    if kind == "llama3":
        scaling |= {"low": fields.real("low_freq_factor"), "high": fields.real("high_freq_factor")}
    if kind == "yarn":
        scaling |= {"low": fields.real("beta_slow", 1.0), "high": fields.real("beta_fast", 32.0)}
        fields.only("truncate", True)
    fields.finish()
    return theta, RopeScaling(**scaling) if scaling else None


def names(recipe: ModelRecipe) -> Names:
    """Where each tensor lies; of Qwen too."""
    bias, parts = recipe.block.bias, dict[str, Place]()
    for ours, theirs in MAPS.items():
        whole = both(ours, theirs)
        parts |= whole if ours.partition(".")[2] in bias else {f"{ours}.weight": whole[f"{ours}.weight"]}
    kept = NORMS | ({f"attn.{x}_norm": f"self_attn.{x}_norm" for x in "qk"} if recipe.block.qk_norm else {})
    parts |= {f"{ours}.weight": Place(f"{theirs}.weight") for ours, theirs in kept.items()}
    outer = {"tokens.weight": Place("embed_tokens.weight"), "decoder.norm.weight": Place("norm.weight")}
    head = {} if recipe.tied else {"head.weight": Place(HEAD)}
    return outer | layers(recipe.decoder_depth, "decoder.blocks.{}", "layers.{}", parts) | head


def config(recipe: ModelRecipe) -> Config:
    """What Llama, Mistral and Qwen have in common; `rope_parameters` is for transformers 5, what stands beside it for 4."""
    block, scaling = recipe.block, _scaling(recipe.block.scaling)
    return {
        "vocab_size": recipe.vocab_size,
        "hidden_size": block.dim,
        "intermediate_size": block.ff_width,
        "num_hidden_layers": recipe.decoder_depth,
        "num_attention_heads": block.heads,
        "num_key_value_heads": block.kv_heads or block.heads,
        "head_dim": block.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": recipe.max_positions,
        "rms_norm_eps": block.eps,
        "tie_word_embeddings": recipe.tied,
        "rope_theta": block.theta,
        "rope_scaling": scaling,
        "rope_parameters": {"rope_theta": block.theta, **(scaling or {"rope_type": "default"})},
    }


def _llama_config(recipe: ModelRecipe) -> Config:
    biases = {"attention_bias": "q" in recipe.block.bias, "mlp_bias": "up" in recipe.block.bias}
    return config(recipe) | biases


def _mistral_config(recipe: ModelRecipe) -> Config:
    return config(recipe) | {"sliding_window": None}


def _scaling(scaling: RopeScaling | None) -> Config | None:
    if scaling is None:
        return None
    said: Config = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind == "linear":
        return said
    said["original_max_position_embeddings"] = scaling.original_positions
    low, high = ("low_freq_factor", "high_freq_factor") if scaling.kind == "llama3" else ("beta_slow", "beta_fast")
    return said | {low: scaling.low, high: scaling.high}


LLAMA = Family("LlamaForCausalLM", "llama", llama, names, _llama_config, "model.", (HEAD,), BUFFERS, again=TIED)
MISTRAL = Family("MistralForCausalLM", "mistral", mistral, names, _mistral_config, "model.", (HEAD,), BUFFERS, again=TIED)
