"""What is needed: the cache is the cache that generation makes, the mend mends, and a small step can not be faster than its kernels."""

import math

import pytest
import torch

from duomo.blocks import Cache
from duomo.data.collate import collate
from duomo.data.render import Rendered
from duomo.plan import machines
from duomo.plan.load import assumed
from duomo.plan.machines import MACHINES, Machine, named
from duomo.plan.need import KEPT, decode_cache, mends, priced, resident, seconds_a_step
from duomo.plan.parts import Worth
from duomo.plan.probe import machine, probe
from duomo.plan.trace import Traced, Work
from duomo.recipe import DataRecipe, Recipe, TrainRecipe
from tests import small


def step(most: int, calls: int = 0) -> Traced:
    return Traced(1, 1, 2, 0, most, 0, (most,), 0, Work(calls=calls), Work())


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_the_decode_cache_is_the_one_that_generation_makes(shape):
    model, rows, room_for, source = small.model(small.model_recipe(shape)), 3, 40, 17
    cache = Cache(rows, room_for)
    batch = collate([[Rendered([9] * (source + 5), [True] * (source + 5), turn=source)]] * rows, shape)
    memory = None if batch.source is None else model.encode(batch.source)
    with torch.no_grad():
        model.decode(batch.target, batch.source, memory, cache)
    held = [x for pair in (*cache.layers.values(), *cache.memory.values()) for x in pair]
    assert decode_cache(model.recipe, rows, room_for, source) == sum(x.numel() * x.element_size() for x in held)


def test_the_first_mend_that_fits_is_told():
    mine = Recipe(name="mine", model=small.model_recipe(), train=TrainRecipe(rows=8))

    def bytes_of(tried: Recipe) -> float:
        return (4 if tried.train.checkpoint_blocks else 16) * math.ceil(8 / tried.train.micro_batches) + 10

    def on(size: float) -> tuple[str, ...]:
        return mends(mine, Machine("a", "a", 1, 1, size / 0.92, 1.0), bytes_of)

    assert on(1000) == () and on(80) == ("train.micro_batches=2",)
    assert on(26) == ("train.micro_batches=8",)
    assert on(20) == ("train.checkpoint_blocks=true", "train.micro_batches=4")
    assert on(9) == ()


def test_seconds_are_those_of_the_formula_but_never_less_than_kernels_take_to_start():
    gpu = named("h100")
    large, tiny = Worth(1e15, 1), Worth(1e3, 1)
    assert seconds_a_step(gpu, step(1), large, None, None) == pytest.approx(1e15 / (gpu.flops * 0.5))
    assert seconds_a_step(gpu, step(1, calls=1000), tiny, None, None) == pytest.approx(1000 * gpu.launch)
    assert seconds_a_step(gpu, step(1, calls=1000), tiny, None, 0.5) == pytest.approx(1e3 / (gpu.flops * 0.5))


def test_a_machine_that_is_measured_is_timed_by_its_kernels():
    rates = probe(0.1)
    here = machine(rates)
    found = seconds_a_step(here, step(1, calls=100), Worth(1.0, 1), rates, None)
    assert found == pytest.approx(100 * rates.call) and 1e8 < here.flops < 1e15 and here.memory > 2**28
    there = resident(named("h100"), step(2**20))
    assert resident(here, step(2**20)) > 2**20 > there == pytest.approx(KEPT * 2**20)


def test_a_price_is_that_of_all_devices():
    assert priced(named("h100x8"), 2.0, 3.0) == 48.0 and priced(named("h100"), 2.0, None) is None


def test_every_figure_of_a_machine_names_its_source():
    for name, one in MACHINES.items():
        assert one.name == name and {"flops", "bandwidth", "memory", "utilisation", "launch"} <= one.sources.keys()
        assert all(one.sources.values())
    with pytest.raises(ValueError, match="'h10'.*did you mean 'h100'"):
        named("h10")
    assert machines.dense_peak("NVIDIA H100 80GB HBM3") == 989.4e12 and machines.dense_peak("toaster") is None


def test_a_step_is_assumed_full_and_shows_the_largest_items():
    mine = Recipe(name="mine", model=small.model_recipe(), data=DataRecipe(row_tokens=120), train=TrainRecipe(rows=3))
    load = assumed(mine)
    (batch,) = load.batches
    assert batch.target is not None and tuple(batch.target.ids_BT.shape) == (3, 120)
    assert {name: len(media.count_M) for name, media in batch.target.media.items()} == {"image": 3, "audio": 3, "video": 3}
    assert len(assumed(mine, devices=2).batches[0].labels_BT) == 2
    (few,) = assumed(mine, items={"image": 2}).batches
    assert few.target is not None and few.target.media.keys() == {"image"} and len(few.target.media["image"].count_M) == 6
    with pytest.raises(ValueError, match="no such sense.*image, audio, video"):
        assumed(mine, items={"smell": 1})
    with pytest.raises(ValueError, match="a row has 120; show fewer"):
        assumed(mine, items={"image": 100})
