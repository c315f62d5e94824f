"""A trace allocates nothing and foretells what training takes, to the byte where torch's allocator is asked."""

import gc

import pytest
import torch

from duomo.commands.plan import made, traced
from duomo.model import Model
from duomo.objectives import cross_entropy
from duomo.plan.load import assumed, placeholders
from duomo.recipe import DataRecipe, Recipe, TrainRecipe
from duomo.train.loop import backward
from duomo.train.optimizer import optimizer
from duomo.train.speed import bytes_of
from tests import small


def recipe(shape="decoder", senses=(), **train):
    model = small.model_recipe(shape, senses).model_copy(update={"vocab_size": 512})
    data = DataRecipe(max_tokens=96, row_tokens=96, pack=shape != "encoder_decoder")
    return Recipe(name="small", model=model, data=data, train=TrainRecipe(rows=4, **train))


@pytest.mark.parametrize(
    "mine", [recipe(), recipe("encoder_decoder"), recipe(senses=("image", "audio")), recipe(micro_batches=2, optimizer="muon")],
    ids=["decoder", "encoder-decoder", "senses", "Muon in two micro-batches"],
)  # fmt: skip
def test_memory_is_what_the_allocator_says(mine):
    load, found = assumed(mine), traced(mine, assumed(mine))
    torch.manual_seed(0)
    model = Model(mine.model, placeholders(mine)).train()
    solver = optimizer(model, mine.train)

    def step():
        backward(model, load.batches, cross_entropy)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        solver.step()

    step()
    state = sum(v.numel() * v.element_size() for one in solver.state.values() for v in one.values())
    weights = sum(x.numel() * x.element_size() for x in (*model.parameters(), *model.buffers()))
    assert found.weights == pytest.approx(weights, rel=0.01) and found.optimizer == pytest.approx(state, rel=0.01)
    assert found.gradients == sum(p.numel() * 4 for p in model.parameters())
    solver.zero_grad()
    gc.collect()
    held = weights + state + sum(x for x in [found.batch])
    assert found.most == pytest.approx(held + bytes_of(step), rel=0.05)


def test_blocks_computed_again_and_smaller_micro_batches_take_less():
    plain, again, halves = (traced(one, assumed(one)) for one in (recipe(), recipe(checkpoint_blocks=True), recipe(micro_batches=4)))
    assert again.activations < plain.activations / 2 and again.most < plain.most
    assert halves.activations < plain.activations / 3 and halves.gradients == plain.gradients
    assert sum(again.passes.flops.values()) > sum(plain.passes.flops.values())
    assert sum(halves.passes.flops.values()) == pytest.approx(sum(plain.passes.flops.values()))


@pytest.mark.parametrize("count", [1, 2], ids=["one micro-batch", "two"])
def test_many_rows_are_foretold_by_few(count):
    few, twice, many = (traced(one, assumed(one)) for one in (recipe(micro_batches=count).model_copy(
        update={"train": TrainRecipe(rows=rows * count, micro_batches=count)}) for rows in (2, 4, 12)))  # fmt: skip
    found = few.with_rows(twice, 6)
    assert found.most == pytest.approx(many.most, rel=0.04)  # two rows of this test fill no chunk of logits
    assert (found.activations, found.batch) == (many.activations, many.batch)
    assert found.head == pytest.approx(many.head, rel=0.01)
    assert sum(found.passes.flops.values()) == pytest.approx(sum(many.passes.flops.values()))
    assert found.passes.moved == pytest.approx(many.passes.moved, rel=0.02)


def test_bfloat16_takes_fewer_activations_and_the_same_weights():
    plain, half = traced(recipe(), assumed(recipe())), traced(recipe(), assumed(recipe()), half=True)
    assert half.activations < plain.activations and half.weights == plain.weights


def test_weights_have_shapes_and_no_bytes():
    large = recipe().model.model_copy(update={"vocab_size": 2**26})  # 8 GiB of token vectors
    mine = recipe().model_copy(update={"model": large})
    assert made(mine).tokens.weight.is_meta
    assert traced(mine, assumed(mine)).weights > 2**33
