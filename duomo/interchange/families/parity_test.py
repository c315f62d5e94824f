"""Each family against transformers: redrawn weights, mixed lengths, with and without cache; and every flag matters."""

import importlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.reader import Reader
from duomo.interchange import HUGGINGFACE
from duomo.interchange.assemble import model_of
from duomo.interchange.families import family_of
from duomo.interchange.families.fields import HARMLESS, Fields
from duomo.model import Model
from tests.small import tokenizer

TOLERANCE, SAID, LENGTHS = 1e-4, 64, (3, 17, 9)
SMALL: dict[str, Any] = dict(
    vocab_size=400, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128
)
ROTARY = SMALL | dict(num_key_value_heads=2, rms_norm_eps=1e-2, rope_parameters={"rope_type": "default", "rope_theta": 500.0})
LLAMA3 = dict(
    rope_theta=500.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
)
YARN = dict(rope_theta=500.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=8.0, beta_slow=1.0)
GPT2 = dict(vocab_size=400, n_embd=32, n_layer=2, n_head=4, n_positions=128, layer_norm_epsilon=1e-2)
BERT = SMALL | dict(layer_norm_eps=1e-2)


@dataclass(frozen=True)
class Case:
    """A configuration of a class of transformers."""

    made: str
    options: dict[str, Any]

    def reference(self, seed: int) -> Any:
        """The model of transformers, every parameter drawn anew."""
        pytest.importorskip("transformers")
        name, _, kind = self.made.partition(".")
        module = importlib.import_module(f"transformers.models.{name}.modeling_{name}")
        config = importlib.import_module(f"transformers.models.{name}.configuration_{name}")
        made = getattr(config, re.sub("ForCausalLM|LMHeadModel|Model|ForMaskedLM", "Config", kind))
        ends = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
        return redrawn(getattr(module, kind)(made(**self.options, **ends, attn_implementation="eager")).eval(), seed)


ORDINARY = {
    "llama": Case("llama.LlamaForCausalLM", ROTARY),
    "mistral": Case("mistral.MistralForCausalLM", ROTARY | dict(sliding_window=128)),
    "qwen2": Case("qwen2.Qwen2ForCausalLM", ROTARY | dict(tie_word_embeddings=True)),
    "qwen3": Case("qwen3.Qwen3ForCausalLM", ROTARY | dict(head_dim=8)),
    "gpt2": Case("gpt2.GPT2LMHeadModel", GPT2),
    "bert": Case("bert.BertModel", BERT),
}
LINEAR = dict(rope_type="linear", factor=3.0, rope_theta=500.0)
UNUSUAL = {
    "llama: one kv head, tied": ("llama", dict(num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=LINEAR)),
    "llama: wide heads, all biases": (
        "llama",
        dict(head_dim=24, attention_bias=True, mlp_bias=True, rope_parameters=LLAMA3),
    ),
    "llama: odd vocabulary, yarn": ("llama", dict(vocab_size=431, num_key_value_heads=4, rope_parameters=YARN)),
    "mistral: one kv head, tied": ("mistral", dict(num_key_value_heads=1, tie_word_embeddings=True)),
    "mistral: wide heads": ("mistral", dict(head_dim=24, sliding_window=None)),
    "mistral: odd vocabulary": ("mistral", dict(vocab_size=431, num_key_value_heads=4)),
    "qwen2: one kv head, untied": ("qwen2", dict(num_key_value_heads=1, tie_word_embeddings=False)),
    "qwen2: wide heads": ("qwen2", dict(head_dim=24, use_sliding_window=True, sliding_window=128, max_window_layers=0)),
    "qwen2: odd vocabulary": ("qwen2", dict(vocab_size=431, rope_parameters=YARN)),
    "qwen3: one kv head, tied": ("qwen3", dict(num_key_value_heads=1, tie_word_embeddings=True)),
    "qwen3: wide heads, biases": ("qwen3", dict(head_dim=24, attention_bias=True)),
    "qwen3: odd vocabulary": ("qwen3", dict(vocab_size=431, num_key_value_heads=4)),
    "gpt2: odd vocabulary, untied": ("gpt2", dict(vocab_size=431, tie_word_embeddings=False)),
    "gpt2: one head, relu": ("gpt2", dict(n_head=1, activation_function="relu")),
    "gpt2: narrow, erf": ("gpt2", dict(n_inner=20, activation_function="gelu")),
    "bert: odd vocabulary": ("bert", dict(vocab_size=431)),
    "bert: one head, one type": ("bert", dict(num_attention_heads=1, type_vocab_size=1)),
    "bert: narrow, tanh": ("bert", dict(intermediate_size=20, hidden_act="gelu_new")),
}
CASES = [
    *(pytest.param(case, seed, id=f"{name} {seed}") for name, case in ORDINARY.items() for seed in range(3)),
    *(
        pytest.param(replace(ORDINARY[name], options=ORDINARY[name].options | other), seed, id=told)
        for seed, (told, (name, other)) in enumerate(UNUSUAL.items())
    ),
]


