"""Laws of the comparer: it computes what was learned, pairs do not touch one another, and an order follows from worth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from duomo.retrieve import answer
from duomo.retrieve.answer import Reader
from duomo.retrieve.compare import READ, Comparer, comparer, read
from duomo.retrieve.confidence import ACROSS, CALIBRATIONS, COMPARED, NAME, PHRASE, Calibration, calibration
from duomo.retrieve.search import LOOKS, Search
from duomo.retrieve.shelf_test import embed, shelf, whole, words

FOUND = Search((7, 3, 5), (0.9, 0.8, 0.7))
E5 = 384  # numbers of a token


def weights(dim=E5, inner=5, hidden=7, last=3, seed=0):
    random = np.random.default_rng(seed)
    shapes = {"project": (inner, dim), "meet": (hidden, 3 * inner + 2), "judge": (last, 4 * hidden + 6), "last": (1, last)}
    made = {name: random.normal(size=shape).astype(np.float32) / shape[1] ** 0.5 for name, shape in shapes.items()}
    biases = {f"{name} bias": random.normal(size=shape[0]).astype(np.float32) for name, shape in shapes.items()}
    return made | biases | {"sharp": np.array(8.0, np.float32)}


def tokens(count, dim=E5, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def by_torch(held, asked, passage, context):
    """The same by torch, token after token."""
    held = {name: torch.from_numpy(np.array(value)) for name, value in held.items()}

    def linear(name, value):
        return F.linear(value, held[name], held[f"{name} bias"])

    asked, passage, pooled, near = torch.from_numpy(asked), torch.from_numpy(passage), [], []
    for here, there in ((asked, passage), (passage, asked)):
        met, best = [], []
        for one in here:
            cosine = there @ one
            chance = torch.softmax(held["sharp"] * cosine, 0)
            found = (chance[:, None] * linear("project", there)).sum(0)
            mine = linear("project", one)
            told = [mine * found, (mine - found).abs(), mine, cosine.max()[None], (chance * cosine).sum()[None]]
            met.append(F.relu(linear("meet", torch.cat(told))))
            best.append(cosine.max())
        pooled += [torch.stack(met).mean(0), torch.stack(met).max(0).values]
        near.append((torch.stack(best).mean(), torch.stack(best).min()))
    seen = torch.cat([*pooled, 5 * torch.stack([near[0][0], near[1][0], near[0][1], near[1][1]]), torch.tensor(context)])
    return float(linear("last", F.relu(linear("judge", seen))))


def test_the_network_computes_what_its_definition_says():
    held, asked, passages = weights(), tokens(4, seed=1), [tokens(6, seed=2), tokens(1, seed=3)]
    seen = Comparer(held).worth(asked, passages, [0.9, 0.7])
    for one, passage, context in zip(seen, passages, ([1.0, 2.0], [-1.0, -2.0]), strict=True):
        assert one == pytest.approx(by_torch(held, asked, passage, context), abs=1e-4)


def test_pairs_do_not_touch_one_another_but_by_their_scores():
    known, asked, passages = Comparer(weights()), tokens(4, seed=1), [tokens(6, seed=2), tokens(9, seed=3)]
    both = known.worth(asked, passages, [0.8, 0.8])
    assert known.worth(asked, passages[:1], [0.8]) == pytest.approx(both[:1], abs=1e-5)
    assert known.worth(asked, passages[::-1], [0.8, 0.8]) == pytest.approx(both[::-1], abs=1e-5)
    assert known.worth(asked, [], []).shape == (0,)


def test_the_weights_that_are_shipped_fit_and_prefer_a_passage_that_says_the_same():
    held = comparer().weights
    inner, hidden = held["project"].shape[0], held["meet"].shape[0]
    assert held["project"].shape == (inner, E5) and held["meet"].shape == (hidden, 3 * inner + 2)
    assert held["judge"].shape[1] == 4 * hidden + 6 and all(np.isfinite(value).all() for value in held.values())
    same, other = tokens(12, seed=1), tokens(12, seed=2)
    assert np.diff(comparer().worth(same, [other, same], [0.8, 0.8]))[0] > 0


def test_the_passage_of_most_worth_comes_first_and_the_rest_stay():
    seen = read(FOUND, np.array([0.1, 2.1], np.float32))
    assert seen.rows_K == (3, 7, 5) and seen.scores_K[2] == 0.7 and seen.scores_K[0] > seen.scores_K[1] > 0.9
    assert (seen.read, seen.lead, seen.above, seen.first) == pytest.approx((2.1, 2.0, 2.0, 0.1))
    assert read(FOUND, np.array([0.1], np.float32)).lead == 0, "one alone leads by nothing"
    assert read(FOUND, np.zeros(0, np.float32)) is FOUND


def test_a_look_beyond_what_was_seen_counts_as_the_last_that_was():
    judge = Calibration((1.0,) * len(LOOKS), 0.0, 0.5, 0.9, limits=((-1.0, 1.0),) * len(LOOKS))
    assert judge.sureness([9.0] * len(LOOKS)) == judge.sureness([1.0] * len(LOOKS)) > judge.sureness([0.5] * len(LOOKS))


def test_what_is_read_beside_has_its_weights_and_all_else_is_judged_as_before():
    for one in COMPARED.values():
        assert one.reads and len(one.weights) == len(one.limits) == len(LOOKS) and 0 < one.threshold < 1 and one.origin
        assert all(low <= high for low, high in one.limits)
    assert not any(one.reads for one in CALIBRATIONS.values())
    assert calibration("e5", PHRASE, compared=True) is COMPARED[f"e5{PHRASE}"]
    assert calibration("e5", NAME, compared=True) is CALIBRATIONS[f"e5{NAME}"], "a question by name needs it not"
    across = COMPARED[f"e5{ACROSS}"]
    assert calibration("e5", ACROSS, True, across.longest) is across
    assert calibration("e5", ACROSS, True, across.longest + 1) is CALIBRATIONS[f"e5{ACROSS}"], "fitted on sentences, not on paragraphs"
    assert calibration("unknown", PHRASE, compared=True) is CALIBRATIONS[f"e5{PHRASE}"]


def test_passages_are_read_beside_a_phrase_and_not_beside_a_question(monkeypatch):
    asked = []

    def compare(question, texts, scores):
        asked.append((question, len(texts)))
        assert len(scores) == len(texts)
        return np.array([5.0 * text.startswith("Dogs") for text in texts], np.float32)

    judge = Calibration((1.0,) * len(LOOKS), 0.0, 0.001, 0.9, "here", ((-9.0, 9.0),) * len(LOOKS))
    monkeypatch.setattr(
        answer,
        "calibration",
        lambda model, kind="", compared=False, longest=0: judge if compared and kind == PHRASE else calibration(model, kind),
    )
    held = replace(whole(shelf()), model="e5")
    reader = Reader(held, words, embed, embed, compare)
    assert reader.answer("the pool at six").text == "Dogs are welcome." and asked == [("the pool at six", min(READ, len(held.passages)))]
    assert reader.answer("When does the pool close?").nearest and len(asked) == 1
