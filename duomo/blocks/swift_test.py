import copy

import pytest
import torch

from duomo.batch import Stream
from duomo.blocks import Cache
from duomo.blocks.swift import MANY, Swift, swift_step
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe, RopeScaling
from tests.small import redrawn

PARTS = ("q", "k", "v", "out", "gate", "up", "down")
BLOCKS = {
    "llama": BlockRecipe(dim=32, heads=4),
    "shared keys": BlockRecipe(dim=32, heads=4, kv_heads=2, bias=("q", "k", "v")),
    "queries and keys normed": BlockRecipe(dim=32, heads=2, head_dim=8, qk_norm=True, eps=1e-2),
    "2017": BlockRecipe(dim=32, heads=4, norm="layer", norm_first=False, feedforward="relu", position="sinusoidal", bias=PARTS),
    "gpt-2": BlockRecipe(dim=32, heads=4, norm="layer", feedforward="gelu_tanh", position="learned", bias=PARTS),
    "yarn": BlockRecipe(dim=32, heads=4, scaling=RopeScaling(kind="yarn", factor=4)),
}


def made(block, shape="decoder"):
    depths = {"encoder_depth": 0 if shape == "decoder" else 2, "decoder_depth": 2}
    with torch.inference_mode(False):
        return redrawn(Model(ModelRecipe(shape=shape, vocab_size=80, block=block, max_positions=64, **depths), {})).eval()


def passes(model, lengths, many=None, count=5):
    """Hidden states of a prompt and of some steps; `many`: by the quick way."""
    shape = model.recipe.shape
    batch = prompt([Rendered(list(range(5, 5 + n)), [False] * n, turn=n) for n in lengths], shape)
    cache, target, found = Cache(len(lengths), 40), batch.target, []
    if many is not None:
        model.quicken(cache, many)
        assert isinstance(cache.swift, Swift)
    memory = None if batch.source is None else model.encode(batch.source)
    for step in range(count):
        found.append(model.decode(target, batch.source, memory, cache)[:, -1])
        ids = torch.full((len(lengths), 1), 7 + step)
        last = [getattr(target, name)[:, -1:] + 1 for name in ("group_BT", "position_BT")]
        target = Stream(ids, last[0], torch.ones_like(ids), last[1])
    return torch.stack(found), [model.logits(hidden) for hidden in found]


@torch.inference_mode()
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("lengths", [(6,), (6, 6, 6, 6, 6), (3, 9, 5, 6)])
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_the_quick_way_gives_what_the_blocks_give(block, lengths, many):
    model = made(block)
    slow, fast = passes(model, lengths), passes(model, lengths, many)
    assert float(slow[0].std()) > 0.3
    for a, b in zip(slow[1], fast[1], strict=True):
        assert (a - b).abs().max() < 1e-4 * max(1.0, float(a.std()))


@torch.inference_mode()
@pytest.mark.parametrize("lengths", [(6,), (3, 9, 5, 6)])
def test_it_reads_a_memory_as_the_blocks_do(lengths):
    model = made(BLOCKS["2017"], "encoder_decoder")
    slow, fast = passes(model, lengths), passes(model, lengths, False)
    assert (slow[0] - fast[0]).abs().max() < 1e-4
    assert (slow[0][2] - slow[0][1]).abs().max() > 1e-2


def test_joined_weights_are_the_same_weights_and_learn_as_before():
    model = made(BLOCKS["shared keys"])
    plain, before = copy.deepcopy(model), {name: t.clone() for name, t in model.state_dict().items()}
    assert swift_step(model.decoder) is not None
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    grads = []
    for one in (plain, model):
        batch = prompt([Rendered(list(range(5, 11)), [False] * 6, turn=6)] * 2, "decoder")
        one.train()
        one.logits(one.hidden(batch)).square().sum().backward()
        with torch.no_grad():
            for p in one.parameters():
                p.sub_(p.grad, alpha=1e-3)
        grads.append({name: p.grad for name, p in one.named_parameters()})
    for name, grad in grads[0].items():
        assert (grad - grads[1][name]).abs().max() <= 1e-4 * grad.abs().max() + 1e-6
    with torch.inference_mode():
        model.eval()
        assert (passes(model, (6,), False)[0] - passes(model, (6,))[0]).abs().max() < 1e-4, "it reads what was learned"


@torch.inference_mode()
def test_what_was_packed_for_many_rows_is_packed_anew_once_weights_have_changed():
    model, lengths = made(BLOCKS["llama"]), (6,) * MANY
    first = passes(model, lengths, True)[0]
    with torch.inference_mode(False), torch.no_grad():
        for p in model.parameters():
            p.mul_(1.5)
    again = passes(model, lengths, True)[0]
    assert (again - first).abs().max() > 1e-2 and (again - passes(model, lengths)[0]).abs().max() < 1e-4
    for p in model.parameters():
        p.data.mul_(0.9)  # a way of writing that no version tells
    assert (passes(model, lengths, True)[0] - passes(model, lengths)[0]).abs().max() < 1e-4
    with torch.inference_mode(False):
        model.decoder.blocks[0].attn.q = torch.nn.Linear(32, 32, bias=False)
    assert (passes(model, lengths, True)[0] - passes(model, lengths)[0]).abs().max() < 1e-4, "another map in its place is seen"
    model.train()
    assert model.decoder.swift is None and model._quick_head is None


def test_it_stands_back_where_something_else_is_to_be_called():
    model = made(BLOCKS["llama"])
    held = model.decoder.blocks[1].attn.q.register_forward_hook(lambda *_: None)
    assert swift_step(model.decoder) is None
    held.remove()
    step = swift_step(model.decoder)
    assert step is not None and not step.watched
    held = model.decoder.register_forward_pre_hook(lambda *_: None)
    assert step.watched
    held.remove()
    assert swift_step(copy.deepcopy(model).double().decoder) is None
    assert swift_step(model.train().decoder) is None


@torch.inference_mode()
def test_a_cache_that_is_full_is_refused():
    model = made(BLOCKS["llama"])
    with pytest.raises(ValueError, match="tokens but room for 40"):
        passes(model, (38,), False)


@torch.inference_mode()
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_eight_bits_are_nearly_the_same_and_are_no_longer_used_once_it_is_said(block):
    model = made(block)
    exact, model.int8 = passes(model, (6, 6), False), True
    nearly, again = passes(model, (6, 6), False), passes(model, (6, 6), False)
    model.int8 = False
    assert torch.equal(nearly[0], again[0])
    for a, b in zip(exact[1][1:], nearly[1][1:], strict=True):
        assert 1e-4 < float((a - b).std() / a.std()) < 0.1
    assert torch.equal(passes(model, (6, 6), False)[0], exact[0])
