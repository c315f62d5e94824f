import copy
from dataclasses import replace

import pytest
import torch

from duomo.data.collate import collate
from duomo.objectives import cross_entropy
from duomo.recipe import TrainRecipe
from duomo.train.loop import backward, loop, targets, tokens
from duomo.train.optimizer import optimizer
from duomo.train.speed import flops_of, matmul_peak
from duomo.train.validate import validate
from tests.small import mixed, model, model_recipe, redrawn


def weighted(count, weights):
    return [replace(item, weight=weights[n % len(weights)]) for n, item in enumerate(mixed(count=count))]


@pytest.mark.parametrize("shape", ["encoder", "decoder", "encoder_decoder"])
@pytest.mark.parametrize("weights", [(1.0,), (0.25, 3.0, 1.0)], ids=["even", "weighted"])
def test_micro_batches_give_the_gradient_of_the_whole(shape, weights):
    m, items = redrawn(model(model_recipe(shape))).double(), weighted(7, weights)
    whole, gradients = [collate([[item] for item in items], shape)], []
    parts = [collate([[item] for item in items[a:b]], shape) for a, b in ((0, 1), (1, 5), (5, 7))]
    assert len({targets(part) for part in parts}) == 3, "targets are uneven"
    losses = []
    for batches in (whole, parts):
        m.zero_grad()
        losses.append(backward(m, [doubled(batch) for batch in batches], cross_entropy).mean)
        gradients.append({name: p.grad for name, p in m.named_parameters() if p.grad is not None})
    assert losses[0] == pytest.approx(losses[1])
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert (gradient - gradients[1][name]).norm() <= 1e-6 * gradient.norm(), name


def doubled(batch):
    """Media in double precision, so that only the rule is measured and not the rounding."""

    def wide(stream):
        media = {name: replace(one, values_MNF=one.values_MNF.double()) for name, one in stream.media.items()}
        return replace(stream, media=media)

    return replace(batch, **{side: wide(getattr(batch, side)) for side in ("source", "target") if getattr(batch, side) is not None})


def test_each_micro_batch_by_its_own_count_would_be_wrong():
    m, items = redrawn(model(model_recipe(senses=()))), [item for item in mixed(("text",), 4)]
    batches = [collate([[item] for item in part], "decoder") for part in (items[:1], items[1:])]
    found = []
    for divide in (True, False):
        m.zero_grad()
        for batch in batches if divide else ():
            loss = cross_entropy(m, batch)
            (loss.total_B.sum() / loss.count_B.sum() / 2).backward()
        if not divide:
            backward(m, batches, cross_entropy)
        found.append(m.decoder.blocks[0].mlp.up.weight.grad.clone())
    assert (found[0] - found[1]).norm() > 1e-2 * found[1].norm()


def trained(steps, clip=1.0, lr=1e-2, batches=None):
    m = model(model_recipe(senses=())).train()
    made = optimizer(m, TrainRecipe(lr=lr))
    batch = collate([[item] for item in mixed(("text",), 4)], "decoder")
    return m, made, list(loop(m, batches or [[batch]] * steps, cross_entropy, made, lambda step: 0.5**step, clip=clip))


def test_a_step_tells_what_it_did():
    m, made, steps = trained(3)
    batch = collate([[item] for item in mixed(("text",), 4)], "decoder")
    assert [step.number for step in steps] == [1, 2, 3]
    assert [step.rate for step in steps] == [1.0, 0.5, 0.25]
    assert steps[0].targets == targets(batch) and steps[0].tokens == tokens([batch]) == int((batch.target.segment_BT != 0).sum())
    assert steps[2].loss < steps[0].loss
    assert made.param_groups[0]["lr"] == pytest.approx(1e-2 * 0.25) and made.param_groups[0]["full_lr"] == 1e-2


def test_gradients_are_clipped_together_and_the_norm_is_from_before():
    m, _, steps = trained(1, clip=1e-3)
    assert steps[0].norm > 0.1
    total = torch.stack([p.grad.norm() for p in m.parameters() if p.grad is not None]).norm()
    assert float(total) == pytest.approx(1e-3, rel=1e-3)


def test_another_backward_may_take_its_place():
    m = model(model_recipe(senses=())).train()
    before, seen = copy.deepcopy(m.state_dict()), []

    def private(model, batches, objective):
        seen.append(len(batches))
        loss = backward(model, batches, objective)
        for p in model.parameters():
            p.grad = torch.zeros_like(p) if p.grad is not None else None
        return loss

    batch = collate([[mixed(("text",), 1)[0]]], "decoder")
    list(loop(m, [[batch] * 2], cross_entropy, torch.optim.SGD(m.parameters(), 1.0), lambda _: 1.0, backward=private))
    assert seen == [2]
    assert all(torch.equal(value, before[name]) for name, value in m.state_dict().items())


def test_validation_is_the_mean_by_data_set_and_leaves_no_trace():
    m = redrawn(model(model_recipe(senses=()))).train()
    items = mixed(("text",), 6)
    held_out = {"a": [collate([[item] for item in items[:4]], "decoder")], "b": [collate([[item]], "decoder") for item in items[4:]]}
    found = validate(m, held_out, cross_entropy, torch.device("cpu"))
    assert m.training and all(p.grad is None for p in m.parameters())
    both = [cross_entropy(m.eval(), batch) for batch in held_out["b"]]
    assert found["b"] == pytest.approx(sum(float(x.total_B.sum()) for x in both) / sum(float(x.count_B.sum()) for x in both))
    assert found.keys() == {"a", "b"}


def test_flops_are_counted():
    a = torch.ones(8, 16, requires_grad=True)
    assert flops_of(lambda: (a @ torch.ones(16, 4)).sum().backward()) == 2 * 2 * 8 * 16 * 4
    assert matmul_peak(torch.device("cpu"), torch.float32, seconds=0.01) > 1e8
