from contextlib import nullcontext

import pytest
import torch

from duomo.data.collate import collate
from duomo.objectives import cross_entropy
from duomo.objectives.distillation import distillation, divergence
from tests.small import mixed, model, model_recipe, redrawn

SHAPES = ("encoder", "decoder", "encoder_decoder")


def made(teacher, **options):
    return distillation(lambda: nullcontext(teacher), **options)


def batch_of(shape):
    items = mixed()
    return collate([[item] for item in items] if shape == "encoder_decoder" else [items[:5], items[5:]], shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_has_nothing_to_learn_from_itself(shape):
    m, batch = redrawn(model(model_recipe(shape))), batch_of(shape)
    loss = made(m, share=1.0)(m, batch)
    assert float(loss.total_B.abs().max()) < 1e-4
    loss.total_B.sum().backward()
    assert all(p.grad is None or float(p.grad.abs().max()) < 1e-3 for p in m.parameters())


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_share_it_is_cross_entropy(shape):
    m, batch = redrawn(model(model_recipe(shape))), batch_of(shape)
    found, plain = made(redrawn(model(model_recipe(shape)), 7), share=0.0)(m, batch), cross_entropy(m, batch)
    assert torch.allclose(found.total_B, plain.total_B, rtol=1e-5) and torch.equal(found.count_B, plain.count_B)


def test_it_is_the_divergence_of_softened_probabilities():
    random = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(5, 9, generator=random), torch.randn(5, 9, generator=random)
    p, q = (teacher / 2).softmax(-1), (student / 2).softmax(-1)
    assert torch.allclose(divergence(teacher, student, 2.0), 4 * (p * (p.log() - q.log())).sum(-1), atol=1e-6)
    assert bool((divergence(teacher, student, 2.0) > 0).all())


def test_a_student_comes_nearer_to_its_teacher():
    teacher, student = redrawn(model(model_recipe(senses=()))), model(model_recipe(senses=(), depth=1))
    batch = collate([[item] for item in mixed(("text",), 6)], "decoder")
    objective, optimizer = made(teacher, share=1.0), torch.optim.AdamW(student.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = objective(student, batch)
        loss.total_B.sum().backward()
        optimizer.step()
        losses.append(float(loss.total_B.sum().detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is None for p in teacher.parameters()), "the teacher learns nothing"
