import math
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from duomo.batch import IGNORE
from duomo.data.collate import collate
from duomo.objectives import build
from duomo.objectives.dpo import answer_nats, dpo
from duomo.sample import Message, text
from tests.small import model, model_recipe, question, redrawn, rendered


def pairs(count=3, weighted=False):
    """Batches of (chosen, rejected) rows."""
    rows = []
    for n in range(count):
        asked = question(("text", "image")[n % 2], n, "yes, it is")
        for answer in ("yes, it is", "no"):
            item = rendered(replace(asked, messages=(asked.messages[0], Message("assistant", (text(answer),)))))
            rows.append([replace(item, weight=0.5 / sum(item.learn))] if weighted else [item])
    return collate(rows, "decoder")


def frozen(reference):
    return lambda: nullcontext(reference.eval())


@pytest.mark.parametrize("weighted", [False, True])
def test_the_reference_itself_loses_log_2(weighted):
    m = redrawn(model(model_recipe()))
    loss = dpo(frozen(m))(m, pairs(weighted=weighted))
    assert torch.allclose(loss.total_B, torch.full((3,), math.log(2)), atol=1e-6)
    assert torch.allclose(loss.count_B, torch.ones(3)) and loss.mean == pytest.approx(math.log(2))


def test_a_step_makes_the_chosen_answer_likelier_than_the_rejected():
    m, reference, batch = redrawn(model(model_recipe())), redrawn(model(model_recipe())), pairs()
    before = answer_nats(m, batch)
    dpo(frozen(reference), beta=0.5)(m, batch).total_B.sum().backward()
    with torch.no_grad():
        for p in m.parameters():
            if p.grad is not None:
                p -= 1e-4 * p.grad
    gained = (before - answer_nats(m, batch)).unflatten(0, (-1, 2))
    assert bool((gained[:, 0] > gained[:, 1]).all())


def test_it_is_the_formula():
    m, reference, batch = redrawn(model(model_recipe())), redrawn(model(model_recipe()), seed=5), pairs()
    found, beta = dpo(frozen(reference), beta=0.01)(m, batch).total_B, 0.01
    for n in range(3):
        gain = [float(naive(m, batch, row) - naive(reference, batch, row)) for row in (2 * n, 2 * n + 1)]
        assert float(found[n]) == pytest.approx(-math.log(1 / (1 + math.exp(-beta * (gain[0] - gain[1])))), rel=1e-4)


@torch.no_grad()
def naive(m, batch, row):
    """The log-probability of one row's answer, token by token."""
    log_p, labels = m(batch)[row].log_softmax(-1), batch.labels_BT[row]
    return sum(log_p[t, label] for t, label in enumerate(labels.tolist()) if label != IGNORE)


def test_earlier_turns_which_both_answers_share_cancel():
    m, reference = redrawn(model(model_recipe())), redrawn(model(model_recipe()), seed=5)
    first, asked = question("text", 1, "one"), question("text", 2, "two")
    sides = [rendered(replace(asked, messages=(*first.messages, asked.messages[0], Message("assistant", (text(said),))))) for said in "ab"]
    masked = [replace(item, learn=[False] * item.turn + item.learn[item.turn :]) for item in sides]
    losses = [dpo(frozen(reference), beta=0.05)(m, collate([[item] for item in items], "decoder")).mean for items in (sides, masked)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_unknown_objectives_and_options_are_refused_in_one_line():
    with pytest.raises(ValueError, match="no objective 'dop'; did you mean 'dpo'"):
        build("dop")
    with pytest.raises(ValueError, match="objective dpo has no option 'bta'; did you mean 'beta'"):
        build("dpo", bta=1)
