import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from duomo.checkpoint import open_run
from duomo.commands.models import keep
from duomo.data.render import render
from duomo.interchange import HUGGINGFACE, Card, Outside, families, read
from duomo.interchange.agree import difference, outputs, probes
from duomo.interchange.assemble import card_of, model_of
from duomo.interchange.huggingface import peer
from duomo.interchange.tensors import tensors_in
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe, RopeScaling, Shape
from duomo.sample import Message, Sample, text
from duomo.tokenizer import Tokenizer
from tests.small import redrawn, tokenizer

EVERY = ("q", "k", "v", "out", "up", "down")
OLD = BlockRecipe(dim=32, heads=4, norm="layer", feedforward="gelu_tanh", position="learned", bias=EVERY)
BLOCKS = {
    "LlamaForCausalLM": BlockRecipe(dim=32, heads=4, kv_heads=1, head_dim=12, bias=("out", "q", "k", "v")),
    "Qwen2ForCausalLM": BlockRecipe(dim=32, heads=4, bias=("q", "k", "v"), theta=1e6, scaling=RopeScaling(kind="yarn", factor=4)),
    "Qwen3ForCausalLM": BlockRecipe(dim=32, heads=4, kv_heads=2, qk_norm=True, scaling=RopeScaling(kind="llama3", factor=8)),
    "GPT2LMHeadModel": OLD,
    "BertModel": OLD.model_copy(update={"norm_first": False, "feedforward": "gelu_erf"}),
}
TURNS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
HEADS = "".join(TURNS)
CARD = Card("A small one", "CC-BY-SA-4.0", ("en", "zh"), "For tests.")


def outside(block: BlockRecipe, tied: bool = True, shape: Shape = "decoder") -> Outside:
    encoder = (
        {"encoder_depth": 2, "final_norm": False, "embed_norm": True, "token_types": 2} if shape == "encoder" else {"decoder_depth": 2}
    )
    recipe = ModelRecipe(shape=shape, vocab_size=405, block=block, max_positions=64, tied=tied, **encoder)
    return Outside(recipe, redrawn(Model(recipe, {})).eval().state_dict(), tokenizer(), "duomo", CARD)


def of(architecture: str, tied: bool = True) -> Outside:
    return outside(BLOCKS[architecture], tied, "encoder" if architecture == "BertModel" else "decoder")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", BLOCKS)
def test_what_is_written_is_read_again_to_the_last_bit(architecture: str, tied: bool, tmp_path: Path) -> None:
    if architecture == "BertModel" and not tied:
        return
    made = of(architecture, tied)
    HUGGINGFACE.write(made, tmp_path / "out")
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == [architecture]
    found = read(tmp_path / "out")
    assert families.essential(found.model) == families.essential(made.model) and set(found.weights) == set(made.weights)
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in made.weights.items())
    assert found.card.licence == "cc-by-sa-4.0" and found.card.languages == ("en", "zh")
    assert found.tokenizer.encode("读书 books") == tokenizer().encode("读书 books")
    assert found.chat == ("plain" if architecture == "BertModel" else "duomo")


@pytest.mark.parametrize("architecture", BLOCKS)
def test_what_is_written_is_what_transformers_computes(architecture: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    made = of(architecture)
    HUGGINGFACE.write(made, tmp_path / "out")
    rows = probes(made.model)
    assert difference(outputs(model_of(made), rows), peer(tmp_path / "out", rows)) < 1e-5


@pytest.mark.parametrize("chat", ["duomo", "chatml", "llama3"])
def test_conversations_are_the_same_ids_there(chat: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    inner = Tokenizer.learn(["what is this? a cat"], 400).inner
    inner.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])
    made = replace(of("LlamaForCausalLM"), tokenizer=Tokenizer(inner, chat), chat=chat)
    HUGGINGFACE.write(made, tmp_path / "out")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    said = (("user", "what is this?"), ("assistant", "a cat"), ("user", "a cat?"))
    messages = [{"role": role, "content": words} for role, words in said]
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    sample = Sample(tuple(Message(role, (text(words),)) for role, words in said))
    assert ids == render(sample, made.tokenizer, {}, Path(), answer=False).ids
    assert theirs.eos_token_id == made.tokenizer.stop_id and read(tmp_path / "out").chat == chat


