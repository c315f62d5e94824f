from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch

from duomo.interchange import gguf_tokens
from duomo.interchange.agree import difference, outputs, probes
from duomo.interchange.assemble import model_of
from duomo.interchange.format import Card, Outside
from duomo.interchange.gguf import GGUF, GGUF_Q8, halves, interleaved, known, read, write
from duomo.interchange.gguf_file import GGUFFile
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe, RopeScaling
from duomo.tokenizer import Tokenizer
from tests.small import SENTENCES, tokenizer

TYPES = gguf.GGMLQuantizationType
NOT_WEIGHTS = ("Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64", "Q1_0")  # of this release; it says so itself
SCALINGS = (
    None,
    RopeScaling(kind="linear", factor=4.0),
    RopeScaling(kind="llama3", factor=8.0),
    RopeScaling(kind="yarn", factor=4.0, original_positions=32, low=1.0, high=32.0),
)
FAMILIES = {
    "llama": BlockRecipe(dim=64, heads=4, kv_heads=2, head_dim=16, ff_dim=96),
    "llama, one kv head, wide heads": BlockRecipe(dim=64, heads=2, kv_heads=1, head_dim=48, ff_dim=80, theta=1e5),
    "qwen2": BlockRecipe(dim=64, heads=4, kv_heads=4, head_dim=16, ff_dim=96, bias=("q", "k", "v"), eps=1e-6),
    "qwen3": BlockRecipe(dim=64, heads=2, kv_heads=1, head_dim=32, ff_dim=96, qk_norm=True),
}


def outside(block=FAMILIES["llama"], tied=True, vocab=400, seed=0):
    """A model whose every number was drawn anew and is one of float16."""
    recipe = ModelRecipe(vocab_size=vocab, decoder_depth=2, max_positions=128, block=block, tied=tied)
    random = torch.Generator().manual_seed(seed)
    drawn = {name: 0.3 * torch.randn(t.shape, generator=random) + (t.dim() == 1) for name, t in Model(recipe, {}).state_dict().items()}
    return Outside(recipe, {k: t.half().float() for k, t in drawn.items()}, tokenizer(), "duomo", Card("Small", "MIT", ("en", "zh")))


@pytest.mark.parametrize("tied", (True, False))
@pytest.mark.parametrize("family", FAMILIES)
def test_out_and_in_again_is_the_same_model(family, tied, tmp_path):
    there = outside(FAMILIES[family], tied)
    write(there, tmp_path / "m.gguf")
    back = read(tmp_path / "m.gguf")
    assert (back.model, back.chat) == (there.model, there.chat)
    assert (back.card.title, back.card.licence, back.card.languages) == ("Small", "mit", ("en", "zh"))
    assert back.weights.keys() == there.weights.keys()
    assert all(torch.equal(back.weights[name], tensor) for name, tensor in there.weights.items())
    assert all(back.tokenizer.encode(text) == there.tokenizer.encode(text) for text in SENTENCES)
    assert back.tokenizer.special == there.tokenizer.special


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda s: s.kind if s else "none")
def test_stretched_angles_come_back(scaling, tmp_path):
    there = outside(FAMILIES["llama"].model_copy(update={"scaling": scaling}))
    write(there, tmp_path / "m.gguf")
    assert read(tmp_path / "m.gguf").model.block.scaling == scaling


def test_frequencies_of_another_origin_are_refused(tmp_path):
    writer = _copied(outside(), tmp_path / "m.gguf")
    writer.add_tensor("rope_freqs.weight", np.linspace(1, 3, 8, dtype=np.float32))
    _close(writer)
    with pytest.raises(ValueError, match="rope_freqs.weight stretches"):
        read(tmp_path / "m.gguf")


def test_eight_bits_are_the_packages_own(tmp_path):
    there = outside()
    GGUF_Q8.write(there, tmp_path / "m.gguf")
    back = read(tmp_path / "m.gguf")
    for name, tensor in there.weights.items():
        eight = gguf.dequantize(gguf.quantize(tensor.numpy(), TYPES.Q8_0), TYPES.Q8_0) if tensor.dim() > 1 else tensor.numpy()
        assert torch.equal(back.weights[name], torch.from_numpy(eight))
    assert "Q8_0" in back.card.note


def test_the_package_reads_what_is_written(tmp_path):
    there = outside()
    write(there, tmp_path / "m.gguf")
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["tokenizer.ggml.tokens"].contents()[:2] == ["<|pad|>", "<|bos|>"]
    held = {tensor.name: torch.from_numpy(np.array(tensor.data, np.float32)) for tensor in reader.tensors}
    assert torch.equal(held["blk.1.ffn_up.weight"], there.weights["decoder.blocks.1.mlp.up.weight"])
    assert torch.equal(halves(held["blk.1.attn_k.weight"], 2), there.weights["decoder.blocks.1.attn.k.weight"])


