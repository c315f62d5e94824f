"""Laws of the bootstrap."""

import numpy as np
import pytest

from duomo.evaluate.bootstrap import intervals
from duomo.tasks.task import Metric

MEAN = Metric("mean", lambda rows: sum(row["x"] for row in rows) / len(rows))
RATIO = Metric("ratio", lambda rows: sum(row["x"] for row in rows) / sum(row["n"] for row in rows))


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_follows_the_normal_law_for_a_mean():
    rows = [{"x": float(i % 4 == 0)} for i in range(400)]
    ((low, high),) = intervals(rows, [MEAN], None, 2000, draw())
    spread = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert low == pytest.approx(0.25 - spread, abs=0.008) and high == pytest.approx(0.25 + spread, abs=0.008)


def test_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        rows = [{"x": x} for x in draw(1000 + seed).normal(3, 1, 60)]
        ((low, high),) = intervals(rows, [MEAN], None, 200, draw(seed))
        covered += low <= 3 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_groups_widen_what_depends_on_them():
    rows = [{"x": float(i // 4 % 2)} for i in range(800)]  # 200 groups of 4 equal rows
    ((low, high),) = intervals(rows, [MEAN], None, 500, draw())
    ((low_g, high_g),) = intervals(rows, [MEAN], [str(i // 4) for i in range(800)], 500, draw())
    assert (high_g - low_g) / (high - low) == pytest.approx(2, rel=0.15)


def test_corpus_metrics_are_computed_on_each_draw():
    rows = [{"x": 1.0, "n": 1}, {"x": 0.0, "n": 9}] * 50
    mean, ratio = intervals(rows, [MEAN, RATIO], None, 500, draw())
    assert mean[0] < 0.5 < mean[1] and ratio[0] < 0.1 < ratio[1] < mean[0]


def test_is_a_function_of_its_seed():
    rows = [{"x": float(i)} for i in range(30)]
    assert intervals(rows, [MEAN], None, 100, draw(1)) == intervals(rows, [MEAN], None, 100, draw(1))
    assert intervals(rows, [MEAN], None, 100, draw(1)) != intervals(rows, [MEAN], None, 100, draw(2))


def test_refuses_no_rows():
    with pytest.raises(ValueError, match="empty"):
        intervals([], [MEAN], None, 10, draw())
