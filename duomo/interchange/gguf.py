"""GGUF, llama.cpp's one-file format: read with every quantised type that the `gguf` package knows, written as F16 or Q8_0.

Names and fields are those of that package's tables. llama.cpp's "llama" keeps the two members of a rotary pair beside each
other, where we (and Hugging Face) keep them half a head apart: q and k are reordered on the way in and out.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from torch import Tensor

from duomo.blocks.positions import rotary_angles
from duomo.disk import whole_file
from duomo.interchange import gguf_tokens
from duomo.interchange.families.fields import Fields
from duomo.interchange.format import Card, Format, Lazy, Outside
from duomo.interchange.gguf_file import AGAIN, MAGIC, GGUFFile, library
from duomo.interchange.template import jinja
from duomo.recipe import BlockRecipe, ModelRecipe, RopeScaling, parse_part
from duomo.tokenizer import PLAIN, Tokenizer, chat_format

INTERLEAVED = ("llama",)
KNOWN = ("llama", "qwen2", "qwen3")
FREQUENCIES = "rope_freqs.weight"  # how much slower each rotary pair turns
TOP = {"tokens.weight": "token_embd.weight", "decoder.norm.weight": "output_norm.weight", "head.weight": "output.weight"}
PARTS = {
    "attn_norm": "attn_norm",
    "attn.q": "attn_q",
    "attn.k": "attn_k",
    "attn.v": "attn_v",
    "attn.out": "attn_output",
    "attn.q_norm": "attn_q_norm",
    "attn.k_norm": "attn_k_norm",
    "mlp_norm": "ffn_norm",
    "mlp.gate": "ffn_gate",
    "mlp.up": "ffn_up",
    "mlp.down": "ffn_down",
}
BIASED = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "out": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
FILE_TYPES = {"F32": 0, "F16": 1, "Q8_0": 7}  # general.file_type


def known(path: Path) -> bool:
    """Whether a file calls itself GGUF, by its name or its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.suffix.lower() == ".gguf" or file.read(4) == MAGIC


def read(path: Path) -> Outside:
    """A GGUF file of a text model; its weights stay in the mapped file until they are asked for.

    Raises ValueError, in one line, for damage, for an architecture that is not known, and for whatever would change its answers.
    """
    file = GGUFFile(path)
    architecture, parts = file.fields.get("general.architecture"), file.fields.get("split.count", 1)
    if type(parts) is not int or parts > 1:
        raise ValueError(f"{path}: is one part of {parts}; join them with llama.cpp's `gguf-split --merge` first")
    if not isinstance(architecture, str) or architecture not in KNOWN:
        raise ValueError(f"{path}: holds a model of the architecture {str(architecture)[:40]!r}; known: {', '.join(KNOWN)}")
    recipe = _recipe(file, architecture)
    shapes = _shapes(recipe)
    _compare(file, {_outside(name): shape for name, shape in shapes.items()})
    tokenizer, chat = _words(file, recipe.vocab_size)
    order = _order(recipe, architecture, halves)
    weights = Lazy({name: partial(_weight, file, _outside(name), order.get(name)) for name in shapes})
    return Outside(recipe, weights, tokenizer, chat, _card(file, chat))


def write(outside: Outside, path: Path, kind: str = "F16") -> None:
    """One GGUF file, whole or not at all: matrices as F32, F16 or Q8_0 (F16 where rows are no multiple of 32), vectors as F32.

    Raises ValueError for a model that is none of llama.cpp's llama, qwen2 and qwen3, and for a tokenizer that GGUF can not say.
    """
    gguf, architecture = library(), _architecture(outside.model)
    order = _order(outside.model, architecture, interleaved)
    tensors = {_outside(name): partial(_weight, outside.weights, name, order.get(name)) for name in _shapes(outside.model)}
    if (scaling := outside.model.block.scaling) and scaling.kind == "llama3":
        tensors[FREQUENCIES] = partial(_slowness, outside.model.block)
    fields = _fields(outside, architecture) | {"general.file_type": FILE_TYPES[kind]}
    with whole_file(path) as part:
        writer = gguf.GGUFWriter(part, architecture)
        for key, value in fields.items():
            _add(writer, key, value)
        _write_tensors(gguf, writer, tensors, kind)