def test_pairs_lie_beside_each_other_or_half_a_head_apart():
    rows = torch.arange(8.0)[:, None].expand(8, 3)  # two heads of two pairs
    assert interleaved(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert torch.equal(halves(interleaved(rows, 2), 2), rows)


@pytest.mark.parametrize("kind", [kind for kind in gguf.GGML_QUANT_SIZES if kind.name not in NOT_WEIGHTS], ids=lambda kind: kind.name)
def test_every_type_is_what_the_package_makes_of_it(kind, tmp_path):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(int(kind))
    stored = random.integers(0, 256, (6, 2 * size), dtype=np.uint8)
    if kind == TYPES.F32:
        stored = random.standard_normal((6, 2), np.float32).view(np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("a.weight", stored, raw_dtype=kind)
    _close(writer)
    found = GGUFFile(tmp_path / "m.gguf")["a.weight"].numpy()
    assert found.shape == (6, 2 * block)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, gguf.dequantize(stored, kind).reshape(found.shape))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"general.architecture": "gemma3"}, "'gemma3'; known: llama, qwen2, qwen3"),
        ({"llama.expert_count": 8}, "expert_count is 8"),
        ({"llama.attention.sliding_window": 64}, "slides over 64 of 128"),
        ({"llama.rope.dimension_count": 8}, "rope_dimension_count is 8"),
        ({"llama.rope.scaling.type": "longrope"}, "'longrope'"),
        ({"llama.attention.scale": 0.5}, "attention_scale"),
        ({"llama.block_count": 3}, "has no blk.2."),
        ({"llama.block_count": 1}, "blk.1.*left over"),
        ({"llama.block_count": 4_000_000_000}, "claims 4,000,000,000 blocks"),
        ({"llama.feed_forward_length": 128}, r"shape \(96, 64\), but its fields say \(128, 64\)"),
        ({"llama.attention.head_count": float("nan")}, "attention_head_count is nan"),
        ({"llama.rope.freq_base": float("nan")}, "rope_freq_base is nan"),
        ({"tokenizer.ggml.model": "bert", "tokenizer.huggingface.json": "{}"}, "of the kind 'bert'"),
        ({"tokenizer.ggml.pre": "gemma4", "tokenizer.huggingface.json": "{}"}, "cut as 'gemma4'; known: smollm"),
        ({"tokenizer.ggml.tokens": ["a", "b"]}, "2 tokens but 400 of their types"),
        ({"split.count": 3}, "one part of 3"),
        ({"split.count": [1, 1]}, "one part of"),
        ({"llama.attention.head_count": [4, 4]}, r"head_count is \[4, 4\]"),
        ({"llama.attention.key_length": 17, "llama.attention.value_length": 17, "llama.rope.dimension_count": 17}, "width 17 have no"),
        ({"llama.rope.scale_linear": -1.0}, "scale_linear is -1"),
    ],
)
def test_what_would_change_the_answers_is_refused(fields, told, tmp_path):
    _close(_copied(outside(), tmp_path / "m.gguf", fields))
    with pytest.raises(ValueError, match=told) as error:
        read(tmp_path / "m.gguf")
    assert str(tmp_path / "m.gguf") in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"block": FAMILIES["llama"].model_copy(update={"norm": "layer"})}, "model.block.norm"),
        ({"block": FAMILIES["qwen3"].model_copy(update={"bias": ("q", "k", "v")})}, "model.block.bias"),
        ({"head_bias": True}, "model.head_bias"),
        ({"embed_scale": 2.0}, "model.embed_scale"),
    ],
)
def test_what_the_format_can_not_hold_is_not_written(change, told, tmp_path):
    there = outside()
    with pytest.raises(ValueError, match=told):
        write(replace(there, model=there.model.model_copy(update=change)), tmp_path / "m.gguf")
    assert not list(tmp_path.iterdir())


def test_ids_without_a_token_are_filled_up(tmp_path):
    write(outside(vocab=403), tmp_path / "m.gguf")
    tokens = GGUFFile(tmp_path / "m.gguf").fields["tokenizer.ggml.tokens"]
    assert len(tokens) == 403 and tokens[-1] == "[PAD402]"
    assert read(tmp_path / "m.gguf").tokenizer.encode(SENTENCES[0]) == tokenizer().encode(SENTENCES[0])


def test_a_token_without_a_vector_is_refused(tmp_path):
    _close(_copied(outside(), tmp_path / "m.gguf", gguf_tokens.fields(tokenizer(), 403) | {"tokenizer.huggingface.json": "{}"}))
    with pytest.raises(ValueError, match=r"m\.gguf: has a token of id 402, but token_embd.weight has 400 rows"):
        read(tmp_path / "m.gguf")


