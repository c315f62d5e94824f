from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from duomo.batch import IGNORE, move
from duomo.data.collate import collate
from duomo.objectives.cross_entropy import label_nats
from duomo.objectives.grpo import Rollout, advantages, divergence, grpo
from tests.small import mixed, model, model_recipe, redrawn


def rollout(rewards, group=2, nats_BT=None):
    batch = collate([[item] for item in mixed(count=len(rewards))], "decoder")
    rewards = torch.tensor(rewards)
    return Rollout(**vars(batch), reward_B=rewards, advantage_B=advantages(rewards, group), nats_BT=nats_BT)


def gradient(m, batch, **options):
    m.zero_grad()
    loss = grpo(lambda: nullcontext(m), **options)(m, batch)
    loss.total_B.sum().backward()
    return loss, {name: p.grad.clone() for name, p in m.named_parameters() if p.grad is not None}


def test_equal_rewards_teach_nothing():
    m = redrawn(model(model_recipe()))
    loss, found = gradient(m, rollout([1.0, 1.0, 0.0, 0.0]))
    assert not loss.total_B.any() and loss.count_B.all()
    assert all(not g.any() for g in found.values())


def test_advantages_are_of_the_group():
    found = advantages(torch.tensor([1.0, 0.0, 0.0, 0.0, 5.0, 3.0, 5.0, 3.0]), 4).view(2, 4)
    assert torch.allclose(found.mean(1), torch.zeros(2), atol=1e-6) and torch.allclose(found.std(1, correction=0), torch.ones(2))
    assert torch.allclose(found[1], torch.tensor([1.0, -1.0, 1.0, -1.0]))


@pytest.mark.parametrize("reward", [37.1, 12.34, 0.3, -1.0, 0.0])
@pytest.mark.parametrize("group", [2, 7, 8])
def test_answers_that_score_alike_have_no_advantage_to_the_last_bit(reward, group):
    assert not advantages(torch.tensor([reward] * group), group).any()


def test_what_was_drawn_warm_is_read_at_that_temperature():
    m, batch = redrawn(model(model_recipe())), rollout([1.0, 0.0, 0.25, 1.0])
    _, found = gradient(m, replace(batch, temperature=2.0))
    m.zero_grad()
    here = batch.labels_BT != IGNORE
    log_p = (m.logits(m.hidden(batch)[here]) / 2).log_softmax(-1).gather(1, batch.labels_BT[here][:, None])[:, 0]
    (-log_p * batch.advantage_B[here.nonzero()[:, 0]]).sum().backward()
    assert all(torch.allclose(p.grad, found[name], rtol=1e-3, atol=1e-4) for name, p in m.named_parameters() if name in found)


def test_a_step_makes_the_better_answer_likelier():
    m, batch = redrawn(model(model_recipe())), rollout([1.0, 0.0, 0.0, 1.0])
    row_N = (batch.labels_BT != IGNORE).nonzero()[:, 0]
    before = label_nats(m, batch).detach()
    gradient(m, batch)
    with torch.no_grad():
        for p in m.parameters():
            if p.grad is not None:
                p -= 1e-4 * p.grad
    gained = torch.zeros(4).index_add(0, row_N, before - label_nats(m, batch).detach())
    assert gained[0] > 0 > gained[1] and gained[3] > 0 > gained[2]


def test_while_nothing_has_changed_it_is_the_plain_policy_gradient():
    """The gradient is that of advantage times log-probability, and the clip does not matter."""
    m, batch = redrawn(model(model_recipe())), rollout([1.0, 0.0, 0.25, 1.0])
    _, found = gradient(m, batch, clip=1e-6)
    m.zero_grad()
    row_N = (batch.labels_BT != IGNORE).nonzero()[:, 0]
    (label_nats(m, batch) * batch.advantage_B[row_N]).sum().backward()
    assert all(torch.allclose(p.grad, found[name], rtol=1e-3, atol=1e-4) for name, p in m.named_parameters() if name in found)


@pytest.mark.parametrize(("reward", "ratio", "moves"), [(1, 2.0, False), (1, 0.5, True), (0, 2.0, True), (0, 0.5, False)])
def test_what_has_moved_far_enough_is_clipped(reward, ratio, moves):
    """A better answer that is already likelier, and a worse one that is already less likely, pull no further."""
    m = redrawn(model(model_recipe(senses=())))
    items = [[item] for item in mixed(("text",), 2)]
    batch = collate(items, "decoder")
    here = batch.labels_BT != IGNORE
    nats_BT = torch.zeros(batch.labels_BT.shape)
    nats_BT[here] = label_nats(m, batch).detach() + torch.tensor(ratio).log()
    advantage = torch.tensor([1.0, 0.0]) if reward else torch.tensor([-1.0, 0.0])
    made = Rollout(**vars(batch), reward_B=advantage, advantage_B=advantage, nats_BT=nats_BT)
    _, found = gradient(m, made)
    assert any(g.any() for g in found.values()) == moves


def test_the_divergence_is_none_from_itself_and_draws_back():
    m, reference = redrawn(model(model_recipe())), redrawn(model(model_recipe()), seed=3)
    batch = rollout([1.0, 1.0])
    loss = grpo(lambda: nullcontext(m), kl=0.5)(m, batch)
    assert float(loss.total_B.abs().sum()) < 1e-5
    away = grpo(lambda: nullcontext(reference), kl=1e-3)(m, batch)
    assert bool((away.total_B > 0).all())
    assert torch.allclose(divergence(torch.zeros(3)), torch.zeros(3)) and bool((divergence(torch.tensor([-1.0, 1.0])) > 0).all())


def test_a_rollout_moves_as_one():
    batch = replace(rollout([1.0, 0.0]), nats_BT=torch.zeros(2, 3))
    assert isinstance(move(batch, "cpu"), Rollout) and torch.equal(move(batch, "cpu").reward_B, batch.reward_B)