def peer(path: Path, rows: Sequence[Sequence[int]]) -> Sequence[Tensor] | None:
    """The logits that transformers computes from a file, by a reader of its own.

    None where it is not installed, and for what its reader passes over: stretched angles, and widths of heads that it guesses.
    """
    try:
        importlib.import_module("accelerate")  # without it transformers reads no GGUF
        transformers = importlib.import_module("transformers")
    except ImportError:
        return None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    block, place = read(path).model.block, {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(path.parent, **place)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if block.scaling is not None or head_dim != block.head_width:
        return None
    with redirect_stderr(StringIO()), torch.inference_mode():  # it draws a bar for its tensors, whatever it was told
        model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **place).eval()
        return [model(input_ids=torch.tensor([list(row)])).logits[0].float() for row in rows]


def halves(tensor: Tensor, heads: int) -> Tensor:
    """Rows of heads whose rotary pairs lie beside each other -> half a head apart."""
    return tensor.unflatten(0, (heads, -1, 2)).transpose(1, 2).reshape(tensor.shape)


def interleaved(tensor: Tensor, heads: int) -> Tensor:
    """The inverse of `halves`."""
    return tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(tensor.shape)


def _recipe(file: GGUFFile, architecture: str) -> ModelRecipe:
    """The model that the file's fields say. Every field of the architecture is honoured or refused."""
    own = {key.removeprefix(f"{architecture}."): value for key, value in file.fields.items() if key.startswith(f"{architecture}.")}
    config = {key.replace(".", "_"): _plain(value) for key, value in own.items()}
    fields = Fields(config, file.path)
    heads, dim, context = fields.whole("attention_head_count"), fields.whole("embedding_length"), fields.whole("context_length")
    head_dim = fields.whole("attention_key_length", dim // heads)
    if head_dim % 2:
        raise ValueError(f"{file.path}: heads of width {head_dim} have no rotary pairs; {AGAIN}")
    for same in ("attention_value_length", "rope_dimension_count"):
        fields.only(same, head_dim)
    for absent in ("expert_count", "expert_used_count"):
        fields.only(absent, 0)
    fields.only("attention_causal", True)
    if (window := fields.maybe("attention_sliding_window")) is not None and window < context:
        raise ValueError(f"{file.path}: attention slides over {window:,} of {context:,} tokens, which is not known here")
    depth, vocabulary = fields.whole("block_count"), _rows(file, TOP["tokens.weight"])
    fields.only("vocab_size", vocabulary)
    if depth > len(file.stored):
        raise ValueError(f"{file.path}: claims {depth:,} blocks but has {len(file.stored):,} tensors; {AGAIN}")
    block = {
        "dim": dim,
        "heads": heads,
        "kv_heads": fields.whole("attention_head_count_kv", heads),
        "head_dim": head_dim,
        "ff_dim": fields.whole("feed_forward_length"),
        "eps": fields.real("attention_layer_norm_rms_epsilon"),
        "theta": fields.real("rope_freq_base", 10_000.0),
        "scaling": _scaling(fields),
        "bias": tuple(name for name, part in BIASED.items() if f"blk.0.{part}.bias" in file.stored),
        "qk_norm": architecture == "qwen3",
    }
    fields.finish()
    block["scaling"] = _frequencies(file, parse_part(block, str(file.path), BlockRecipe)) or block["scaling"]
    model = {"vocab_size": vocabulary, "decoder_depth": depth, "max_positions": context, "block": block}
    return parse_part(model | {"tied": TOP["head.weight"] not in file.stored}, str(file.path), ModelRecipe)


def _plain(value: Any) -> Any:
    """A field as JSON would have it: lists for arrays, and the shortest number that is this float32."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return float(str(np.float32(value))) if isinstance(value, float) and isfinite(value) else value


def _rows(file: GGUFFile, name: str) -> int:
    if name not in file.stored or len(file.stored[name].shape) != 2:
        raise ValueError(f"{file.path}: has no matrix {name}; {AGAIN}")
    return file.stored[name].shape[0]


def _scaling(fields: Fields) -> RopeScaling | None:
    """How the rotary angles are stretched, as the fields say."""
    fields.value("rope_scaling_finetuned")
    if fields.value("rope_scale_linear") not in (None, 1.0):
        return RopeScaling(kind="linear", factor=fields.real("rope_scale_linear"))
    kind = fields.value("rope_scaling_type", "none")
    if kind in (None, "none"):
        fields.only("rope_scaling_factor", 1.0, 0.0)
        return None
    fields.only("rope_scaling_type", "linear", "yarn")
    factor, trained = fields.real("rope_scaling_factor"), fields.maybe("rope_scaling_original_context_length")
    if kind == "linear":
        return RopeScaling(kind="linear", factor=factor)
    fields.only("rope_scaling_attn_factor", 1.0)
    low, high = fields.real("rope_scaling_yarn_beta_slow", 1.0), fields.real("rope_scaling_yarn_beta_fast", 32.0)
    return RopeScaling(kind="yarn", factor=factor, original_positions=trained or fields.whole("context_length"), low=low, high=high)


def _frequencies(file: GGUFFile, block: BlockRecipe) -> RopeScaling | None:
    """The llama3 scaling behind a tensor of factors. Raises ValueError for factors of any other origin."""
    if FREQUENCIES not in file.stored:
        return None
    pairs = (block.head_width) // 2
    if file.stored[FREQUENCIES].shape == (pairs,) and block.scaling is None:
        found = file[FREQUENCIES]
        if torch.equal(found, torch.ones(pairs)):
            return None
        for trained in (8192, 4096, 2048, 16384, 32768):
            if not 1 < float(found.max()) < 1e6:
                break
            scaling = RopeScaling(kind="llama3", factor=float(found.max()), original_positions=trained)
            if torch.allclose(_slowness(block.model_copy(update={"scaling": scaling})), found, rtol=1e-4):
                return scaling
    raise ValueError(f"{file.path}: {FREQUENCIES} stretches the rotary angles in a way that is not known here; known: llama3's")


def _slowness(block: BlockRecipe) -> Tensor:
    """(K/2,): how many times slower each rotary pair turns than without scaling."""
    head_dim = block.head_width
    return rotary_angles(block.model_copy(update={"scaling": None}), head_dim) / rotary_angles(block, head_dim)


def _shapes(recipe: ModelRecipe) -> dict[str, tuple[int, ...]]:
    """Every tensor of such a model with its shape."""
    block, dim = recipe.block, recipe.block.dim
    head_dim = block.head_width
    wide, narrow, hidden = block.heads * head_dim, (block.kv_heads or block.heads) * head_dim, block.ff_width
    maps = {"attn.q": (wide, dim), "attn.k": (narrow, dim), "attn.v": (narrow, dim), "attn.out": (dim, wide)}
    maps |= {"mlp.gate": (hidden, dim), "mlp.up": (hidden, dim), "mlp.down": (dim, hidden)}
    norms = {"attn_norm": dim, "mlp_norm": dim} | ({"attn.q_norm": head_dim, "attn.k_norm": head_dim} if block.qk_norm else {})
    parts: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in maps.items()}
    parts |= {f"{name}.bias": shape[:1] for name, shape in maps.items() if name.partition(".")[2] in block.bias}
    parts |= {f"{name}.weight": (size,) for name, size in norms.items()}
    ends = {"tokens.weight": (recipe.vocab_size, dim), "decoder.norm.weight": (dim,)}
    ends |= {} if recipe.tied else {"head.weight": (recipe.vocab_size, dim)}
    layers = {f"decoder.blocks.{layer}.{name}": shape for layer in range(recipe.decoder_depth) for name, shape in parts.items()}
    return {**ends, **layers}


def _compare(file: GGUFFile, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError where a tensor is missing, left over, or of another shape than the fields say."""
    for name, shape in shapes.items():
        if name not in file.stored:
            raise ValueError(f"{file.path}: has no {name}; {AGAIN}")
        if file.stored[name].shape != shape:
            raise ValueError(f"{file.path}: {name} has the shape {file.stored[name].shape}, but its fields say {shape}; {AGAIN}")
    for name in file.stored.keys() - shapes.keys() - {FREQUENCIES}:
        raise ValueError(f"{file.path}: {name} is left over, which its architecture has not here; nothing is loaded in part")


def _outside(name: str) -> str:
    """GGUF's name of one of our tensors: decoder.blocks.3.attn.q.weight -> blk.3.attn_q.weight."""
    if name in TOP:
        return TOP[name]
    layer, _, rest = name.removeprefix("decoder.blocks.").partition(".")
    part, _, kind = rest.rpartition(".")
    return f"blk.{layer}.{PARTS[part]}.{kind}"


def _order(recipe: ModelRecipe, architecture: str, turn: Callable[..., Tensor]) -> dict[str, Callable[[Tensor], Tensor]]:
    """By name, what reorders a tensor's rows."""
    if architecture not in INTERLEAVED:
        return {}
    heads = {"q": recipe.block.heads, "k": recipe.block.kv_heads or recipe.block.heads}
    return {
        f"decoder.blocks.{layer}.attn.{part}.{kind}": partial(turn, heads=count)
        for layer in range(recipe.decoder_depth)
        for part, count in heads.items()
        for kind in ("weight", "bias")
    }


def _weight(tensors: Mapping[str, Tensor], name: str, order: Callable[[Tensor], Tensor] | None) -> Tensor:
    return tensors[name] if order is None else order(tensors[name])


def _words(file: GGUFFile, vocab_size: int) -> tuple[Tokenizer, str]:
    """The tokenizer and the name of the chat format. Raises ValueError for ids that the model has no vector for."""
    inner = gguf_tokens.read(file.fields, str(file.path))
    last = max(inner.get_vocab().values(), default=0)
    if last >= vocab_size:
        raise ValueError(f"{file.path}: has a token of id {last:,}, but {TOP['tokens.weight']} has {vocab_size:,} rows; {AGAIN}")
    chat = _chat(inner, file)
    try:
        return Tokenizer(inner, chat), chat
    except ValueError as error:
        raise ValueError(f"{file.path}: {error}") from error


def _chat(inner: tokenizers.Tokenizer, file: GGUFFile) -> str:
    """The chat format that the file's template shows; without a template the model goes on where a text ends."""
    template = file.fields.get("tokenizer.chat_template")
    if not isinstance(template, str) or not template:
        return PLAIN
    return chat_format((token.content for token in inner.get_added_tokens_decoder().values() if token.special), template) or PLAIN


def _card(file: GGUFFile, chat: str) -> Card:
    def told(key: str) -> str:
        value = file.fields.get(key, "")
        return value if isinstance(value, str) else ""

    gguf, languages = library(), file.fields.get("general.languages")
    kinds = sorted({gguf.GGMLQuantizationType(stored.kind).name for stored in file.stored.values() if len(stored.shape) > 1})
    spoken = tuple(languages) if isinstance(languages, list) else ()
    note = f"its matrices came as {', '.join(kinds)}"
    if chat == PLAIN and told("tokenizer.chat_template"):
        note += "; its way to write conversations is not known here, so it only goes on where a text ends"
    return Card(told("general.name") or file.path.stem, told("general.license"), spoken, note)


def _architecture(recipe: ModelRecipe) -> str:
    """Which of llama.cpp's architectures computes the same. Raises ValueError naming what none of them has."""
    block = recipe.block
    plain = {
        "shape": recipe.shape == "decoder",
        "senses": not recipe.senses,
        "block.norm": block.norm == "rms",
        "block.norm_first": block.norm_first,
        "block.feedforward": block.feedforward == "swiglu",
        "block.position": block.position == "rotary",
        "final_norm": recipe.final_norm,
        "embed_norm": not recipe.embed_norm,
        "embed_scale": recipe.embed_scale == 1.0,
        "token_types": not recipe.token_types,
        "head_bias": not recipe.head_bias,
        "block.bias": block.bias == () or (set(block.bias) == {"q", "k", "v"} and not block.qk_norm),
    }
    for name, fits in plain.items():
        if not fits:
            raise ValueError(f"model.{name}: {', '.join(KNOWN)} are text models that have no such thing; export to another format")
    return "qwen3" if block.qk_norm else "qwen2" if block.bias else "llama"


def _fields(outside: Outside, architecture: str) -> dict[str, Any]:
    recipe, block, card = outside.model, outside.model.block, outside.card
    head_dim = block.head_width
    own: dict[str, Any] = {
        "block_count": recipe.decoder_depth,
        "context_length": recipe.max_positions,
        "embedding_length": block.dim,
        "feed_forward_length": block.ff_width,
        "attention.head_count": block.heads,
        "attention.head_count_kv": block.kv_heads or block.heads,
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "attention.layer_norm_rms_epsilon": float(block.eps),
        "rope.freq_base": float(block.theta),
        "rope.dimension_count": head_dim,
        "vocab_size": recipe.vocab_size,
    }
    if (scaling := block.scaling) and scaling.kind != "llama3":
        own["rope.scaling.type"], own["rope.scaling.factor"] = scaling.kind, float(scaling.factor)
        if scaling.kind == "yarn":
            own |= {"rope.scaling.original_context_length": scaling.original_positions}
            own |= {"rope.scaling.yarn_beta_slow": float(scaling.low), "rope.scaling.yarn_beta_fast": float(scaling.high)}
    general = {"name": card.title, "license": card.licence.lower(), "languages": list(card.languages), "quantization_version": 2}
    tokenizer = gguf_tokens.fields(outside.tokenizer, recipe.vocab_size) | {"tokenizer.chat_template": jinja(outside.tokenizer.chat)}
    return {f"general.{k}": v for k, v in general.items()} | {f"{architecture}.{k}": v for k, v in own.items()} | tokenizer


def _add(writer: Any, key: str, value: Any) -> None:
    kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, list: writer.add_array}
    kinds[type(value)](key, value)