@pytest.mark.parametrize(("case", "seed"), CASES)
def test_what_is_imported_computes_the_same(case: Case, seed: int, tmp_path: Path) -> None:
    reference = case.reference(seed)
    ours = imported(reference, tmp_path)
    if ours.decoder is None:
        compare(ours, reference, rows(ours.recipe.vocab_size, seed))
        return
    asked = rows(ours.recipe.vocab_size, seed)
    answers, cached_SBV = speak(ours, asked)
    wanted = compare(ours, reference, [row + answer for row, answer in zip(asked, answers, strict=True)])
    for row, answer, logits_TV, cached_SV in zip(asked, answers, wanted, cached_SBV.unbind(1), strict=True):
        said_SV = logits_TV[len(row) - 1 : -1]
        assert said_SV.argmax(-1).tolist() == answer  # greedy: each token is the likeliest after those before
        assert float((said_SV - cached_SV).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in ORDINARY if name != "bert"])
def test_its_own_generation_says_the_same(name: str, tmp_path: Path) -> None:
    reference = ORDINARY[name].reference(1)
    asked = rows(400, 1)
    ids, mask, _ = left(asked)
    reference.generation_config.pad_token_id = 0
    said = reference.generate(input_ids=ids, attention_mask=mask, max_new_tokens=SAID, do_sample=False)[:, ids.shape[1] :]
    assert said.tolist() == speak(imported(reference, tmp_path), asked)[0]


ALL = ("llama", "mistral", "qwen2", "qwen3", "gpt2", "bert")
ROTATING = ALL[:4]
FLIPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "eps": (ALL, {"block.eps": 1e-3}),
    "norm, rms": (ROTATING, {"block.norm": "layer"}),
    "norm, layer": (("gpt2", "bert"), {"block.norm": "rms"}),
    "norm_bias": (("gpt2", "bert"), {"block.norm_bias": False}),
    "norm_first": (ALL, {"block.norm_first": None}),
    "feedforward": (("gpt2",), {"block.feedforward": "gelu_erf"}),
    "feedforward, erf": (("bert",), {"block.feedforward": "gelu_tanh"}),
    "feedforward, relu": (("gpt2", "bert"), {"block.feedforward": "relu"}),
    "feedforward, gated": (ROTATING, {"block.feedforward": "gelu_erf"}),
    "position": (ALL, {"block.position": "none"}),
    "theta": (ROTATING, {"block.theta": 10_000.0}),
    "scaling": (ROTATING, {"block.scaling": {"kind": "linear", "factor": 2.0}}),
    "bias": (("qwen2", "gpt2", "bert"), {"block.bias": ()}),
    "bias of k": (("qwen2",), {"block.bias": ("q", "v")}),
    "qk_norm": (("qwen3",), {"block.qk_norm": False}),
    "final_norm": (ALL, {"final_norm": None}),
    "embed_norm": (("bert",), {"embed_norm": False}),
    "embed_scale": (("llama", "gpt2"), {"embed_scale": 2.0}),
    "token_types": (("bert",), {"token_types": 0}),
    "tied": (("llama", "mistral", "qwen3"), {"tied": True}),
}


@pytest.mark.parametrize(("name", "flip"), [(name, flip) for flip, (names, _) in FLIPS.items() for name in names])
def test_every_flag_matters(name: str, flip: str, tmp_path: Path) -> None:
    reference = ORDINARY[name].reference(0)
    ours = imported(reference, tmp_path)
    asked = rows(400, 0)
    wanted = theirs(reference, asked)
    assert worst(mine(ours, asked), wanted) <= TOLERANCE
    assert worst(mine(flipped(ours, FLIPS[flip][1]), asked), wanted) > 3 * TOLERANCE


