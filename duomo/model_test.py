"""The Model is the 2017 Transformer when its flags say so, and each flag is needed for that."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from duomo.blocks import sinusoids
from duomo.data.collate import collate, stream
from duomo.data.render import Rendered
from duomo.model import Model, cuts
from duomo.recipe import BlockRecipe, ModelRecipe, SenseRecipe
from tests.small import mixed, model, model_recipe, question, redrawn, rendered

DIM, HEADS, VOCAB = 24, 4, 50
ALL = ("q", "k", "v", "out", "up", "down")
BLOCK = {
    "dim": DIM,
    "heads": HEADS,
    "ff_dim": 40,
    "norm": "layer",
    "norm_first": False,
    "feedforward": "relu",
    "position": "sinusoidal",
    "bias": ALL,
}
MODEL = {"shape": "encoder_decoder", "vocab_size": VOCAB, "encoder_depth": 3, "decoder_depth": 2, "embed_scale": math.sqrt(DIM)}
SOURCE, TARGET = [[5, 9, 3, 7, 11], [8, 4], [6, 6, 2]], [[1, 12, 13], [1, 14, 15, 16, 17], [1]]


class Paper(nn.Module):
    """The 2017 Transformer out of torch's own parts: embeddings, sinusoids, stacks, tied head."""

    def __init__(self):
        super().__init__()
        self.core = nn.Transformer(DIM, HEADS, 3, 2, 40, dropout=0.0, batch_first=True)
        self.tokens = nn.Embedding(VOCAB, DIM)

    def forward(self, source, target):
        causal = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        padding = source == 0
        hidden = self.core(
            self.embed(source), self.embed(target), tgt_mask=causal,
            src_key_padding_mask=padding, memory_key_padding_mask=padding, tgt_key_padding_mask=target == 0,
        )  # fmt: skip
        return hidden @ self.tokens.weight.T

    def embed(self, ids):
        return self.tokens(ids) * math.sqrt(DIM) + sinusoids(ids.shape[1], DIM)


def paper_weights(paper):
    """The paper's weights under our names."""
    found = {"tokens.weight": paper.tokens.weight}
    for side in ("encoder", "decoder"):
        stack = getattr(paper.core, side)
        names = {"attn": "self_attn"} | ({"cross": "multihead_attn"} if side == "decoder" else {})
        for number, layer in enumerate(stack.layers):
            at = f"{side}.blocks.{number}."
            for ours, theirs in names.items():
                attention = getattr(layer, theirs)
                for kind in ("weight", "bias"):
                    parts = getattr(attention, f"in_proj_{kind}").chunk(3)
                    found |= {f"{at}{ours}.{p}.{kind}": part for p, part in zip("qkv", parts, strict=True)}
                    found[f"{at}{ours}.out.{kind}"] = getattr(attention.out_proj, kind)
            norms = ("attn_norm", "mlp_norm") if side == "encoder" else ("attn_norm", "cross_norm", "mlp_norm")
            pairs = [("mlp.up", "linear1"), ("mlp.down", "linear2"), *((name, f"norm{i}") for i, name in enumerate(norms, 1))]
            found |= {f"{at}{ours}.{kind}": getattr(getattr(layer, theirs), kind) for ours, theirs in pairs for kind in ("weight", "bias")}
        found |= {f"{side}.norm.{kind}": getattr(stack.norm, kind) for kind in ("weight", "bias")}
    return {name: value.detach().clone() for name, value in found.items()}


def paper():
    made = redrawn(Paper())
    with torch.no_grad():
        made.tokens.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(5))
    return made  # in training mode, where torch takes no shortcuts; its dropout is 0


def padded(rows):
    length = max(map(len, rows))
    return torch.tensor([row + [0] * (length - len(row)) for row in rows])


@torch.no_grad()
def ours(source=SOURCE, target=TARGET, block=None, **more):
    """Our logits on the paper's weights; what a flipped flag leaves without a weight keeps a fresh one."""
    torch.manual_seed(3)
    m = redrawn(Model(ModelRecipe(**(MODEL | more), block=BlockRecipe(**(BLOCK | (block or {})))), {})).eval()
    known = m.state_dict()
    loaded = {name: value for name, value in paper_weights(paper()).items() if name in known and known[name].shape == value.shape}
    m.load_state_dict(loaded, strict=False)
    if not block and not more:
        assert loaded.keys() == known.keys(), "the right flags leave no weight over, on either side"
    streams = [stream([[Rendered(row, [True] * len(row))] for row in rows], causal) for rows, causal in ((source, False), (target, True))]
    return m.logits(m.decode(streams[1], streams[0], m.encode(streams[0])))


@torch.no_grad()
def difference(logits):
    real = padded(TARGET) != 0
    return float((logits - paper()(padded(SOURCE), padded(TARGET)))[real].abs().max())


def test_the_right_flags_are_the_2017_transformer():
    logits = ours()
    assert float(logits.std()) > 1
    assert difference(logits) < 1e-5


FLIPS = {
    **{f"{key}={value}": {"block": {key: value}} for key, value in (
        ("norm_first", True), ("norm", "rms"), ("norm_bias", False), ("eps", 1e-3), ("heads", 2), ("kv_heads", 2), ("head_dim", 3),
        ("ff_dim", 32), ("feedforward", "gelu_erf"), ("feedforward", "gelu_tanh"), ("feedforward", "swiglu"), ("position", "none"),
        ("position", "learned"), ("position", "rotary"), ("qk_norm", True),
    )},
    **{f"no bias of {one}": {"block": {"bias": tuple(name for name in ALL if name != one)}} for one in ALL if one != "k"},
    **{f"{key}={value}": {key: value} for key, value in (
        ("embed_scale", 1.0), ("final_norm", False), ("embed_norm", True), ("token_types", 2), ("tied", False), ("head_bias", True),
        ("encoder_depth", 2), ("decoder_depth", 1), ("decoder_depth", 3),
    )},
}  # fmt: skip


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
def test_each_flag_is_needed(flip):
    assert difference(ours(**flip)) > 1e-3


