"""SigLIP and ViT against transformers: redrawn weights, pictures through the house's own cut; and every flag matters."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from duomo import cli
from duomo.batch import Batch, Patches
from duomo.commands.begin import begin
from duomo.commands.models import open_model
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.interchange import HUGGINGFACE
from duomo.interchange.assemble import model_of
from duomo.interchange.families import FAMILIES, recipe_of, said
from duomo.interchange.families.family import outward
from duomo.interchange.families.sight import CONTROL, EYES
from duomo.modalities.image import IMAGE
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe, Recipe
from tests.small import redrawn

TOLERANCE, PICTURES = 1e-4, 3
SMALL: dict[str, Any] = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, image_size=24, patch_size=8, layer_norm_eps=1e-2
)
UNUSUAL = {
    "siglip: one layer, one head": ("siglip", dict(num_hidden_layers=1, num_attention_heads=1)),
    "siglip: odd width, grey": ("siglip", dict(hidden_size=27, num_attention_heads=3, num_channels=1, intermediate_size=13)),
    "siglip: erf, pixels left over": ("siglip", dict(hidden_act="gelu", image_size=29)),
    "vit: neither picture nor patches square": ("vit", dict(image_size=[12, 40], patch_size=[4, 8])),
    "vit: no biases of q, k, v, tanh": ("vit", dict(qkv_bias=False, hidden_act="gelu_new")),
    "vit: one layer, odd width, grey": ("vit", dict(num_hidden_layers=1, hidden_size=27, num_attention_heads=3, num_channels=1)),
}
CASES = [
    *(pytest.param(name, {}, seed, id=f"{name} {seed}") for name in ("siglip", "vit") for seed in range(3)),
    *(pytest.param(name, options, 1, id=told) for told, (name, options) in UNUSUAL.items()),
]


def classes(name: str) -> tuple[Any, Any]:
    """The modules of a model and of its config."""
    pytest.importorskip("transformers")
    return tuple(importlib.import_module(f"transformers.models.{name}.{part}_{name}") for part in ("modeling", "configuration"))


def reference(name: str, options: dict[str, Any], seed: int) -> Any:
    """The model of transformers, every parameter drawn anew."""
    models, configs = classes(name)
    model, config = (models.SiglipVisionModel, configs.SiglipVisionConfig) if name == "siglip" else (models.ViTModel, configs.ViTConfig)
    return drawn(model(config(**SMALL | options, attn_implementation="eager")), seed)


def drawn(given: Any, seed: int) -> Any:
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in given.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            table = "position" in name or "cls" in name
            wide = 0.5 if table else 1.5 * parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
            parameter.copy_(noise * wide + (1.3 if "norm" in name and name.endswith("weight") else 0.0))
    return given.eval()


def imported(given: Any, folder: Path) -> Model:
    given.save_pretrained(folder)
    return model_of(HUGGINGFACE.read(folder))


def pictures(config: Any, seed: int) -> list[np.ndarray]:
    """(H, W, 3) each; grey where the model sees grey."""
    size = config.image_size if isinstance(config.image_size, list | tuple) else [config.image_size] * 2
    made = np.random.default_rng(seed).integers(0, 256, (PICTURES, *size, config.num_channels), dtype=np.uint8)
    return list(made.repeat(3 // config.num_channels, -1))


def patches(model: Model, pixels_HWC: np.ndarray) -> Patches:
    """As any picture is cut, less what a convolution without padding leaves over."""
    cut = model.recipe.senses[EYES].cut
    assert cut is not None
    return IMAGE.cut(pixels_HWC[: cut.size[0], : cut.size[1]], cut)


def batch(model: Model, shown: list[np.ndarray]) -> Batch:
    hole, found = model.placeholder[EYES], [patches(model, one) for one in shown]
    return prompt([Rendered([hole] * one.tokens, [False] * one.tokens, [(EYES, one)]) for one in found], "encoder")


@torch.inference_mode()
def mine(model: Model, shown: list[np.ndarray]) -> Tensor:
    return model.hidden(batch(model, shown))


@torch.inference_mode()
def theirs(given: Any, shown: list[np.ndarray]) -> Tensor:
    """Of the patches: what the class token became is not among what a sense gives."""
    values = [torch.from_numpy(one[..., : given.config.num_channels]).permute(2, 0, 1) for one in shown]
    found = given(pixel_values=torch.stack(values).float() / 127.5 - 1).last_hidden_state
    return found[:, hasattr(given.embeddings, "cls_token") :]


def worst(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max())


@pytest.mark.parametrize(("name", "options", "seed"), CASES)
def test_what_is_imported_sees_the_same(name: str, options: dict[str, Any], seed: int, tmp_path: Path) -> None:
    given = reference(name, options, seed)
    ours, shown = imported(given, tmp_path), pictures(given.config, seed)
    wanted = theirs(given, shown)
    assert float(wanted.std()) >= 1
    assert worst(mine(ours, shown), wanted) <= TOLERANCE


BOTH = ("siglip", "vit")
FLIPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "norm": (BOTH, {"block.norm": "rms"}),
    "norm_bias": (BOTH, {"block.norm_bias": False}),
    "norm_first": (BOTH, {"block.norm_first": False}),
    "eps": (BOTH, {"block.eps": 1e-3}),
    "feedforward, tanh": (("siglip",), {"block.feedforward": "gelu_erf"}),
    "feedforward, erf": (("vit",), {"block.feedforward": "gelu_tanh"}),
    "feedforward, relu": (BOTH, {"block.feedforward": "relu"}),
    "bias of attention": (BOTH, {"block.bias": ["up", "down"]}),
    "bias of feed-forward": (BOTH, {"block.bias": ["q", "k", "v", "out"]}),
    "heads": (BOTH, {"block.heads": 2}),
    "qk_norm": (BOTH, {"block.qk_norm": True}),
    "position": (BOTH, {"block.position": "rotary"}),
    "place": (BOTH, {"place": "sines"}),
    "leading": (("vit",), {"leading": 0}),
    "nothing leads": (("siglip",), {"leading": 1}),
    "projector": (BOTH, {"project": True}),
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Model]]:
    given = {name: reference(name, {}, 0) for name in BOTH}
    return {name: (one, imported(one, tmp_path_factory.mktemp(name))) for name, one in given.items()}


@pytest.mark.parametrize(("name", "flip"), [(name, flip) for flip, (names, _) in FLIPS.items() for name in names])
def test_every_flag_matters(pairs: dict[str, tuple[Any, Model]], name: str, flip: str) -> None:
    given, ours = pairs[name]
    shown = pictures(given.config, 0)
    found = seen(flipped(ours, FLIPS[flip][1]), shown)
    wanted = theirs(given, shown)
    assert worst(seen(ours, shown), wanted.flatten(0, 1)) <= TOLERANCE
    assert worst(found, wanted.flatten(0, 1)) > 3 * TOLERANCE


@torch.inference_mode()
def seen(model: Model, shown: list[np.ndarray]) -> Tensor:
    source = batch(model, shown).source
    assert source is not None
    return model.senses[EYES](source.media[EYES])


def flipped(model: Model, changes: dict[str, Any]) -> Model:
    """The same sense under another recipe, in a model that speaks; what only that one has is drawn."""
    tree = json.loads(model.recipe.model_dump_json()) | {"shape": "decoder", "decoder_depth": 1}
    for key, value in changes.items():
        *path, last = key.split(".")
        (tree["senses"][EYES]["block"] if path else tree["senses"][EYES])[last] = value
    other, held = redrawn(Model(ModelRecipe.model_validate(tree), model.placeholder), 7).eval(), model.state_dict()
    own = {name: held[name] if name in held and held[name].shape == t.shape else t for name, t in other.state_dict().items()}
    other.load_state_dict(own)
    assert isinstance(other, Model)
    return other


@pytest.mark.parametrize("name", BOTH)
def test_out_and_in_again_is_the_same(name: str, pairs: dict[str, tuple[Any, Model]], tmp_path: Path) -> None:
    given, ours = pairs[name]
    write(ours, tmp_path)
    again = HUGGINGFACE.read(tmp_path)
    assert again.model == ours.recipe and again.weights.keys() == ours.state_dict().keys()
    assert all(torch.equal(again.weights[key], tensor) for key, tensor in ours.state_dict().items())
    shown = pictures(given.config, 2)
    back = type(given).from_pretrained(tmp_path).eval()
    assert worst(theirs(back, shown), theirs(given, shown)) <= TOLERANCE


def test_the_text_tower_stays_out(tmp_path: Path) -> None:
    models, configs = classes("siglip")
    words = dict(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, projection_size=32)
    given = drawn(models.SiglipModel(configs.SiglipConfig(text_config=words, vision_config=SMALL)), 0)
    ours, shown = imported(given, tmp_path), pictures(given.config.vision_config, 0)
    assert worst(mine(ours, shown), theirs(given.vision_model, shown)) <= TOLERANCE
    assert "text tower and its pooling head stay out" in HUGGINGFACE.read(tmp_path).card.note


def test_the_classifier_stays_out(tmp_path: Path) -> None:
    models, configs = classes("vit")
    given = drawn(models.ViTForImageClassification(configs.ViTConfig(**SMALL, num_labels=5)), 0)
    shown = pictures(given.config, 0)
    assert worst(mine(imported(given, tmp_path), shown), theirs(given.vit, shown)) <= TOLERANCE
    assert "classifier stay out" in HUGGINGFACE.read(tmp_path).card.note


CONFIGS: dict[str, dict[str, Any]] = {"SiglipVisionModel": SMALL, "ViTModel": SMALL | {"qkv_bias": True}}


@pytest.mark.parametrize("architecture", CONFIGS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_act", "silu"), ("num_channels", 4), ("image_size", 7), ("patch_size", [8, 0]), ("window_size", 4)],
)
def test_what_would_change_what_it_sees_is_refused(architecture: str, name: str, value: Any) -> None:
    recipe_of(FAMILIES[architecture], CONFIGS[architecture], "config.json")
    with pytest.raises(ValueError, match=name):
        recipe_of(FAMILIES[architecture], CONFIGS[architecture] | {name: value}, "config.json")


def test_a_field_inside_is_no_less_refused() -> None:
    family, config = FAMILIES["SiglipModel"], {"model_type": "siglip", "text_config": {"vocab_size": 9}}
    assert recipe_of(family, config | {"vision_config": {}}, "config.json").block.dim == 768
    assert recipe_of(family, config | {"vision_config": SMALL}, "config.json").block.dim == 32
    with pytest.raises(ValueError, match=r"config\.json: vision_config: field window_size"):
        recipe_of(family, config | {"vision_config": SMALL | {"window_size": 4}}, "config.json")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("preprocessor_config.json", {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}),
        ("preprocessor_config.json", {"do_normalize": False}),
        ("processor_config.json", {"image_processor": {"image_std": [1.0, 1.0, 1.0]}}),
    ],
)
def test_pictures_that_are_scaled_otherwise_are_refused(file: str, told: dict[str, Any], pairs: Any, tmp_path: Path) -> None:
    write(pairs["vit"][1], tmp_path)
    assert "Nothing beside it says how its pictures are scaled" in HUGGINGFACE.read(tmp_path).card.note
    usual = {"do_normalize": True, "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": 24}
    (tmp_path / file).write_text(json.dumps({"image_processor": usual} if "image_processor" in told else usual))
    assert "scaled" not in HUGGINGFACE.read(tmp_path).card.note
    (tmp_path / file).write_text(json.dumps(told))
    with pytest.raises(ValueError, match=rf"{file}: .* is .*, but pictures are given from -1 to 1"):
        HUGGINGFACE.read(tmp_path)


@pytest.mark.parametrize("change", [{"num_hidden_layers": 10**9}, {"image_size": 10**400}, {"image_size": 10**9, "patch_size": 10**9}])
def test_a_claim_that_its_file_can_not_hold_is_refused(change: dict[str, Any], pairs: dict[str, tuple[Any, Model]], tmp_path: Path) -> None:
    write(pairs["vit"][1], tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(json.loads((tmp_path / "config.json").read_text()) | change))
    with pytest.raises(ValueError, match=r"config\.json: claims a model .* more than its \d+ tensors hold"):
        HUGGINGFACE.read(tmp_path)


def test_only_a_sense_that_projects_nothing_stands_alone() -> None:
    sense = recipe_of(FAMILIES["ViTModel"], SMALL, "config.json").senses[EYES]
    with pytest.raises(ValueError, match="wants encoder_depth > 0"):
        ModelRecipe(shape="encoder", senses={EYES: sense.model_copy(update={"project": True})})


def test_an_imported_sense_is_a_model_for_others_to_take(
    pairs: dict[str, tuple[Any, Model]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given, _ = pairs["vit"]
    monkeypatch.chdir(tmp_path)
    given.save_pretrained("vit-small")
    assert cli.main(["import", "vit-small", "eyes"]) == 0
    assert f"sense {EYES} of 2 layers, width 32, 3 tokens" in capsys.readouterr().out
    run = open_model("eyes")
    assert run.folder == Path("cache/models/eyes") and list(run.tokenizer.special) == list(CONTROL)
    shown = pictures(given.config, 0)
    assert worst(mine(run.model, shown), theirs(given, shown)) <= TOLERANCE
    sense = run.recipe.model.senses[EYES].model_copy(update={"project": True, "frozen": True, "start_from": "eyes"})
    recipe = ModelRecipe(vocab_size=9, decoder_depth=1, block=BlockRecipe(dim=16, heads=2), senses={EYES: sense})
    other = Model(recipe, {EYES: 8}).eval()
    begin(other, Recipe(name="other", model=recipe), tmp_path)
    media = batch(other, shown).source.media[EYES]
    with torch.inference_mode():
        assert worst(other.senses[EYES].see(media), theirs(given, shown).flatten(0, 1)) <= TOLERANCE
        assert other.senses[EYES](media).shape == (PICTURES * 9, 16)


def write(model: Model, folder: Path) -> None:
    """The model as transformers would lay it down, but for what is said of pictures."""
    family, config = said(model.recipe)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    safetensors.torch.save_file(outward(family, model.recipe, model.state_dict()), folder / "model.safetensors", {"format": "pt"})