def test_a_model_that_no_family_is_is_told_with_what_keeps_it(tmp_path: Path) -> None:
    made = outside(BlockRecipe(dim=32, heads=4, norm_first=False))
    with pytest.raises(ValueError, match="no known family computes .*LlamaForCausalLM: block.norm_first True not False"):
        HUGGINGFACE.write(made, tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_half_numbers_in_several_files_become_floats(tmp_path: Path) -> None:
    made = of("Qwen3ForCausalLM")
    HUGGINGFACE.write(made, tmp_path)
    whole = safetensors.torch.load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names, owner = sorted(whole), dict[str, str]()
    for number, (part, kind) in enumerate(((names[::2], torch.bfloat16), (names[1::2], torch.float16)), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        safetensors.torch.save_file({name: whole[name].to(kind) for name in part}, tmp_path / file)
        owner |= dict.fromkeys(part, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": owner}))
    found = tensors_in(tmp_path)
    assert sorted(found) == names and all(found[name].dtype == torch.float32 for name in names)
    assert torch.equal(found[names[0]], whole[names[0]].bfloat16().float()) and torch.equal(found[names[1]], whole[names[1]].half().float())
    assert set(read(tmp_path).weights) == set(made.weights)


def test_earlier_transformers_wrote_rotary_angles_elsewhere(tmp_path: Path) -> None:
    made = of("Qwen3ForCausalLM")
    HUGGINGFACE.write(made, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    new, old = dict(config), dict(config)
    del new["rope_theta"], new["rope_scaling"], old["rope_parameters"]
    for one in (new, old):
        (tmp_path / "config.json").write_text(json.dumps(one))
        assert families.essential(read(tmp_path).model) == families.essential(made.model)
    config["rope_scaling"]["factor"] = 4.0
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="rope_scaling and rope_parameters say different things"):
        read(tmp_path)


def test_a_bare_model_lacks_the_prefix_and_is_read_all_the_same(tmp_path: Path) -> None:
    made = of("GPT2LMHeadModel")
    HUGGINGFACE.write(made, tmp_path)
    whole = safetensors.torch.load_file(tmp_path / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in whole.items()} | {"h.0.attn.bias": torch.ones(1, 1, 4, 4)}
    safetensors.torch.save_file(bare, tmp_path / "model.safetensors")
    found = read(tmp_path)
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in made.weights.items())


def test_fields_that_published_models_have_and_that_change_nothing_are_let_be(tmp_path: Path) -> None:
    told = {"_name_or_path": "x", "forced_decoder_ids": [[1, 2]], "transformers.js_config": {"a": 1}, "optimum_version": "1"}
    HUGGINGFACE.write(of("BertModel"), tmp_path)
    pooler = {"directionality": "bidi", "pooler_fc_size": 768, "pooler_type": "first_token_transform"}
    config = json.loads((tmp_path / "config.json").read_text()) | told | pooler
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert families.essential(read(tmp_path).model) == families.essential(of("BertModel").model)


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel"])
def test_a_head_that_only_repeats_the_tied_one_is_let_be_and_another_refused(architecture: str, tmp_path: Path) -> None:
    made = of(architecture)
    HUGGINGFACE.write(made, tmp_path)
    whole = safetensors.torch.load_file(tmp_path / "model.safetensors")
    for head, same in ((made.weights["tokens.weight"].clone(), True), (made.weights["tokens.weight"] + 1, False)):
        safetensors.torch.save_file(whole | {"lm_head.weight": head}, tmp_path / "model.safetensors")
        if same:
            assert set(read(tmp_path).weights) == set(made.weights)
        else:
            with pytest.raises(ValueError, match="lm_head.weight is left over"):
                read(tmp_path)


@pytest.mark.parametrize("shape", [(), (1, 32, 96)])
def test_a_tensor_with_another_number_of_axes_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    HUGGINGFACE.write(of("GPT2LMHeadModel"), tmp_path)
    whole = safetensors.torch.load_file(tmp_path / "model.safetensors")
    safetensors.torch.save_file(whole | {"transformer.h.0.attn.c_attn.weight": torch.zeros(shape)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="c_attn.weight has [03] axes"):
        model_of(read(tmp_path))


def test_a_tokenizer_whose_ids_go_beyond_the_model_is_refused_however_few_they_are(tmp_path: Path) -> None:
    HUGGINGFACE.write(of("LlamaForCausalLM"), tmp_path)
    tree = json.loads((tmp_path / "tokenizer.json").read_text())
    rarest = max(tree["model"]["vocab"], key=tree["model"]["vocab"].__getitem__)
    tree["model"]["vocab"][rarest] = 9999
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    with pytest.raises(ValueError, match="its ids go up to 9,999, but the model knows 405"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("head", "languages"),
    [
        ("language: [no, en]", ("no", "en")),
        ("language: 5", ("5",)),
        ("language: {a: b}", ()),
        ("a: &a [x, x]\nb: &b [*a, *a]\nlanguage: [*b, *b, zh]", ("zh",)),
        (f"language: {'[' * 3000}", ()),
        (f"language: [{'en, ' * 100_000} en]", ("en",) * 200),
        ("- no", ()),
    ],
    ids=["norwegian", "number", "table", "aliases", "deep", "long", "list"],
)
def test_a_card_from_outside_gives_short_strings_or_nothing(head: str, languages: tuple[str, ...], tmp_path: Path) -> None:
    HUGGINGFACE.write(of("LlamaForCausalLM"), tmp_path)
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\n\n# {'A' * 5000}\n")
    card = read(tmp_path).card
    assert card.languages == languages and card.title == "A" * 80


@pytest.mark.parametrize(
    ("config", "special", "found"),
    [
        ({"chat_template": "{{ '<|im_start|>' + role }}<|im_end|>"}, ["<|im_start|>", "<|im_end|>"], "chatml"),
        ({"chat_template": [{"name": "default", "template": "<|im_start|><|im_end|>"}]}, ["<|im_start|>", "<|im_end|>"], "chatml"),
        ({"chat_template": "[INST] {{ text }} [/INST]"}, ["<s>", "</s>"], "plain"),
        ({}, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"], "plain"),
        ({}, ["<|endoftext|>"], "plain"),
        ({"chat_template": f"{HEADS} Today Date"}, [*TURNS], "llama3"),
        ({"chat_template": f"{HEADS} Cutting Knowledge Date: December 2023"}, [*TURNS], "llama3.1"),
    ],
)
def test_the_chat_format_is_known_by_its_template(config: dict, special: list[str], found: str, tmp_path: Path) -> None:
    HUGGINGFACE.write(replace(of("LlamaForCausalLM")), tmp_path)
    inner = Tokenizer.learn(["a"], 300).inner
    tree = json.loads(inner.to_str())
    tree["added_tokens"] = [{**token, "content": name} for token, name in zip(tree["added_tokens"], special, strict=False)]
    tree["model"]["vocab"] = {special[id] if id < len(special) else sign: id for sign, id in tree["model"]["vocab"].items()}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert read(tmp_path).chat == found


def test_a_kept_model_opens_like_a_run(tmp_path: Path) -> None:
    made = of("LlamaForCausalLM")
    run = open_run(keep(made, tmp_path / "models" / "small one"))
    assert all(torch.equal(tensor, made.weights[name]) for name, tensor in run.model.state_dict().items())
    assert run.recipe.name == "small-one" and run.step == 0 and card_of(run.folder) == CARD
    rows = probes(made.model)
    assert difference(outputs(model_of(made), rows), outputs(run.model, rows)) == 0


@pytest.mark.parametrize(
    ("architecture", "field", "value"),
    [
        ("LlamaForCausalLM", "hidden_act", "gelu"),
        ("LlamaForCausalLM", "partial_rotary_factor", 0.5),
        ("LlamaForCausalLM", "rope_scaling", {"rope_type": "dynamic", "factor": 2.0}),
        ("LlamaForCausalLM", "rope_scaling", {"rope_type": "yarn", "factor": 2.0, "attention_factor": 1.0}),
        ("LlamaForCausalLM", "logit_scale", 2.0),
        ("LlamaForCausalLM", "pretraining_tp", 2),
        ("LlamaForCausalLM", "quantization_config", {"bits": 4}),
        ("LlamaForCausalLM", "hidden_size", "32"),
        ("LlamaForCausalLM", "num_hidden_layers", 10**12),
        ("LlamaForCausalLM", "vocab_size", 10**12),
        ("LlamaForCausalLM", "head_dim", 2**40),
        ("LlamaForCausalLM", "num_attention_heads", 3),
        ("LlamaForCausalLM", "attention_bias", False),
        ("LlamaForCausalLM", "mlp_bias", True),
        ("LlamaForCausalLM", "tie_word_embeddings", False),
        ("LlamaForCausalLM", "architectures", ["GemmaForCausalLM"]),
        ("LlamaForCausalLM", "architectures", [["LlamaForCausalLM"]]),
        ("LlamaForCausalLM", "rms_norm_eps", 10**400),
        ("LlamaForCausalLM", "rope_theta", 1),
        ("LlamaForCausalLM", "_scale", 2),
        ("LlamaForCausalLM", "hidden.act", "gelu"),
        ("GPT2LMHeadModel", "n_positions", 10**15),
        ("GPT2LMHeadModel", "n_positions", 10**30),
        ("BertModel", "directionality", "forward"),
        ("Qwen2ForCausalLM", "use_sliding_window", True),
        ("Qwen3ForCausalLM", "layer_types", ["full_attention", "sliding_attention"]),
        ("GPT2LMHeadModel", "scale_attn_weights", False),
        ("GPT2LMHeadModel", "scale_attn_by_inverse_layer_idx", True),
        ("GPT2LMHeadModel", "activation_function", "quick_gelu"),
        ("BertModel", "position_embedding_type", "relative_key"),
        ("BertModel", "is_decoder", True),
    ],
)
def test_a_field_that_would_change_the_answers_is_never_passed_over(architecture: str, field: str, value: object, tmp_path: Path) -> None:
    HUGGINGFACE.write(of(architecture), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    spare = {"rope_parameters": None} if field == "rope_scaling" else {"sliding_window": 8} if field == "use_sliding_window" else {}
    (tmp_path / "config.json").write_text(json.dumps(config | spare | {field: value}))
    with pytest.raises(ValueError, match=f"{tmp_path.name}|{CARD.title}") as told:
        model_of(read(tmp_path))
    assert "\n" not in str(told.value) and len(str(told.value)) < 600


def test_mistral_slides_only_over_all_of_its_context(tmp_path: Path) -> None:
    made = outside(BlockRecipe(dim=32, heads=4))
    HUGGINGFACE.write(made, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"architectures": ["MistralForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config | {"sliding_window": 64}))
    assert families.essential(read(tmp_path).model) == families.essential(made.model)
    for shorter in ({"sliding_window": 63}, {"max_position_embeddings": 8192}):  # where it is not there, it is 4,096
        (tmp_path / "config.json").write_text(json.dumps(config | shorter))
        with pytest.raises(ValueError, match="is shorter than the context"):
            read(tmp_path)
