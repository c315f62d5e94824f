import json
import shutil

import pytest
import safetensors.torch
import torch

from duomo.interchange import HUGGINGFACE, Card, Outside
from duomo.interchange.adapters import CONFIG, WEIGHTS, Adapters, read, write
from duomo.interchange.agree import difference, outputs, probes
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe
from tests.small import redrawn, tokenizer

LLAMA = ModelRecipe(vocab_size=405, decoder_depth=2, max_positions=64, block=BlockRecipe(dim=32, heads=4, kv_heads=2))
SIZES = {"q": (32, 32), "k": (16, 32), "v": (16, 32), "out": (32, 32), "gate": (96, 32), "up": (96, 32), "down": (32, 96)}


def made(targets=("q", "v", "down"), rank=3, model="decoder", sizes=SIZES):
    random, found = torch.Generator().manual_seed(0), {}
    for layer in range(2):
        for target in targets:
            out, into = sizes[target]
            name = f"{model}.blocks.{layer}.{'mlp' if target in ('gate', 'up', 'down') else 'attn'}.{target}"
            found[f"{name}.lora_A.weight"] = torch.randn(rank, into, generator=random) * 0.3
            found[f"{name}.lora_B.weight"] = torch.randn(out, rank, generator=random) * 0.3
    return Adapters(rank, 6.0, found)


def base():
    return redrawn(Model(LLAMA, {})).eval()


def added(adapters, m=None):
    """The model with each product added to its map."""
    m = m or base()
    state = m.state_dict()
    for name in (n.removesuffix(".lora_A.weight") for n in adapters.weights if n.endswith("lora_A.weight")):
        product = adapters.weights[f"{name}.lora_B.weight"] @ adapters.weights[f"{name}.lora_A.weight"]
        state[f"{name}.weight"] += adapters.alpha / adapters.rank * product
    return m


@pytest.mark.parametrize("targets", [("q",), ("q", "k", "v", "out", "gate", "up", "down")])
def test_what_is_written_is_read_again_to_the_last_bit(targets, tmp_path):
    adapters = made(targets)
    write(adapters, LLAMA, "a-base", tmp_path / "out")
    found = read(tmp_path / "out", LLAMA, base().state_dict())
    assert (found.rank, found.alpha, set(found.targets)) == (3, 6.0, set(targets))
    assert found.weights.keys() == adapters.weights.keys()
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in adapters.weights.items())


def test_peft_loads_them_onto_the_twin_in_transformers_and_what_peft_saves_is_read(tmp_path):
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    adapters = made()
    HUGGINGFACE.write(Outside(LLAMA, base().state_dict(), tokenizer(), "duomo", Card("base")), tmp_path / "base")
    write(adapters, LLAMA, str(tmp_path / "base"), tmp_path / "adapters")
    twin = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base").eval()
    adapted = peft.PeftModel.from_pretrained(twin, tmp_path / "adapters").eval()
    rows = probes(LLAMA)
    with torch.inference_mode():
        theirs = [adapted(input_ids=torch.tensor([list(row)])).logits[0] for row in rows]
    assert difference(outputs(added(adapters), rows), theirs) <= 1e-4 < 0.1 < difference(outputs(base(), rows), theirs)
    adapted.save_pretrained(tmp_path / "saved")
    again = read(tmp_path / "saved", LLAMA, base().state_dict())
    assert again.alpha == 6.0 and all(torch.equal(again.weights[name], tensor) for name, tensor in adapters.weights.items())


BERT = ModelRecipe(
    shape="encoder", vocab_size=405, encoder_depth=2, max_positions=64, final_norm=False, embed_norm=True, token_types=2,
    block=BlockRecipe(dim=32, heads=4, ff_dim=96, norm="layer", eps=1e-12, norm_first=False, feedforward="gelu_erf", position="learned",
                      bias=("q", "k", "v", "out", "up", "down")),
)  # fmt: skip


