"""The laws that every model keeps, whatever its shape and its senses (masks, layouts, padding, learning, resuming)."""

import math
from dataclasses import replace

import pytest
import torch

from duomo.batch import Layout
from duomo.checkpoint import resume, save, weights_digest
from duomo.data.collate import collate, prompt, stream
from duomo.data.load import Loader
from duomo.data.pack import plan
from duomo.data.shards import Shards, write
from duomo.modalities import MODALITIES
from duomo.objectives import cross_entropy
from duomo.recipe import BlockRecipe, TrainRecipe
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer, schedule
from tests.small import KINDS, LETTERS, mixed, model, model_recipe, question, redrawn, rendered, tokenizer

SHAPES = ("encoder", "decoder", "encoder_decoder")
CLOSE = 1e-5


def large(shape):
    """A model whose logits have a deviation of at least 1, so that a difference would show."""
    return redrawn(model(model_recipe(shape)))


def real(batch):
    return (batch.target or batch.source).segment_BT != 0


def documents(m, batch):
    """The logits of each document, in order."""
    logits, s = m(batch), batch.target or batch.source
    return [logits[r][s.segment_BT[r] == number] for r in range(len(logits)) for number in range(1, int(s.segment_BT[r].max()) + 1)]


def worst(found, expected):
    assert [len(one) for one in found] == [len(one) for one in expected]
    assert float(torch.cat(expected).std()) >= 1
    return max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_packed_equals_unpacked(shape):
    m, items = large(shape), mixed(count=10)
    packed, alone = documents(m, collate([items[:6], items[6:]], shape)), [documents(m, collate([[item]], shape))[0] for item in items]
    assert worst(packed, alone) <= CLOSE


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_of_mixed_lengths_equals_each_alone(shape):
    m, items = large(shape), mixed(count=10)
    together = documents(m, collate([[item] for item in items], shape))
    assert worst(together, [documents(m, collate([[item]], shape))[0] for item in items]) <= CLOSE


LAYOUTS = [
    ("decoder", "causal", 1),
    ("decoder", "packed", 3),
    ("encoder", "mutual", 1),
    ("encoder", "packed", 3),
    ("encoder_decoder", "mutual", 1),
]


@torch.no_grad()
@pytest.mark.parametrize(("shape", "kind", "rows"), LAYOUTS)
def test_every_layout_equals_the_dense_oracle(shape, kind, rows):
    m, items = large(shape), mixed(count=9)
    batch = collate([items[at : at + rows] for at in range(0, len(items), rows)], shape)
    assert kind in {s.layout.kind for s in (batch.source, batch.target) if s}
    memory = m.encode(batch.source, dense=True) if batch.source else None
    dense = memory if batch.target is None else m.decode(batch.target, batch.source, memory, dense=True)
    assert float((m(batch) - m.logits(dense))[real(batch)].abs().max()) <= CLOSE


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_is_seen_by_none(shape):
    m, batch = large(shape), collate([[item] for item in mixed(count=6)], shape)
    before = m(batch)[real(batch)]
    for s in filter(None, (batch.source, batch.target)):
        assert (s.segment_BT == 0).any()
        s.ids_BT[s.segment_BT == 0] = 77
        s.position_BT[s.segment_BT == 0] = 5
    assert float((before - m(batch)[real(batch)]).abs().max()) == 0


@torch.no_grad()
def test_padding_left_or_right_is_the_same():
    m, items = large("decoder"), [rendered(question(KINDS[n % 4], n), answer=False) for n in range(6)]
    left, right = prompt(items, "decoder").target, stream([[item] for item in items], causal=True)
    assert left.layout.kind == "dense" and right.layout.kind == "causal"
    a, b = m.decode(left)[left.segment_BT != 0], m.decode(right)[right.segment_BT != 0]
    assert float((a - b).abs().max()) <= CLOSE


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_a_decoder_can_not_see_ahead(shape):
    m, batch = large(shape), collate([[rendered(question("text", 1, answer="abcabc"))]], shape)
    length = batch.target.ids_BT.shape[1]
    for t in range(length - 1):
        later = batch.target.ids_BT.clone()
        later[:, t + 1 :] = 99
        other = replace(batch, target=replace(batch.target, ids_BT=later))
        assert torch.equal(m(batch)[:, : t + 1], m(other)[:, : t + 1])
        assert not torch.allclose(m(batch)[:, t + 1 :], m(other)[:, t + 1 :], atol=0.1)


