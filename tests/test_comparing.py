"""The network of `benchmarks/comparing.py` learns what `duomo/retrieve/compare.py` computes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from duomo.retrieve.compare import Comparer
from duomo.retrieve.compare_test import tokens

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from comparing import Item, Network, learn  # noqa: E402  (lies outside of the package)

DIM = 16


def item(right, seed):
    asked = tokens(4, DIM, seed)
    passages = [tokens(count, DIM, 100 * seed + count) for count in (5, 9, 1)]
    if right >= 0:
        passages[right] = np.concatenate([asked[::-1], tokens(3, DIM, seed + 7)])
    half = [one.astype(np.float16) for one in (asked, *passages)]
    return Item(half[0], tuple(half[1:]), (0.9, 0.8, 0.7), right)


def test_many_pairs_at_once_are_worth_what_each_is_worth_alone():
    torch.manual_seed(0)
    network, pairs = Network(DIM, 5, 7, 3).eval(), [item(0, 1), item(-1, 2)]
    alone = Comparer({name: np.asarray(value, np.float32) for name, value in network.weights().items()})
    with torch.inference_mode():
        together = network.worth(pairs).numpy()
    each = [alone.worth(one.asked_QD.astype(np.float32), [p.astype(np.float32) for p in one.passages], one.scores) for one in pairs]
    assert together == pytest.approx(np.concatenate(each), abs=0.02), "weights are kept in half precision"


def test_it_learns_which_passage_says_the_same_and_that_none_does():
    known = [item(number % 4 - 1, number) for number in range(1, 400)]
    steps = list[float]()
    network = learn(known[:360], 6.0, 0, lambda step, count, loss: steps.append(loss))
    with torch.inference_mode():
        worth = network.worth(known[360:]).numpy().reshape(-1, 3)
    said = [int(one.argmax()) if one.max() > 0 else -1 for one in worth]
    assert np.mean([one == pair.right for one, pair in zip(said, known[360:], strict=True)]) > 0.8 and steps[-1] < steps[0]
