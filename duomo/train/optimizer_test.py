import copy
import math

import pytest
import torch
from torch import nn

from duomo.modalities import MODALITIES
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe, TrainRecipe
from duomo.train.optimizer import Muon, optimizer, orthogonal, schedule
from tests.small import model, model_recipe, tokenizer


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 48, 16), (2, 16, 64)])
def test_orthogonal_pushes_singular_values_to_about_one(shape):
    random = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=random), full_matrices=False)
    values = torch.linspace(0.05, 1, min(shape[1:]))  # of ill-conditioned matrices too
    pushed = orthogonal(u @ torch.diag(values) @ v * 37.0)
    got = torch.linalg.svdvals(pushed)
    assert pushed.shape == shape
    assert 0.6 < float(got.min()) and float(got.max()) < 1.3
    assert torch.allclose(pushed, u @ (u.mT @ pushed @ v.mT) @ v, atol=1e-4), "directions stay"


def test_the_way_through_the_gram_matrix_leads_to_the_same(monkeypatch):
    x = torch.randn(2, 8, 30, generator=torch.Generator().manual_seed(0))
    through = orthogonal(x)
    monkeypatch.setattr("duomo.train.optimizer.WIDE", 100)
    assert torch.allclose(through, orthogonal(x), atol=1e-5)


def test_each_matrix_is_made_orthogonal_alone():
    x = torch.randn(4, 6, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(orthogonal(x)[2], orthogonal(x[2:3] * 100)[0], atol=1e-4)


def test_a_matrix_of_zeros_stays():
    assert not orthogonal(torch.zeros(1, 3, 3)).any()


def steps(made, parameters, count=5):
    random = torch.Generator().manual_seed(1)
    for _ in range(count):
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=random)
        made.step()


def test_the_rest_of_muon_is_torchs_adamw():
    ours = [nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(5))]
    theirs = copy.deepcopy(ours)
    steps(Muon([{"params": ours, "lr": 0.01, "weight_decay": 0.1}], betas=(0.9, 0.95)), ours)
    steps(torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1, betas=(0.9, 0.95)), theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 4), (4, 8)])
def test_muon_steps_by_the_orthogonal_of_nesterovs_momentum(shape):
    p = nn.Parameter(torch.ones(shape))
    expected, average = p.detach().clone(), torch.zeros(shape)
    steps(Muon([{"params": [p], "lr": 0.02, "weight_decay": 0.1, "muon": True}]), [p], 3)
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        gradient = torch.randn(shape, generator=random)
        average = 0.95 * average + 0.05 * gradient
        update = orthogonal((0.05 * gradient + 0.95 * average)[None])[0] * max(1, shape[0] / shape[1]) ** 0.5
        expected = expected * (1 - 0.02 * 0.1) - 0.02 * update
    assert torch.allclose(p, expected, atol=1e-5)


def test_a_filter_is_a_matrix_of_all_it_reads():
    filters, matrix = nn.Parameter(torch.ones(4, 3, 2, 2)), nn.Parameter(torch.ones(4, 12))
    for p in (filters, matrix):
        steps(Muon([{"params": [p], "lr": 0.02, "weight_decay": 0.1, "muon": True}]), [p], 3)
    assert torch.allclose(filters.flatten(1), matrix, atol=1e-6)


def test_matrices_of_one_shape_do_not_mix():
    a, b = nn.Parameter(torch.eye(4)), nn.Parameter(torch.eye(4))
    made = Muon([{"params": [a, b], "lr": 0.1, "muon": True}])
    a.grad, b.grad = torch.eye(4), None
    made.step()
    assert not torch.equal(a, torch.eye(4)) and torch.equal(b, torch.eye(4))


def named(recipe, kind):
    torch.manual_seed(0)
    m = Model(recipe, tokenizer().placeholders(MODALITIES))
    names = {id(p): name for name, p in m.named_parameters()}
    return [{names[id(p)] for p in group["params"]} for group in optimizer(m, TrainRecipe(optimizer=kind)).param_groups]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_hidden_matrices_are_apart_from_vectors_tables_and_the_head(kind):
    recipe = model_recipe().model_copy(update={"tied": False, "token_types": 2, "head_bias": True})
    recipe = ModelRecipe(**recipe.model_dump() | {"block": BlockRecipe(dim=32, heads=4, position="learned", bias=("q",))})
    matrices, others = named(recipe, kind)
    assert {"decoder.blocks.0.attn.q.weight", "decoder.blocks.1.mlp.down.weight", "senses.image.project.weight"} <= matrices
    assert "senses.image.front.convs.0.weight" in matrices, "filters are matrices of what they read"
    tables = {"tokens.weight", "types.weight", "head.weight", "head_bias", "decoder.positions.table"}
    assert tables | {"decoder.blocks.0.attn.q.bias", "decoder.norm.weight"} <= others


def test_what_is_frozen_is_not_trained():
    m = model(model_recipe())
    m.senses["image"].requires_grad_(False)
    trained = {id(p) for group in optimizer(m, TrainRecipe()).param_groups for p in group["params"]}
    assert trained == {id(p) for p in m.parameters() if p.requires_grad}


def rates(**more):
    recipe = TrainRecipe(**({"steps": 100, "warmup": 10, "min_lr_share": 0.1} | more))
    return [schedule(recipe, step) for step in range(101)]


@pytest.mark.parametrize("kind", ["cosine", "wsd", "constant"])
def test_every_schedule_warms_up_in_a_line(kind):
    assert rates(schedule=kind)[:11] == pytest.approx([*(i / 10 for i in range(1, 11)), 1.0])
    assert rates(schedule=kind, warmup=0)[0] == pytest.approx(1.0)


def test_cosine_falls_to_its_floor():
    found = rates(schedule="cosine")
    assert found[55] == pytest.approx(0.1 + 0.9 * 0.5)
    assert found[100] == pytest.approx(0.1)
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[32] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 22 / 90)))


def test_wsd_is_stable_and_then_falls_in_a_line():
    found = rates(schedule="wsd", decay_share=0.5)
    assert found[10:55] == [1.0] * 45
    assert found[55] == pytest.approx(1.0) and found[73] == pytest.approx((100 - 73) / 45)
    assert found[100] == 0.1


def test_constant_stays():
    assert set(rates(schedule="constant")[10:]) == {1.0}