def _write_tensors(gguf: Any, writer: Any, tensors: Mapping[str, Callable[[], Tensor]], kind: str) -> None:
    """Header first, then tensor after tensor: only one is in memory at a time."""
    kinds = gguf.GGMLQuantizationType
    stored = {}
    for name, made in tensors.items():
        shape = tuple(made().shape)
        stored[name] = kinds.F32 if len(shape) == 1 else kinds.F16 if shape[-1] % 32 and kind != "F32" else kinds[kind]
        bytes_shape = gguf.quant_shape_to_byte_shape(shape, stored[name])
        form = {kinds.F32: np.float32, kinds.F16: np.float16}.get(stored[name], np.uint8)
        writer.add_tensor_info(name, bytes_shape if form is np.uint8 else shape, np.dtype(form), int(np.prod(bytes_shape)), stored[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, made in tensors.items():
        writer.write_tensor_data(gguf.quantize(np.ascontiguousarray(made().detach().float().numpy()), stored[name]))
    writer.close()


GGUF = Format("gguf", "GGUF of llama.cpp, F16", known, read, write, suffix=".gguf", tolerance=5e-2, peer=peer)
GGUF_Q8 = replace(GGUF, name="gguf-q8_0", title="GGUF of llama.cpp, Q8_0", write=partial(write, kind="Q8_0"), tolerance=5e-1)
