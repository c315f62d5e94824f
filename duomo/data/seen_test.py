from dataclasses import replace

import pytest
import torch

from duomo.data.collate import collate
from duomo.data.seen import Memory, Remembered
from duomo.data.shards import Shards, write
from duomo.objectives import cross_entropy
from tests.small import mixed, model, model_recipe, redrawn


@pytest.fixture
def items(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    write(folder, ((item, tuple(str(n) for _ in item.media)) for n, item in enumerate(mixed(count=12))))
    return Shards(folder)


@torch.no_grad()
def memories(m, folder, paid):
    def see(name):
        def one(media):
            paid.append(name)
            return m.senses[name].see(media).detach()

        return one

    return {name: Memory(folder / name, see(name)) for name in m.senses}


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_remembered_is_the_very_loss_and_gradient_of_seen(items, tmp_path, shape):
    """Bit for bit, where an item is seen alone; a batch of items of many sizes rounds otherwise."""
    m, paid = redrawn(model(model_recipe(shape))), []
    for sense in m.senses.values():
        sense.requires_grad_(False).project.requires_grad_(True)
    for _ in range(2):
        known = Remembered(items, memories(m, tmp_path, paid))
        for index in range(len(items)):
            found = []
            for item in (items[index], known[index]):
                m.zero_grad()
                loss = cross_entropy(m, collate([[item]], shape))
                loss.total_B.sum().backward()
                found.append([loss.total_B] + [p.grad for p in m.parameters() if p.grad is not None])
            assert len(found[0]) == len(found[1]) and all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert len(paid) == 9, "each of nine media once, though shown four times"


@torch.no_grad()
def test_a_batch_of_remembered_items_is_the_batch(items, tmp_path):
    m = redrawn(model(model_recipe()))
    known = Remembered(items, memories(m, tmp_path, []))
    batches = [collate([[some[n] for n in range(6)], [some[n] for n in range(6, 12)]], "decoder") for some in (items, known)]
    assert all(media.seen for media in batches[1].target.media.values())
    assert float((m(batches[0]) - m(batches[1])).abs().max()) <= 1e-5 * float(m(batches[0]).abs().max())


@torch.no_grad()
def test_other_content_is_another_item(items, tmp_path):
    m, paid = redrawn(model(model_recipe())), []
    (name, patches) = next(media for item in map(items.__getitem__, range(12)) for media in item.media)
    memory = memories(m, tmp_path, paid)[name]
    first = memory(patches)
    other = memory(replace(patches, values_NF=patches.values_NF + 1))
    assert len(paid) == 2 and not torch.equal(first.values_NF, other.values_NF)
    assert torch.equal(memory(patches).values_NF, first.values_NF) and len(paid) == 2
