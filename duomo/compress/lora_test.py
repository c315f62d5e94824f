import copy

import pytest
import torch

pytest.importorskip("peft")

from duomo.checkpoint import resume as restore
from duomo.checkpoint import save, weights, weights_digest
from duomo.compress.lora import lora, merge, merged, unmerge, without
from duomo.data.collate import collate
from duomo.objectives import cross_entropy
from duomo.recipe import AdaptRecipe, TrainRecipe
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer, schedule
from tests.small import mixed, model, model_recipe, redrawn

SHAPES = ("encoder", "decoder", "encoder_decoder")


def base(shape="decoder"):
    return redrawn(model(model_recipe(shape)))


def batch_of(shape="decoder"):
    return collate([[item] for item in mixed()], shape)


def adapted(shape="decoder", **options):
    """With adapters that say something: both of their maps are drawn."""
    m, random = lora(base(shape), AdaptRecipe(**({"rank": 4} | options))), torch.Generator().manual_seed(1)
    for p in m.parameters():
        if p.requires_grad and p.ndim > 1:
            p.data.copy_(torch.randn(p.shape, generator=random) * 0.1)
    return m


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_fresh_adapters_change_nothing(shape):
    assert torch.equal(lora(base(shape), AdaptRecipe())(batch_of(shape)), base(shape)(batch_of(shape)))


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_merged_equals_adapted_and_unmerged_is_the_base_bit_for_bit(shape):
    m, plain, batch = adapted(shape), base(shape), batch_of(shape)
    before, weights_before = m(batch), copy.deepcopy(m.state_dict())
    assert float((before - plain(batch)).abs().max()) > 0.1, "the adapters matter"
    kept = merge(m)
    together = m(batch)
    assert float((together - before).abs().max()) <= 2e-5 * float(before.abs().max())
    unmerge(m, kept)
    assert all(torch.equal(value, weights_before[name]) for name, value in m.state_dict().items())
    assert torch.equal(m(batch), before)
    with merged(m):
        assert torch.equal(m(batch), together)
    assert weights_digest(m) == weights_digest(adapted(shape))


@torch.no_grad()
def test_without_its_adapters_it_is_the_base():
    m, batch = adapted(dropout=0.5).train(), batch_of()
    with without(m):
        assert torch.equal(m(batch), base()(batch))
    assert m.training and not torch.equal(m.eval()(batch), base()(batch))


def test_only_adapters_and_named_parts_learn():
    m, batch = lora(base(), AdaptRecipe(rank=2, targets=("q", "down"), train=("senses.image.project",))), batch_of()
    before = {name: t.clone() for name, t in weights(m).items()}
    list(loop(m.train(), [[batch]] * 3, cross_entropy, optimizer(m, TrainRecipe(lr=1e-2)), lambda _: 1.0))
    changed = {name for name, t in weights(m).items() if not torch.equal(t, before[name])}
    maps = {f"decoder.blocks.{n}.{at}.lora_{side}.weight" for n in (0, 1) for at in ("attn.q", "mlp.down") for side in "AB"}
    assert changed == maps | {"senses.image.project.weight", "senses.image.project.bias"}


def test_no_rank_trains_the_named_parts_alone():
    m = lora(base(), AdaptRecipe(rank=0, train=("senses.audio", "tokens")))
    trained = {name for name, p in m.named_parameters() if p.requires_grad}
    assert "tokens.weight" in trained and trained - {"tokens.weight"} == {n for n in weights(m) if n.startswith("senses.audio.")}


def test_what_the_model_does_not_have_is_told():
    with pytest.raises(ValueError, match="no part 'senses.touch'; a part is named as senses.image.project, and begins with tokens"):
        lora(base(), AdaptRecipe(train=("senses.touch",)))
    relu = model_recipe()
    relu = relu.model_copy(update={"block": relu.block.model_copy(update={"feedforward": "relu"})})
    with pytest.raises(ValueError, match="adapt.targets: the model has none of gate"):
        lora(model(relu), AdaptRecipe(targets=("gate",)))


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_resumed_run_of_adapters_ends_with_the_very_weights_of_an_unbroken_one(tmp_path, kind):
    recipe, batch = TrainRecipe(optimizer=kind, steps=6, warmup=2, lr=5e-3), batch_of()

    def start(seed):
        torch.manual_seed(seed)
        m = lora(base().train(), AdaptRecipe(rank=4, dropout=0.2, train=("senses.video.project",)))
        return m, optimizer(m, recipe)

    def run(m, made, first, last):
        return list(loop(m, [[batch]] * (last - first), cross_entropy, made, lambda n: schedule(recipe, n), first))

    whole, made = start(0)
    run(whole, made, 0, 6)
    half, made_2 = start(0)
    run(half, made_2, 0, 3)
    folder = save(tmp_path / "step-3", half, made_2, {"step": 3})
    rest, made_3 = start(1)
    run(rest, made_3, int(restore(folder, rest, made_3)["step"]), 6)
    assert weights_digest(rest) == weights_digest(whole) != weights_digest(half)
