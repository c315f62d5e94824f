import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from duomo.batch import IGNORE
from duomo.data.collate import Masker
from duomo.data.load import Loader, ahead, fill_rate, single
from duomo.data.pack import plan
from duomo.data.shards import Shards, write
from duomo.modalities import MODALITIES
from tests.small import mixed, tokenizer


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write(folder, ((item, tuple(f"{n}" for _ in item.media)) for n, item in enumerate(mixed(count=24))))
    return Shards(folder)


def loader(shards, shape="decoder", rows=4, micro_batches=1, mask=None, weights=(1.0, 0.5)):
    made = plan(0, [shards.lengths, shards.lengths], [2, 1], rows, 128, shape != "encoder_decoder")
    return Loader(made, [shards, shards], weights, shape, tokenizer().placeholders(MODALITIES), micro_batches, mask)


def same(a, b):
    def contents(batch):
        return [batch.labels_BT.tolist(), *(s.ids_BT.tolist() for s in (batch.source, batch.target) if s)]

    return [contents(batch) for batch in a] == [contents(batch) for batch in b]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_change_nothing(shards, workers):
    made = loader(shards)
    for number, batches in enumerate(made.steps(2, 12, workers), 2):
        assert same(batches, made.step(number))
    assert number == 11


def test_a_resumed_loader_reads_on_where_the_other_stopped(shards):
    whole = list(loader(shards).steps(0, 8, 2))
    rest = list(loader(shards).steps(5, 8, 2))
    assert all(same(a, b) for a, b in zip(whole[5:], rest, strict=True))


@pytest.mark.parametrize("shape", ["encoder", "decoder", "encoder_decoder"])
def test_micro_batches_are_the_same_rows(shards, shape):
    whole, parts = loader(shards, shape, rows=6).step(3), loader(shards, shape, rows=6, micro_batches=4).step(3)
    assert len(whole) == 1 and len(parts) == 3
    assert [learned(row) for part in parts for row in rows_of(part)] == [learned(row) for row in rows_of(whole[0])]


def rows_of(batch):
    weight_BT = torch.ones(batch.labels_BT.shape) if batch.weight_BT is None else batch.weight_BT
    return zip(batch.labels_BT, weight_BT, strict=True)


def learned(row):
    labels, weights = row
    return labels[labels != IGNORE].tolist(), weights[labels != IGNORE].tolist()


def test_each_data_set_brings_its_weight(shards):
    batch = loader(shards, "encoder_decoder").step(0)[0]
    assert set(batch.weight_BT[batch.labels_BT != IGNORE].tolist()) == {1.0, 0.5}
    assert loader(shards, weights=(1.0, 1.0)).step(0)[0].weight_BT is None


def test_masks_are_drawn_anew_each_step_and_alike_each_time(shards):
    def mask(step):
        return Masker(0.5, 3, tokenizer().vocab_size, (0, step), 11)

    made = loader(shards, "encoder", mask=mask)
    assert same(made.step(4), made.step(4))
    assert not same(made.step(4), loader(shards, "encoder", mask=lambda step: mask(step + 1)).step(4))


def test_batches_whose_media_do_not_fit_are_refused(shards):
    broken = replace(loader(shards), placeholder={"image": tokenizer().special["<|user|>"]})
    with pytest.raises(ValueError, match="image: .* placeholders"):
        broken.step(0)


def test_work_is_done_ahead_but_not_far_ahead():
    begun, gate = [], threading.Event()

    def job(number):
        begun.append(number)
        gate.wait(5)
        return number

    results = ahead(iter([partial(job, n) for n in range(20)]), 2)
    gate.set()
    assert next(results) == 0
    assert len(begun) <= 6
    assert list(results) == list(range(1, 20))


def test_a_fault_of_a_worker_reaches_the_caller():
    def fail():
        raise ValueError("x.png: damaged")

    with pytest.raises(ValueError, match="damaged"):
        list(ahead(iter([fail]), 1))


def test_the_fill_rate_counts_real_places(shards):
    items = [shards[0], shards[1]]
    sizes = [len(item.ids) - 1 for item in items]
    batch = single([[item] for item in items], "decoder", tokenizer().placeholders(MODALITIES))
    assert fill_rate([batch]) == pytest.approx(sum(sizes) / (2 * max(sizes)))
    assert np.mean([fill_rate(loader(shards, rows=2).step(step)) for step in range(10)]) > 0.8
