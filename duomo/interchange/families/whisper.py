"""Whisper (Radford et al. 2022): speech in, text out. Its encoder is the audio sense; what the sense gives is the decoder's memory.

Reference: `modeling_whisper.py` of transformers.
"""

import json
from pathlib import Path

import tokenizers

from duomo.interchange.families.family import Config, Family, Names, Place, both, layers
from duomo.interchange.families.fields import Fields
from duomo.modalities.audio import AUDIO
from duomo.recipe import BlockRecipe, CutRecipe, ModelRecipe, Projection, SenseRecipe
from duomo.tokenizer import PLAIN, Tokenizer

EARS = AUDIO.name
PLACEHOLDER = f"<|{EARS}|>"
ALL_BUT_K: tuple[Projection, ...] = ("q", "v", "out", "up", "down")
FEEDFORWARD = {"gelu": "gelu_erf", "gelu_new": "gelu_tanh", "relu": "relu"}
STEP, SECONDS = 0.02, 30  # between two timestamp tokens; of the longest window
MOST_BYTES = 64_000_000  # of a tokenizer.json


def whisper(fields: Fields) -> ModelRecipe:
    """WhisperConfig -> recipe. The depth of the encoder is that of the sense: the model has none beside it."""
    dim, frames = fields.whole("d_model"), 2 * fields.whole("max_source_positions", 1500)
    fields.only("scale_embedding", False)
    fields.only("use_weighted_layer_sum", False)
    _of_training(fields)
    ears = SenseRecipe(
        cut=CutRecipe(size=(frames,), hop=(1,), merge=(2,), features=fields.whole("num_mel_bins", 80), rate=100),
        channels=(dim, dim),
        strides=((1,), (2,)),
        place="table",
        depth=fields.whole("encoder_layers"),
        block=_block(fields, dim, "encoder").model_copy(update={"position": "none"}),
        project=False,
    )
    return ModelRecipe(
        shape="encoder_decoder",
        vocab_size=fields.whole("vocab_size"),
        decoder_depth=fields.whole("decoder_layers"),
        block=_block(fields, dim, "decoder"),
        max_positions=fields.whole("max_target_positions", 448),
        tied=fields.flag("tie_word_embeddings", True),
        senses={EARS: ears},
    )


def names(recipe: ModelRecipe) -> Names:
    """The house's names -> Hugging Face's."""
    ears, depth = f"senses.{EARS}", recipe.senses[EARS].depth
    mlp = both("mlp_norm", "final_layer_norm") | both("mlp.up", "fc1") | both("mlp.down", "fc2")
    attn, cross = _attention("attn", "self_attn"), _attention("cross", "encoder_attn")
    found = both(f"{ears}.front.convs.0", "encoder.conv1") | both(f"{ears}.front.convs.1", "encoder.conv2")
    found |= {f"{ears}.place.table": Place("encoder.embed_positions.weight")}
    found |= layers(depth, f"{ears}.stack.blocks.{{}}", "encoder.layers.{}", attn | mlp) | both(f"{ears}.stack.norm", "encoder.layer_norm")
    found |= {"tokens.weight": Place("decoder.embed_tokens.weight"), "decoder.positions.table": Place("decoder.embed_positions.weight")}
    found |= layers(recipe.decoder_depth, "decoder.blocks.{}", "decoder.layers.{}", attn | cross | mlp)
    found |= both("decoder.norm", "decoder.layer_norm")
    return found if recipe.tied else found | {"head.weight": Place("proj_out.weight")}


def config(recipe: ModelRecipe) -> Config:
    """Recipe -> WhisperConfig."""
    ears, block = recipe.senses[EARS], recipe.block
    cut, words = ears.cut or CutRecipe(size=(3000,), hop=(1,), merge=(2,), features=80), {v: k for k, v in FEEDFORWARD.items()}
    return {
        "vocab_size": recipe.vocab_size,
        "num_mel_bins": cut.features,
        "d_model": block.dim,
        "encoder_layers": ears.depth,
        "decoder_layers": recipe.decoder_depth,
        "encoder_attention_heads": ears.block.heads,
        "decoder_attention_heads": block.heads,
        "encoder_ffn_dim": ears.block.ff_dim,
        "decoder_ffn_dim": block.ff_dim,
        "max_source_positions": cut.size[0] // 2,
        "max_target_positions": recipe.max_positions,
        "activation_function": words.get(block.feedforward, block.feedforward),
        "is_encoder_decoder": True,
        "tie_word_embeddings": recipe.tied,
    }


def read_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """Whisper's tokenizer.json with all that the house needs: every timestamp, and the placeholder of sound.

    The placeholder stands past the vocabulary where that is full: it is never read as text. All added tokens become control
    tokens, so that no text can hold one. Raises ValueError, with the file, for another model's.
    """
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: {'larger than any tokenizer' if path.is_file() else 'missing'}; Whisper needs the one of the same model")
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        tree["added_tokens"] = [token | {"special": True} for token in tree["added_tokens"]]
        inner = tokenizers.Tokenizer.from_str(json.dumps(tree))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"{path}: not a tokenizer.json ({' '.join(str(error).split())[:120]})") from error
    inner.add_special_tokens([f"<|{STEP * step:.2f}|>" for step in range(round(SECONDS / STEP) + 1)])
    before, first, last = (inner.token_to_id(f"<|{name}|>") or 0 for name in ("notimestamps", "0.00", f"{SECONDS:.2f}"))
    if before != first - 1 or last >= vocab_size:
        raise ValueError(f"{path}: its timestamps are not at the end of a vocabulary of {vocab_size}; give the tokenizer of the same model")
    inner.add_special_tokens([PLACEHOLDER])
    return Tokenizer(inner, PLAIN)


def _block(fields: Fields, dim: int, stack: str) -> BlockRecipe:
    return BlockRecipe(
        dim=dim,
        heads=fields.whole(f"{stack}_attention_heads"),
        ff_dim=fields.whole(f"{stack}_ffn_dim"),
        norm="layer",
        feedforward=fields.one("activation_function", FEEDFORWARD, "gelu"),
        position="learned",
        bias=ALL_BUT_K,
    )


def _attention(ours: str, theirs: str) -> dict[str, Place]:
    """No bias on k: it would move all scores of a query alike."""
    maps = {f"{ours}.k.weight": Place(f"{theirs}.k_proj.weight")}
    for name in ("q", "v", "out"):
        maps |= both(f"{ours}.{name}", f"{theirs}.{name}_proj")
    return maps | both(f"{ours}_norm", f"{theirs}_layer_norm")


def _of_training(fields: Fields) -> None:
    for name in TRAINING:
        fields.value(name)


TRAINING = """
encoder_layerdrop decoder_layerdrop dropout activation_dropout init_std num_hidden_layers classifier_proj_size apply_spec_augment
mask_time_prob mask_time_length mask_time_min_masks mask_feature_prob mask_feature_length mask_feature_min_masks
median_filter_width is_encoder_decoder
""".split()

WHISPER = Family(
    architecture="WhisperForConditionalGeneration",
    model_type="whisper",
    recipe=whisper,
    names=names,
    config=config,
    prefix="model.",
    bare=("proj_out.weight",),
    again={"proj_out.weight": "decoder.embed_tokens.weight"},
    tokenizer=read_tokenizer,
)