@pytest.mark.parametrize("template", ("[INST] {{ text }} [/INST]", ""))
def test_a_template_that_is_not_known_is_no_chat_format(template, tmp_path):
    _close(_copied(outside(), tmp_path / "m.gguf", {"tokenizer.chat_template": template}))
    assert read(tmp_path / "m.gguf").chat == "plain"


def test_a_base_model_stays_one(tmp_path):
    there = outside()
    write(replace(there, tokenizer=Tokenizer(there.tokenizer.inner, "plain"), chat="plain"), tmp_path / "m.gguf")
    assert read(tmp_path / "m.gguf").chat == "plain"


def test_a_tokenizer_without_an_end_is_refused_with_the_files_name(tmp_path):
    tokens = [token.replace("<|end|>", "<|fin|>") for token in gguf_tokens.fields(tokenizer(), 400)["tokenizer.ggml.tokens"]]
    _close(_copied(outside(), tmp_path / "m.gguf", {"tokenizer.ggml.tokens": tokens, "tokenizer.huggingface.json": "{}"}))
    with pytest.raises(ValueError, match=r"m\.gguf: plain continuation needs one of"):
        read(tmp_path / "m.gguf")


def test_a_file_is_known_by_name_or_by_its_first_bytes(tmp_path):
    for name, data in (("a.gguf", b"x"), ("b.bin", b"GGUF"), ("c.bin", b"GGML")):
        (tmp_path / name).write_bytes(data)
    assert [known(tmp_path / name) for name in ("a.gguf", "b.bin", "c.bin", "none.gguf", ".")] == [True, True, False, False, False]
    assert GGUF.suffix == ".gguf"


def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path):
    write(outside(), tmp_path / "good.gguf")
    good, random, refused = (tmp_path / "good.gguf").read_bytes(), np.random.default_rng(0), 0
    header = min(stored.start for stored in GGUFFile(tmp_path / "good.gguf").stored.values())
    places = np.concatenate([random.integers(0, header, 200), random.integers(0, 2500, 100)])  # the second part: the fields
    for number, place in enumerate(places):
        bad = bytearray(good[:place] if number % 10 == 0 else good)
        if number % 10:
            bad[place] = random.integers(256)
        (tmp_path / "bad.gguf").write_bytes(bad)
        try:
            read(tmp_path / "bad.gguf")
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(tmp_path / "bad.gguf")) and "\n" not in str(error), (number, place, str(error))
    assert refused > 60


def test_transformers_computes_the_same(tmp_path, capsys):
    pytest.importorskip("transformers")
    families = FAMILIES | {"qwen3": FAMILIES["qwen3"].model_copy(update={"head_dim": 128})}  # the one that it expects
    for family, block in families.items():
        there, file = outside(block, tied=False), tmp_path / f".{family}-1a2b"  # a name as `whole_file` gives
        write(there, file)
        rows = probes(there.model)
        assert difference(outputs(model_of(there), rows), GGUF.peer(file, rows)) < 1e-4
    assert GGUF_Q8.peer is GGUF.peer and capsys.readouterr().err == ""


def test_transformers_finds_rows_that_were_not_put_in_order(tmp_path):
    pytest.importorskip("transformers")
    there = outside()
    heads = {".attn.q.": 4, ".attn.k.": 2}
    wrong = {name: halves(tensor, heads[part]) for name, tensor in there.weights.items() for part in heads if part in name}
    write(replace(there, weights=there.weights | wrong), tmp_path / "m.gguf")
    rows = probes(there.model)
    assert difference(outputs(model_of(there), rows), GGUF.peer(tmp_path / "m.gguf", rows)) > GGUF.tolerance


@pytest.mark.parametrize("block", (FAMILIES["qwen3"], FAMILIES["llama"].model_copy(update={"scaling": SCALINGS[1]})))
def test_what_transformers_passes_over_it_is_not_asked(block, tmp_path):
    pytest.importorskip("transformers")
    write(outside(block), tmp_path / "m.gguf")
    assert GGUF.peer(tmp_path / "m.gguf", [[1]]) is None


def _copied(there, path, changes=None):
    """A writer of a file like `write` makes, with other fields."""
    write(there, path.with_suffix(".first"))
    file, reader = GGUFFile(path.with_suffix(".first")), gguf.GGUFReader(path.with_suffix(".first"))
    fields = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in file.fields.items()} | (changes or {})
    writer = gguf.GGUFWriter(path, fields.pop("general.architecture"))
    for key, value in fields.items():
        large = isinstance(value, int) and value > 1 << 31
        writer.add_key_value(key, value, gguf.GGUFValueType.UINT32 if large else gguf.GGUFValueType.get_type(value))
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    return writer


def _close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
