"""BERT (Devlin et al. 2018) and MiniLM: an encoder that reads. Its pooler and its head for masked words stay out.

Reference: modeling_bert.py of transformers.
"""

from duomo.interchange.families.family import ACTIVATIONS, BIAS, WORDS, Config, Family, Names, Place, both, layers
from duomo.interchange.families.fields import Fields
from duomo.recipe import BlockRecipe, ModelRecipe

MAPS = {"attn.q": "attention.self.query", "attn.k": "attention.self.key", "attn.v": "attention.self.value",
        "attn.out": "attention.output.dense", "attn_norm": "attention.output.LayerNorm",
        "mlp.up": "intermediate.dense", "mlp.down": "output.dense", "mlp_norm": "output.LayerNorm"}  # fmt: skip
STAYS_OUT = r"embeddings\.position_ids|pooler\.dense\.(weight|bias)|cls\..*"
POOLER = ("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type")
OLDER = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
NOTE = "It reads: its pooler and its head for masked words stay out."


def bert(fields: Fields) -> ModelRecipe:
    """BertConfig -> recipe."""
    fields.only("position_embedding_type", "absolute")
    fields.only("is_decoder", False)
    fields.only("add_cross_attention", False)
    fields.only("directionality", "bidi")
    for name in ("tie_word_embeddings", *POOLER):  # of what stays out
        fields.value(name)
    block = BlockRecipe(
        dim=fields.whole("hidden_size"),
        heads=fields.whole("num_attention_heads"),
        ff_dim=fields.whole("intermediate_size"),
        norm="layer",
        eps=fields.real("layer_norm_eps", 1e-12),
        norm_first=False,
        feedforward=fields.one("hidden_act", ACTIVATIONS, "gelu"),
        position="learned",
        bias=BIAS,
    )
    return ModelRecipe(
        shape="encoder",
        vocab_size=fields.whole("vocab_size"),
        encoder_depth=fields.whole("num_hidden_layers"),
        block=block,
        max_positions=fields.whole("max_position_embeddings", 512),
        final_norm=False,
        embed_norm=True,
        token_types=fields.whole("type_vocab_size", 2),
    )


def names(recipe: ModelRecipe) -> Names:
    """Where each tensor lies."""
    parts: dict[str, Place] = {}
    for ours, theirs in MAPS.items():
        parts |= both(ours, theirs)
    outer = {
        "tokens.weight": Place("embeddings.word_embeddings.weight"),
        "types.weight": Place("embeddings.token_type_embeddings.weight"),
        "encoder.positions.table": Place("embeddings.position_embeddings.weight"),
    }
    outer |= both("encoder.embed_norm", "embeddings.LayerNorm")
    return outer | layers(recipe.encoder_depth, "encoder.blocks.{}", "encoder.layer.{}", parts)


def config(recipe: ModelRecipe) -> Config:
    """BertConfig."""
    return {
        "vocab_size": recipe.vocab_size,
        "hidden_size": recipe.block.dim,
        "num_hidden_layers": recipe.encoder_depth,
        "num_attention_heads": recipe.block.heads,
        "intermediate_size": recipe.block.ff_width,
        "hidden_act": WORDS[recipe.block.feedforward],
        "max_position_embeddings": recipe.max_positions,
        "type_vocab_size": recipe.token_types,
        "layer_norm_eps": recipe.block.eps,
        "position_embedding_type": "absolute",
    }


BERT = Family("BertModel", "bert", bert, names, config, "bert.", (), STAYS_OUT, OLDER, note=NOTE)