def test_on_an_encoder_too_with_and_without_the_name_that_its_heads_put_before(tmp_path):
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    sizes = SIZES | {"k": (32, 32), "v": (32, 32)}
    plain, adapters = redrawn(Model(BERT, {})).eval(), made(("q", "k", "out", "up", "down"), model="encoder", sizes=sizes)
    HUGGINGFACE.write(Outside(BERT, plain.state_dict(), tokenizer(), "duomo", Card("base")), tmp_path / "base")
    write(adapters, BERT, str(tmp_path / "base"), tmp_path / "adapters")
    twin = transformers.AutoModel.from_pretrained(tmp_path / "base").eval()
    adapted = peft.PeftModel.from_pretrained(twin, tmp_path / "adapters").eval()
    rows = probes(BERT)
    with torch.inference_mode():
        theirs = [adapted(input_ids=torch.tensor([list(row)])).last_hidden_state[0] for row in rows]
    assert difference(outputs(added(adapters, plain), rows), theirs) <= 1e-4
    assert 0.1 < difference(outputs(redrawn(Model(BERT, {})).eval(), rows), theirs)
    adapted.save_pretrained(tmp_path / "saved")
    held = safetensors.torch.load((tmp_path / "saved" / WEIGHTS).read_bytes())
    headed = {name.replace("base_model.model.", "base_model.model.bert."): tensor.clone() for name, tensor in held.items()}
    for tensors in (held, headed):
        (tmp_path / "saved" / WEIGHTS).write_bytes(safetensors.torch.save(tensors))
        again = read(tmp_path / "saved", BERT, plain.state_dict())
        assert again.weights.keys() == adapters.weights.keys()
        assert all(torch.equal(again.weights[name], tensor) for name, tensor in adapters.weights.items())
    (tmp_path / "saved" / WEIGHTS).write_bytes(safetensors.torch.save(held | headed))
    with pytest.raises(ValueError, match="twice"):
        read(tmp_path / "saved", BERT, plain.state_dict())


@pytest.fixture
def folder(tmp_path):
    write(made(), LLAMA, "a-base", tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"peft_type": "IA3"}, "is not LORA"),
        ({"use_dora": True}, "use_dora=True changes what the adapters do"),
        ({"bias": "all"}, "bias='all' changes"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa' changes"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern="),
        ({"a_key_of_tomorrow": 1}, "a_key_of_tomorrow=1 changes"),
        ({"r": 0}, "are not two numbers above 0"),
        ({"r": 10**400, "use_rslora": True}, "are not two numbers above 0"),
        ({"lora_alpha": float("inf")}, "lora_alpha inf are not two numbers above 0"),
        ({"lora_alpha": float("nan")}, "are not two numbers above 0"),
        ({"lora_alpha": 10**400}, "are not two numbers above 0"),
        ({"lora_alpha": True}, "are not two numbers above 0"),
        ({"r": 2}, "but rank and base want"),
    ],
)
def test_what_is_not_plain_lora_is_refused_in_one_line(folder, change, told):
    config = json.loads((folder / CONFIG).read_text()) | change
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=told) as fault:
        read(folder, LLAMA, base().state_dict())
    assert "\n" not in str(fault.value)


def test_adapters_of_another_model_are_refused(folder, tmp_path):
    held = safetensors.torch.load_file(folder / WEIGHTS)
    name = min(held)
    for changed, told in (
        ({name.replace("layers.0", "layers.7"): held[name]}, "is no adapter of this base"),
        ({n: t for n, t in held.items() if n != name}, "of each of which there must be two"),
        ({"base_model.model.model.embed_tokens.lora_A.weight": held[name]}, "is no adapter of this base"),
    ):
        shutil.copytree(folder, tmp_path / "other", dirs_exist_ok=True)
        (tmp_path / "other" / WEIGHTS).write_bytes(safetensors.torch.save(changed))
        with pytest.raises(ValueError, match=told):
            read(tmp_path / "other", LLAMA, base().state_dict())
    (folder / WEIGHTS).unlink()
    (folder / "adapter_model.bin").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="pickle"):
        read(folder, LLAMA, base().state_dict())


def test_rank_stabilised_adapters_count_by_the_root_of_their_rank(folder):
    config = json.loads((folder / CONFIG).read_text()) | {"use_rslora": True}
    (folder / CONFIG).write_text(json.dumps(config))
    assert read(folder, LLAMA, base().state_dict()).alpha == pytest.approx(6.0 * 3**0.5)


def test_maps_that_lie_otherwise_outside_are_refused(tmp_path):
    every = ("q", "k", "v", "out", "up", "down")
    block = BlockRecipe(dim=32, heads=4, norm="layer", feedforward="gelu_tanh", position="learned", bias=every)
    with pytest.raises(ValueError, match="keeps it together with others, or turned"):
        write(made(("q",)), LLAMA.model_copy(update={"block": block}), "gpt2", tmp_path / "out")
    assert not (tmp_path / "out").exists()