def test_the_heads_that_stay_out_change_nothing(tmp_path: Path) -> None:
    reference = Case("bert.BertForMaskedLM", BERT).reference(0)
    asked = rows(400, 0)
    assert worst(mine(imported(reference, tmp_path), asked), theirs(reference.bert, asked)) <= TOLERANCE


def compare(ours: Model, reference: Any, asked: list[list[int]]) -> list[torch.Tensor]:
    """What the reference computes of each row, found the same here, padded left and together."""
    wanted, found = theirs(reference, asked), mine(ours, asked)
    assert float(torch.cat([one.flatten() for one in wanted]).std()) >= 1
    assert worst(found, wanted) <= TOLERANCE
    return wanted


@torch.inference_mode()
def mine(model: Model, asked: list[list[int]]) -> list[torch.Tensor]:
    hidden = model.hidden(prompt([Rendered(row, [False] * len(row)) for row in asked], model.recipe.shape))
    if model.decoder is None:
        return [hidden[at, : len(row)] for at, row in enumerate(asked)]
    return [one[-len(row) :] for one, row in zip(model.logits(hidden), asked, strict=True)]


@torch.inference_mode()
def theirs(reference: Any, asked: list[list[int]]) -> list[torch.Tensor]:
    ids, mask, position = left(asked)
    said = reference(input_ids=ids, attention_mask=mask, position_ids=position)
    found = said.logits if hasattr(said, "logits") else said.last_hidden_state
    return [one[-len(row) :] for one, row in zip(found, asked, strict=True)]


@torch.inference_mode()
def speak(model: Model, asked: list[list[int]]) -> tuple[list[list[int]], torch.Tensor]:
    """The likeliest tokens, one by one through the cache, and their logits (S, B, V)."""
    reader = Reader(model, prompt([Rendered(row, [False] * len(row)) for row in asked], "decoder"), SAID)
    logits = []
    for _ in range(SAID):
        logits.append(reader.logits())
        reader.add(logits[-1].argmax(-1, keepdim=True))
    found = torch.stack(logits)
    return found.argmax(-1).T.tolist(), found


def worst(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))


def rows(vocab: int, seed: int) -> list[list[int]]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(vocab, (length,), generator=random).tolist() for length in LENGTHS]


def left(asked: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and positions of rows padded left."""
    length = max(map(len, asked))
    ids = torch.tensor([[0] * (length - len(row)) + row for row in asked])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in asked])
    return ids, mask, (mask.cumsum(1) - 1).clamp(min=0)


def redrawn(module: Any, seed: int) -> Any:
    """Every parameter drawn anew, biases and norms too."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            if parameter.ndim > 1:
                wide = 0.5 if "embed" in name or "wte" in name or "wpe" in name else 1.2 * parameter.shape[1] ** -0.5
                parameter.copy_(noise * wide)
            else:
                parameter.copy_(0.3 * noise + (1.0 if name.endswith("weight") else 0.0))
    return module


def imported(reference: Any, folder: Path) -> Model:
    """The reference written by its own program and read by ours."""
    reference.save_pretrained(folder)
    tokenizer().save(folder / "tokenizer.json")
    return model_of(HUGGINGFACE.read(folder))


def flipped(model: Model, changes: dict[str, Any]) -> Model:
    """The same weights under another recipe; None flips what is there."""
    tree = json.loads(model.recipe.model_dump_json())
    for key, value in changes.items():
        *path, last = key.split(".")
        part = tree[path[0]] if path else tree
        part[last] = (not part[last]) if value is None else value
    other = Model(type(model.recipe).model_validate(tree), {}).eval()
    state, held = other.state_dict(), model.state_dict()
    other.load_state_dict(state | {name: t for name, t in held.items() if name in state and state[name].shape == t.shape})
    return other


@pytest.mark.parametrize("case", ORDINARY)
def test_every_switch_that_is_on_by_default_is_taken_so_that_one_turned_off_is_never_passed_over(case: str) -> None:
    config = ORDINARY[case].reference(0).config.to_dict()
    fields = Fields(config, case)
    family = family_of(config | {"architectures": None}, case)
    family.recipe(fields)
    assert {name for name, value in config.items() if value is True} <= fields.taken | HARMLESS
