from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.data.pack import balance, plan

data_sets = st.lists(st.tuples(st.integers(1, 40), st.floats(0.1, 5)), min_size=1, max_size=4)  # size, share


def lengths(*sizes, low=20, high=320, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(low, high, size).astype(np.int32) for size in sizes]


def picks(made, steps):
    return [pick for step in steps for row in made.step(step) for pick in row]


def test_a_plan_is_a_pure_function_of_seed_and_step():
    data = lengths(300, 70)
    first, again = (plan(1, data, [2, 1], 4, 1024, True) for _ in range(2))
    forward = [first.step(step) for step in range(20)]
    assert [again.step(step) for step in reversed(range(20))] == forward[::-1]
    assert plan(2, data, [2, 1], 4, 1024, True).step(3) != forward[3]


@settings(max_examples=20, deadline=None)
@given(data_sets, st.integers(1, 6), st.booleans(), st.integers(1, 25))
def test_every_epoch_shows_each_sample_once(data, rows, pack, steps):
    """So at every step no sample of a data set has been seen twice more often than another."""
    sizes, shares = zip(*data, strict=True)
    seen = Counter(picks(plan(0, lengths(*sizes, low=10, high=60), shares, rows, 64, pack), range(steps)))
    for d, size in enumerate(sizes):
        counts = [seen[d, i] for i in range(size)]
        assert max(counts) - min(counts) <= 1


def test_a_whole_number_of_epochs_shows_all_equally_often():
    made = plan(0, lengths(24, 12), [2, 1], 3, 1, False)  # 2 and 1 samples a step
    assert set(Counter(picks(made, range(36))).values()) == {3}
    assert made.epochs(36) == pytest.approx([3, 3])


def test_shares_of_tokens_hold():
    data = [*lengths(500, low=10, high=30), *lengths(90, low=200, high=320), *lengths(900, low=20, high=200)]
    shares = [3, 2, 5]
    made = plan(0, data, shares, 2, 2048, True)
    used = Counter()
    for d, i in picks(made, range(200)):
        used[d] += int(data[d][i])
    total = sum(used.values())
    for d, share in enumerate(shares):
        assert used[d] / total == pytest.approx(share / 10, abs=0.01)
    assert total / 200 == pytest.approx(2 * 2048, rel=0.02)


@pytest.mark.parametrize(("rows", "row_tokens"), [(2, 2048), (4, 1024), (8, 2048)])
def test_rows_are_nearly_full(rows, row_tokens):
    data = [*lengths(400, low=10, high=60), *lengths(400, low=20, high=320)]
    made, filled, places = plan(0, data, [1, 1], rows, row_tokens, True), 0, 0
    for step in range(50):
        loads = [sum(int(data[d][i]) for d, i in row) for row in made.step(step)]
        filled, places = filled + sum(loads), places + len(loads) * max(loads)
    assert filled / places >= 0.95


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.lists(st.floats(0.05, 9), min_size=1, max_size=6))
def test_unpacked_rows_hold_one_document_each_and_all_are_there(rows, shares):
    made = plan(0, lengths(*[17] * len(shares)), shares, rows, 0, False)
    for step in (*range(12), 10**6):
        assert [len(row) for row in made.step(step)] == [1] * rows


def test_no_step_is_empty_however_many_data_sets():
    made = plan(0, lengths(*[50] * 10), [1] * 10, 1, 512, True)
    assert all(made.step(step) for step in range(60))


def test_balancing_keeps_every_pick_and_leaves_no_empty_row():
    rows = balance([(0, i) for i in range(3)], [5, 9, 1], 8)
    assert sorted(pick for row in rows for pick in row) == [(0, 0), (0, 1), (0, 2)] and len(rows) == 3


def test_a_step_that_holds_no_sample_is_refused():
    assert plan(0, lengths(50), [1], 1, 320, True).step(0)
    with pytest.raises(ValueError, match="row_tokens 16 × train.rows 1 is less than one sample of 1[0-9][0-9] tokens; raise row_tokens"):
        plan(0, lengths(50), [1], 1, 16, True)
