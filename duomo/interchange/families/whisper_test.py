"""Whisper against transformers: redrawn weights, mixed lengths, with and without cache; and every flag matters."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from duomo.batch import Batch, Patches
from duomo.data.collate import stream
from duomo.data.render import Rendered
from duomo.generate.reader import Reader
from duomo.interchange import HUGGINGFACE
from duomo.interchange.assemble import model_of
from duomo.interchange.families import recipe_of
from duomo.interchange.families.family import inward, outward
from duomo.interchange.families.whisper import EARS, PLACEHOLDER, WHISPER, read_tokenizer
from duomo.model import Model
from duomo.recipe import ModelRecipe
from tests.hearing import BYTES, CONFIG, VOCABULARY, tokenizer, write_tokenizer
from tests.small import redrawn

TOLERANCE, SAID, LENGTHS = 1e-4, 64, (3, 11, 6)
UNUSUAL = {
    "odd vocabulary, many bands": dict(vocab_size=VOCABULARY + 13, num_mel_bins=13, encoder_attention_heads=1),
    "untied, deeper encoder": dict(tie_word_embeddings=False, encoder_layers=3, decoder_layers=1),
    "relu, one head, short sound": dict(activation_function="relu", decoder_attention_heads=1, max_source_positions=5),
}
CASES = [
    *(pytest.param({}, seed, id=f"whisper {seed}") for seed in range(3)),
    *(pytest.param(o, 1, id=name) for name, o in UNUSUAL.items()),
]


def reference(options: dict[str, Any], seed: int) -> Any:
    """The model of transformers, every parameter drawn anew."""
    pytest.importorskip("transformers")
    module = importlib.import_module("transformers.models.whisper.modeling_whisper")
    config = importlib.import_module("transformers.models.whisper.configuration_whisper")
    ends = dict(bos_token_id=None, eos_token_id=None, pad_token_id=0, decoder_start_token_id=0, begin_suppress_tokens=None)
    made = module.WhisperForConditionalGeneration(config.WhisperConfig(**CONFIG | options, **ends, attn_implementation="eager")).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            wide = 0.5 if "embed" in name else 1.5 * parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
            parameter.copy_(noise * wide + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
    return made


def imported(given: Any, folder: Path) -> Model:
    given.save_pretrained(folder)
    write_tokenizer(folder)
    return model_of(HUGGINGFACE.read(folder))


def sounds(model: Model, seed: int) -> Tensor:
    """Log-mel features (B, frames, bands) of windows that are as long as the model hears."""
    cut = model.recipe.senses[EARS].cut
    assert cut is not None
    return torch.randn(len(LENGTHS), cut.size[0], cut.features, generator=torch.Generator().manual_seed(seed))


def batch(model: Model, sound_BTF: Tensor, rows: list[list[int]]) -> Batch:
    hole, tokens = model.placeholder[EARS], sound_BTF.shape[1] // 2
    patches = [Patches(sound_TF, torch.arange(len(sound_TF))[:, None], tokens) for sound_TF in sound_BTF]
    sources = [[Rendered([hole] * tokens, [False] * tokens, [(EARS, one)])] for one in patches]
    return Batch(
        stream(sources, causal=False), stream([[Rendered(row, [False] * len(row))] for row in rows], True, left=True), torch.empty(0)
    )


@torch.inference_mode()
def mine(model: Model, sound_BTF: Tensor, rows: list[list[int]]) -> list[Tensor]:
    logits_BTV = model(batch(model, sound_BTF, rows))
    return [one[-len(row) :] for one, row in zip(logits_BTV, rows, strict=True)]


@torch.inference_mode()
def theirs(given: Any, sound_BTF: Tensor, rows: list[list[int]]) -> list[Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    found = given(input_features=sound_BTF.transpose(1, 2), decoder_input_ids=ids).logits
    return [one[: len(row)] for one, row in zip(found, rows, strict=True)]


@torch.inference_mode()
def speak(model: Model, sound_BTF: Tensor, rows: list[list[int]]) -> tuple[list[list[int]], Tensor]:
    """The likeliest tokens, one by one through the cache, and their logits (S, B, V)."""
    reader, logits = Reader(model, batch(model, sound_BTF, rows), SAID), []
    for _ in range(SAID):
        logits.append(reader.logits())
        reader.add(logits[-1].argmax(-1, keepdim=True))
    found = torch.stack(logits)
    return found.argmax(-1).T.tolist(), found


def prompts(seed: int) -> list[list[int]]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(BYTES, (length,), generator=random).tolist() for length in LENGTHS]


def worst(found: list[Tensor], wanted: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("options", "seed"), CASES)
def test_what_is_imported_computes_the_same(options: dict[str, Any], seed: int, tmp_path: Path) -> None:
    given = reference(options, seed)
    ours = imported(given, tmp_path)
    sound_BTF, asked = sounds(ours, seed), prompts(seed)
    answers, cached_SBV = speak(ours, sound_BTF, asked)
    whole = [row + answer for row, answer in zip(asked, answers, strict=True)]
    wanted = theirs(given, sound_BTF, whole)
    assert float(torch.cat(wanted).std()) >= 1
    assert worst(mine(ours, sound_BTF, whole), wanted) <= TOLERANCE
    for row, answer, logits_TV, cached_SV in zip(asked, answers, wanted, cached_SBV.unbind(1), strict=True):
        said_SV = logits_TV[len(row) - 1 : -1]
        assert said_SV.argmax(-1).tolist() == answer  # greedy: each token is the likeliest after those before
        assert float((said_SV - cached_SV)[:, :VOCABULARY].abs().max()) <= TOLERANCE  # less the placeholder, which nobody says


FLIPS: dict[str, dict[str, Any]] = {
    "norm": {"block.norm": "rms"},
    "norm of the ears": {"ears.block.norm": "rms"},
    "norm_bias": {"block.norm_bias": False},
    "norm_first": {"block.norm_first": False},
    "norm_first of the ears": {"ears.block.norm_first": False},
    "eps": {"block.eps": 1e-2},
    "eps of the ears": {"ears.block.eps": 1e-2},
    "feedforward": {"block.feedforward": "gelu_tanh"},
    "feedforward of the ears": {"ears.block.feedforward": "gelu_tanh"},
    "position": {"block.position": "sinusoidal"},
    "position of the ears": {"ears.place": "sines"},
    "bias": {"block.bias": ["q", "v", "up", "down"]},
    "bias of the ears": {"ears.block.bias": ["q", "out", "up", "down"]},
    "heads": {"block.heads": 4},
    "heads of the ears": {"ears.block.heads": 2},
    "norm of the convolutions": {"ears.norm": True},
    "what lies outside": {"ears.outside": -1.0},
    "strides": {"ears.strides": [[2], [1]]},
    "projector": {"ears.project": True},
    "final_norm": {"final_norm": False},
    "embed_norm": {"embed_norm": True},
    "embed_scale": {"embed_scale": 2.0},
    "token_types": {"token_types": 1},
    "tied": {"tied": False},
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Model]:
    given = reference({}, 0)
    return given, imported(given, tmp_path_factory.mktemp("whisper"))


@pytest.mark.parametrize("flip", FLIPS)
def test_every_flag_matters(pair: tuple[Any, Model], flip: str) -> None:
    given, ours = pair
    sound_BTF, asked = sounds(ours, 0), prompts(0)
    wanted = theirs(given, sound_BTF, asked)
    assert worst(mine(ours, sound_BTF, asked), wanted) <= TOLERANCE
    assert worst(mine(flipped(ours, FLIPS[flip]), sound_BTF, asked), wanted) > 10 * TOLERANCE


def flipped(model: Model, changes: dict[str, Any]) -> Model:
    """The same weights under another recipe; what only that one has is drawn."""
    tree = json.loads(model.recipe.model_dump_json())
    for key, value in changes.items():
        *path, last = key.split(".")
        part = tree["senses"][EARS] if path[:1] == ["ears"] else tree
        (part["block"] if path[-1:] == ["block"] else part)[last] = value
    other = redrawn(Model(ModelRecipe.model_validate(tree), model.placeholder), 7).eval()
    held = model.state_dict()
    other.load_state_dict(
        {name: held[name] if name in held and held[name].shape == t.shape else t for name, t in other.state_dict().items()}
    )
    return other


@pytest.mark.parametrize("options", [{}, UNUSUAL["untied, deeper encoder"]], ids=["tied", "untied"])
def test_out_and_in_again_is_the_same(options: dict[str, Any]) -> None:
    recipe = recipe_of(WHISPER, CONFIG | options, "config.json")
    weights = redrawn(Model(recipe, {EARS: VOCABULARY})).state_dict()
    again = recipe_of(WHISPER, WHISPER.config(recipe), "config.json")
    back = inward(WHISPER, again, outward(WHISPER, recipe, weights), "here")
    assert again == recipe and back.keys() == weights.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in weights.items())


def test_what_the_sense_gives_is_what_the_reference_encoder_gives(tmp_path: Path) -> None:
    given = reference({}, 1)
    model = imported(given, tmp_path)
    sound_BTF = sounds(model, 1)
    source = batch(model, sound_BTF, prompts(1)).source
    assert source is not None
    media = source.media[EARS]
    with torch.inference_mode():
        wanted = given.model.encoder(sound_BTF.transpose(1, 2)).last_hidden_state
        assert float((model.senses[EARS].see(media) - wanted.flatten(0, 1)).abs().max()) <= TOLERANCE


def test_what_would_change_the_answers_is_refused() -> None:
    for name, value in (("scale_embedding", True), ("activation_function", "silu"), ("use_weighted_layer_sum", True), ("encoder_depth", 3)):
        with pytest.raises(ValueError, match=name):
            recipe_of(WHISPER, CONFIG | {name: value}, "config.json")


def test_timestamps_are_completed_and_no_text_writes_a_control_token(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, stamps=False)
    short = read_tokenizer(tmp_path / "tokenizer.json", VOCABULARY)
    assert short.special == tokenizer().special
    assert short.special[PLACEHOLDER] == VOCABULARY and short.special["<|30.00|>"] == VOCABULARY - 1
    for text in ("<|0.00|>", "<|audio|>", "<|startoftranscript|>"):
        assert max(tokenizer().encode(text)) < BYTES


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json: missing"):
        read_tokenizer(tmp_path / "tokenizer.json", VOCABULARY)
    write_tokenizer(tmp_path)
    with pytest.raises(ValueError, match=r"tokenizer\.json: its timestamps"):
        read_tokenizer(tmp_path / "tokenizer.json", VOCABULARY - 1)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json: not a tokenizer\.json"):
        read_tokenizer(tmp_path / "tokenizer.json", VOCABULARY)
