import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.data.mix import order, shuffled

sets = st.lists(st.tuples(st.integers(1, 300), st.floats(0.01, 10)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(sets, st.integers(0, 2**32), st.integers(0, 10**9), st.integers(0, 200), st.integers(0, 200))
def test_any_window_shows_the_same_order(data, seed, first, skip, length):
    sizes, weights = zip(*data, strict=True)
    whole = order(seed, sizes, weights, first, first + 400)
    part = order(seed, sizes, weights, first + skip, first + skip + length)
    for a, b in zip(whole, part, strict=True):
        assert np.array_equal(a[skip : skip + length], b)
        assert len(b) == length


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2000), st.integers(0, 2**32), st.integers(0, 1000))
def test_every_epoch_shows_each_item_once(size, seed, epoch):
    items = shuffled((seed, 0), size, np.arange(epoch * size, (epoch + 1) * size))
    assert np.array_equal(np.sort(items), np.arange(size))


@settings(max_examples=30, deadline=None)
@given(sets, st.integers(0, 2**32))
def test_each_data_set_goes_through_its_epochs_in_turn(data, seed):
    sizes, weights = zip(*data, strict=True)
    data_set_N, item_N = order(seed, sizes, weights, 0, 2000)
    for d, size in enumerate(sizes):
        mine = item_N[data_set_N == d]
        for start in range(0, len(mine) - size + 1, size):
            assert len(set(mine[start : start + size])) == size


@settings(max_examples=60, deadline=None)
@given(sets, st.integers(0, 2**32), st.integers(1, 5000))
def test_shares_hold_at_every_place(data, seed, places):
    sizes, weights = zip(*data, strict=True)
    data_set_N, _ = order(seed, sizes, weights, 0, places)
    counts = np.bincount(data_set_N, minlength=len(sizes))
    assert np.abs(counts - np.array(weights) / sum(weights) * places).max() <= len(sizes)


def test_shares_hold_within_one_percent_and_are_interleaved():
    data_set_N, _ = order(3, [100, 7, 50], [0.5, 0.3, 0.2], 0, 10_000)
    assert np.allclose(np.bincount(data_set_N) / 10_000, [0.5, 0.3, 0.2], atol=0.001)
    halves = [np.bincount(part, minlength=3) / 100 for part in data_set_N.reshape(-1, 100)]
    assert np.abs(np.array(halves) - [0.5, 0.3, 0.2]).max() < 0.04


def test_epochs_and_seeds_differ_and_look_random():
    size = 1000
    first, second = (shuffled((0, 0), size, np.arange(e * size, (e + 1) * size)) for e in (0, 1))
    other = shuffled((1, 0), size, np.arange(size))
    for a, b in ((first, second), (first, other), (first, np.arange(size))):
        assert (a == b).sum() < 10
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.12


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="each data set needs a sample"):
        order(0, [3, 0], [1, 1], 0, 5)