@torch.no_grad()
def test_a_prefix_is_read_in_both_directions_and_the_answer_only_back():
    m, s = large("decoder"), stream([[replace(rendered(question("text", 1)), ids=[11, 12, 13, 14, 15], learn=[True] * 5)]], causal=True)
    s = replace(s, group_BT=torch.tensor([[0, 0, 0, 1, 2]]), layout=Layout("dense"))
    changes = []
    for t in range(5):
        ids = s.ids_BT.clone()
        ids[0, t] = 99
        changes.append(((m.decode(replace(s, ids_BT=ids)) - m.decode(s)).abs().amax(-1)[0] > 1e-4).int().tolist())
    assert changes == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]


@torch.no_grad()
def test_items_never_cross():
    """Another picture changes its own document only, packed or not."""
    m, items = large("decoder"), mixed(("image", "audio", "video"), 6)
    other = [replace(items[0], media=mixed(("image",), 4)[2].media), *items[1:]]
    assert other[0].media[0][1].tokens == items[0].media[0][1].tokens
    for rows in ([[0, 1, 2, 3, 4, 5]], [[n] for n in range(6)]):
        a, b = (documents(m, collate([[some[n] for n in row] for row in rows], "decoder")) for some in (items, other))
        assert float((a[0] - b[0]).abs().max()) > 0.1
        assert all(torch.equal(x, y) for x, y in zip(a[1:], b[1:], strict=True))


def learn(shape, kind, shuffled, steps):
    """Nats of each answer at each step of training on one batch; `shuffled`: its answers are dealt anew at each."""
    items = [rendered(question(kind, n)) for n in range(8)]
    letters = [tokenizer().encode(letter)[0] for letter in LETTERS]
    random = torch.Generator().manual_seed(0)

    def batches():
        for _ in range(steps):
            order = torch.randperm(8, generator=random).tolist() if shuffled else range(8)
            yield [collate([[answered(item, letters[n])] for item, n in zip(items, order, strict=True)], shape)]

    m = model(model_recipe(shape, senses=() if kind == "text" else (kind,), depth=1)).train()
    made = torch.optim.AdamW(m.parameters(), 1e-2, betas=(0.9, 0.95))
    return (step.loss * step.targets / 8 for step in loop(m, batches(), cross_entropy, made, lambda step: min(1.0, (step + 1) / 5)))


def answered(item, letter):
    """The same question with another letter for its answer."""
    return replace(item, ids=[*item.ids[: item.turn], letter, *item.ids[item.turn + 1 :]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_learns_from_each_modality_and_not_from_another_sample(shape, kind):
    assert any(nats < 0.2 for nats in learn(shape, kind, shuffled=False, steps=200)), "it never knew all eight answers"
    at_the_end = list(learn(shape, kind, shuffled=True, steps=40))[-15:]
    assert sum(at_the_end) / 15 > 0.95 * math.log(8), "it knew an answer that the sample does not hold"


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_resumed_run_ends_with_the_very_weights_of_an_unbroken_one(tmp_path, kind):
    write(tmp_path, ((item, tuple(str(n) for _ in item.media)) for n, item in enumerate(mixed(count=16))))
    data = [Shards(tmp_path)] * 2
    recipe = TrainRecipe(optimizer=kind, steps=7, warmup=3, schedule="wsd", lr=5e-3)
    made = plan(3, [one.lengths for one in data], [2, 1], 3, 96, True)
    loader = Loader(made, data, [1.0, 0.5], "decoder", tokenizer().placeholders(MODALITIES), micro_batches=2)

    def start(seed):
        m = model(model_recipe(block=BlockRecipe(dim=32, heads=4, dropout=0.2)), seed).train()
        return m, optimizer(m, recipe)

    def run(m, made, first, last):
        return list(loop(m, loader.steps(first, last, 1), cross_entropy, made, lambda n: schedule(recipe, n), first))

    m, made = start(0)
    whole = run(m, made, 0, 7)
    m_2, made_2 = start(0)
    run(m_2, made_2, 0, 4)
    folder = save(tmp_path / "step-4", m_2, made_2, {"step": 4})
    torch.manual_seed(99)
    m_3, made_3 = start(1)
    rest = run(m_3, made_3, int(resume(folder, m_3, made_3)["step"]), 7)
    assert [replace(step, seconds=0, waited=0) for step in rest] == [replace(step, seconds=0, waited=0) for step in whole[4:]]
    assert weights_digest(m_3) == weights_digest(m) != weights_digest(m_2)
