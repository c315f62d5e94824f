"""GPT-2 (Radford et al. 2019). Its maps are kept as (in, out), and q, k and v as one.

Reference: modeling_gpt2.py of transformers.
"""

from duomo.interchange.families.family import ACTIVATIONS, BIAS, WORDS, Config, Family, Names, Place, both, layers
from duomo.interchange.families.fields import Fields
from duomo.recipe import BlockRecipe, ModelRecipe

HEAD = "lm_head.weight"
BUFFERS = r"h\.\d+\.attn\.(bias|masked_bias)"  # the causal mask, in old files


def gpt2(fields: Fields) -> ModelRecipe:
    """GPT2Config -> recipe."""
    dim = fields.whole("n_embd")
    fields.only("scale_attn_weights", True)
    fields.only("scale_attn_by_inverse_layer_idx", False)
    fields.only("reorder_and_upcast_attn", False)
    fields.only("add_cross_attention", False)
    block = BlockRecipe(
        dim=dim,
        heads=fields.whole("n_head"),
        ff_dim=fields.maybe("n_inner") or 4 * dim,
        norm="layer",
        eps=fields.real("layer_norm_epsilon", 1e-5),
        feedforward=fields.one("activation_function", ACTIVATIONS, "gelu_new"),
        position="learned",
        bias=BIAS,
    )
    return ModelRecipe(
        vocab_size=fields.whole("vocab_size"),
        decoder_depth=fields.whole("n_layer"),
        block=block,
        max_positions=fields.whole("n_positions", 1024),
        tied=fields.flag("tie_word_embeddings", True),
    )


def names(recipe: ModelRecipe) -> Names:
    """Where each tensor lies."""
    parts = both("attn_norm", "ln_1") | both("mlp_norm", "ln_2")
    for number, projection in enumerate("qkv"):
        parts |= both(f"attn.{projection}", "attn.c_attn", turned=True, part=number, parts=3)
    for ours, theirs in (("attn.out", "attn.c_proj"), ("mlp.up", "mlp.c_fc"), ("mlp.down", "mlp.c_proj")):
        parts |= both(ours, theirs, turned=True)
    outer = {"tokens.weight": Place("wte.weight"), "decoder.positions.table": Place("wpe.weight")} | both("decoder.norm", "ln_f")
    head = {} if recipe.tied else {"head.weight": Place(HEAD)}
    return outer | layers(recipe.decoder_depth, "decoder.blocks.{}", "h.{}", parts) | head


def config(recipe: ModelRecipe) -> Config:
    """GPT2Config."""
    return {
        "vocab_size": recipe.vocab_size,
        "n_positions": recipe.max_positions,
        "n_embd": recipe.block.dim,
        "n_layer": recipe.decoder_depth,
        "n_head": recipe.block.heads,
        "n_inner": recipe.block.ff_width,
        "activation_function": WORDS[recipe.block.feedforward],
        "layer_norm_epsilon": recipe.block.eps,
        "tie_word_embeddings": recipe.tied,
    }


GPT2 = Family("GPT2LMHeadModel", "gpt2", gpt2, names, config, "transformer.", (HEAD,), BUFFERS, again={HEAD: "wte.weight"})