def test_a_bias_of_the_keys_matters_only_where_keys_are_turned():
    """It adds the same number to all scores of a query, which softmax takes away again; rotation makes the numbers differ."""
    without = tuple(name for name in ALL if name != "k")
    assert difference(ours(block={"bias": without})) < 1e-5
    turned = [ours(block={"position": "rotary", "bias": bias}) for bias in (ALL, without)]
    assert float((turned[0] - turned[1]).abs().max()) > 1e-3


def test_the_masks_are_needed():
    dense = stream([[Rendered([1, 12, 13], [True] * 3)]], causal=False)
    m = redrawn(model(model_recipe(senses=())))
    assert (m.decode(dense) - m.decode(stream([[Rendered([1, 12, 13], [True] * 3)]], causal=True)))[0, 0].abs().max() > 1e-2


def test_a_gelu_is_not_another():
    a, b = (ours(block={"feedforward": kind}) for kind in ("gelu_erf", "gelu_tanh"))
    assert 1e-5 < float((a - b).abs().max())


def test_norms_share_no_flag():
    """A layer norm without bias is neither a layer norm with one nor an rms norm."""
    a, b, c = (ours(block=flags) for flags in ({"norm": "layer"}, {"norm": "layer", "norm_bias": False}, {"norm": "rms"}))
    assert min(float((x - y).abs().max()) for x, y in ((a, b), (b, c), (a, c))) > 1e-3


def test_an_encoder_is_torchs_encoder():
    layer = nn.TransformerEncoderLayer(DIM, HEADS, 40, 0.0, batch_first=True, norm_first=True)
    core = redrawn(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    block = BlockRecipe(**BLOCK | {"norm_first": True})
    m = Model(ModelRecipe(shape="encoder", vocab_size=VOCAB, encoder_depth=2, final_norm=False, block=block), {})
    half = Paper()
    half.core.encoder.layers = core.layers
    m.load_state_dict({name: value for name, value in paper_weights(half).items() if name in m.state_dict()})
    s = stream([[Rendered(row, [True] * len(row))] for row in SOURCE], causal=False)
    x = half.tokens(s.ids_BT) + sinusoids(5, DIM)
    expected = core(x, src_key_padding_mask=s.segment_BT == 0)
    real = s.segment_BT != 0
    assert (m.encode(s)[real] - expected[real]).abs().max() < 1e-5


def test_senses_stand_at_their_placeholders_and_nowhere_else():
    m = redrawn(model(model_recipe()))
    batch = collate([[rendered(question("image", 1))]], "decoder")
    here = batch.target.ids_BT == m.placeholder["image"]
    plain = m.embed(replace(batch.target, media={}))
    seen = m.embed(batch.target)
    assert torch.equal(seen[~here], plain[~here])
    assert torch.allclose(seen[here], m.senses["image"](batch.target.media["image"]))


def test_the_mean_of_a_sentence_leaves_padding_out():
    m = redrawn(model(model_recipe("encoder")))
    items = mixed(("text",), 3)
    s = stream([[item] for item in items], causal=False)
    pooled = m.pool(m.encode(s), s)
    for row, item in enumerate(items):
        one = stream([[item]], causal=False)
        assert (pooled[row] - m.encode(one)[0].mean(0)).abs().max() < 1e-5


def test_a_tied_head_is_one_tensor_and_an_untied_one_is_two():
    tied, untied = (Model(ModelRecipe(decoder_depth=1, vocab_size=9, tied=tied), {}) for tied in (True, False))
    assert sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in tied.parameters()) == 9 * 256


def test_half_precision_is_close():
    m, batch = redrawn(model(model_recipe())), collate([[item] for item in mixed()], "decoder")
    packed = collate([mixed()[:4], mixed()[4:]], "decoder")
    for one in (batch, packed):
        with torch.autocast("cpu", torch.bfloat16):
            narrow = m(one).float()
        real = one.target.segment_BT != 0
        assert (narrow - m(one))[real].abs().max() < 0.1 * m(one)[real].std()


@pytest.mark.parametrize(
    ("shape", "other", "wanted"),
    [("encoder", "decoder", "reads a source"), ("decoder", "encoder", "no encoder"), ("encoder_decoder", "encoder", "reads a target")],
)
def test_a_batch_of_another_shape_is_refused(shape, other, wanted):
    other = collate([[rendered(question("text", 1))]], other)
    with pytest.raises(ValueError, match=wanted):
        model(model_recipe(shape)).hidden(other)


def test_stacks_that_are_not_there_are_named():
    batch = collate([[rendered(question("text", 1))]], "encoder_decoder")
    with pytest.raises(ValueError, match="no encoder"):
        model(model_recipe("decoder")).encode(batch.source)
    with pytest.raises(ValueError, match="no decoder"):
        model(model_recipe("encoder")).decode(batch.target)


def test_an_unknown_sense_is_named():
    recipe = ModelRecipe(decoder_depth=1, senses={"smell": SenseRecipe()})
    with pytest.raises(ValueError, match="smell"):
        Model(recipe, {})
    assert list(cuts(model_recipe())) == ["image", "audio", "video"]


def test_a_copy_is_equal_and_separate():
    m = model(model_recipe())
    twin, batch = copy.deepcopy(m), collate([[item] for item in mixed(count=2)], "decoder")
    assert torch.equal(m(batch), twin(batch))
