import math
from dataclasses import replace

import pytest
import torch

from duomo.batch import IGNORE
from duomo.data.collate import collate
from duomo.objectives import build
from duomo.objectives.cross_entropy import CHUNK, cross_entropy, target_nats
from tests.small import mixed, model, model_recipe, redrawn


@torch.no_grad()
def naive(m, batch):
    """Every target alone, from the whole matrix of probabilities; by (row, document)."""
    stream, found = batch.target or batch.source, {}
    log_p = m(batch).log_softmax(-1)
    for r, t in (batch.labels_BT != IGNORE).nonzero().tolist():
        weight = 1.0 if batch.weight_BT is None else float(batch.weight_BT[r, t])
        key = r, int(stream.segment_BT[r, t])
        total, count = found.get(key, (0.0, 0.0))
        found[key] = total - weight * float(log_p[r, t, batch.labels_BT[r, t]]), count + weight
    return found


@pytest.mark.parametrize("shape", ["encoder", "decoder", "encoder_decoder"])
@pytest.mark.parametrize("weighted", [False, True])
@torch.no_grad()
def test_it_is_the_sum_of_log_probabilities_by_document(shape, weighted):
    m = redrawn(model(model_recipe(shape)))
    items = [replace(item, weight=1.0 + n % 3 if weighted else 1.0) for n, item in enumerate(mixed())]
    rows = [[item] for item in items] if shape == "encoder_decoder" else [items[:3], items[3:4], items[4:]]
    batch = collate(rows, shape)
    loss, expected = cross_entropy(m, batch), naive(m, batch)
    most = max(map(len, rows))
    assert len(loss.total_B) == len(rows) * most, "one place per document, rows of fewer are filled up"
    for (row, document), (total, count) in expected.items():
        at = row * most + document - 1
        assert float(loss.total_B[at]) == pytest.approx(total, rel=1e-5)
        assert float(loss.count_B[at]) == pytest.approx(count)
    assert float(loss.count_B.sum()) == pytest.approx(sum(count for _, count in expected.values()))
    assert loss.mean == pytest.approx(sum(t for t, _ in expected.values()) / sum(c for _, c in expected.values()), rel=1e-5)


def test_packed_documents_lose_what_they_lose_alone():
    m, items = redrawn(model(model_recipe())), mixed()
    packed = cross_entropy(m, collate([items], "decoder"))
    for number, item in enumerate(items):
        alone = cross_entropy(m, collate([[item]], "decoder"))
        assert float(packed.total_B[number]) == pytest.approx(float(alone.total_B[0]), rel=1e-5)
        assert packed.count_B[number] == alone.count_B[0]


def test_chunks_change_nothing():
    m = redrawn(model(model_recipe(senses=())))
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(CHUNK + 7, 32, generator=random)
    labels = torch.randint(0, 400, (CHUNK + 7,), generator=random)
    whole = torch.nn.functional.cross_entropy(m.logits(hidden), labels, reduction="none")
    assert torch.allclose(target_nats(m, hidden, labels), whole, atol=1e-5)


def test_nothing_to_learn_costs_nothing():
    m, batch = model(model_recipe()), collate([mixed()[:2]], "decoder")
    loss = cross_entropy(m, replace(batch, labels_BT=torch.full_like(batch.labels_BT, IGNORE)))
    assert not loss.total_B.any() and not loss.count_B.any() and loss.mean == 0
    loss.total_B.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in m.parameters())


def test_a_fresh_model_guesses_evenly():
    loss = build("cross_entropy")(model(model_recipe()), collate([mixed()], "decoder"))
    assert loss.mean == pytest.approx(math.log(400), abs=0.1)
