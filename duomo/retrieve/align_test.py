from dataclasses import replace

import numpy as np
import pytest

from duomo.retrieve import answer
from duomo.retrieve.align import READ, SHORTEST, SIGNS, read, signs, stretch
from duomo.retrieve.answer import Reader
from duomo.retrieve.confidence import ACROSS, ALIGNED, CALIBRATIONS, PHRASE, Calibration, calibration
from duomo.retrieve.search import LOOKS, Search
from duomo.retrieve.shelf_test import embed, shelf, whole, words

FOUND = Search((7, 3, 5), (0.9, 0.8, 0.7))
FIRST = np.arange(len(SIGNS) - 1) == 0  # what marks the first sign alone


def tokens(*places):
    return np.eye(20, dtype=np.float32)[list(places)]


def test_a_passage_that_holds_the_question_word_for_word_shows_it_in_every_sign():
    told = dict(zip(SIGNS, signs(tokens(1, 2, 3), tokens(1, 2, 3)), strict=False))
    assert all(told[name] == 1 for name in SIGNS[:9])
    apart = dict(zip(SIGNS, signs(tokens(1, 2, 3), tokens(4, 5)), strict=False))
    assert not any(apart[name] for name in SIGNS[:9] if name != "mutual")


def test_the_worst_word_tells_apart_what_the_mean_does_not():
    far = dict(zip(SIGNS, signs(tokens(1, 2, 3, 4, 5, 6), tokens(1, 2, 3, 4, 5, 9)), strict=False))
    assert far["found"] > 0.8 and far["found worst"] == 0 and far["found least"] == pytest.approx(0.5)


def test_what_else_a_long_passage_says_is_not_held_against_it():
    long = tokens(*[0] * 40, 1, 2, 3, *[0] * 40)
    told = dict(zip(SIGNS, signs(tokens(1, 2, 3), long), strict=False))
    assert told["found near"] == 1 and told["told"] == pytest.approx(3 / SHORTEST)
    assert stretch(np.array([0, 0, 1, 1, 0], np.float32), 2) == slice(2, 4)
    assert stretch(np.ones(3, np.float32), 8) == slice(0, 8), "a short one is taken whole"


def test_the_passage_whose_signs_weigh_most_comes_first_and_the_rest_stay():
    signs_KF = np.outer([0.1, 2.1], FIRST).astype(np.float32)
    seen = read(FOUND, signs_KF, [*FIRST.astype(float), 0.0])
    assert seen.rows_K == (3, 7, 5) and seen.scores_K[2] == 0.7 and seen.scores_K[0] > seen.scores_K[1] > 0.9
    assert (seen.read, seen.lead, seen.above, seen.first) == pytest.approx((2.1, 2.0, 2.0, 0.1))
    assert read(FOUND, signs_KF[:1], [*FIRST.astype(float), 0.0]).lead == 0, "one alone leads by nothing"
    assert read(FOUND, signs_KF[:0], [1.0]) is FOUND


def test_a_look_beyond_what_was_seen_counts_as_the_last_that_was():
    judge = Calibration((1.0,) * len(LOOKS), 0.0, 0.5, 0.9, limits=((-1.0, 1.0),) * len(LOOKS))
    assert judge.sureness([9.0] * len(LOOKS)) == judge.sureness([1.0] * len(LOOKS)) > judge.sureness([0.5] * len(LOOKS))


def test_what_is_read_beside_has_its_weights_and_all_else_is_judged_as_before():
    for one in ALIGNED.values():
        assert len(one.weights) == len(one.limits) == len(LOOKS) and len(one.reading) == len(SIGNS) and 0 < one.threshold < 1 and one.origin
        assert all(low <= high for low, high in one.limits)
    assert calibration("e5", PHRASE, aligned=True) is ALIGNED[f"e5{PHRASE}"]
    assert calibration("e5", "", aligned=True) is CALIBRATIONS["e5"], "a question by name needs it not"
    across = ALIGNED[f"e5{ACROSS}"]
    assert calibration("e5", ACROSS, True, across.longest) is across
    assert calibration("e5", ACROSS, True, across.longest + 1) is CALIBRATIONS[f"e5{ACROSS}"], "fitted on sentences, not on paragraphs"
    assert calibration("unknown", PHRASE, aligned=True) is CALIBRATIONS[f"e5{PHRASE}"]


def test_passages_are_read_beside_a_phrase_and_not_beside_a_question(monkeypatch):
    asked = []

    def align(question, texts):
        asked.append((question, len(texts)))
        return np.outer([text.startswith("Dogs") for text in texts], FIRST).astype(np.float32)

    judge = Calibration((1.0,) * len(LOOKS), 0.0, 0.001, 0.9, "here", (*(5.0 * FIRST), 0.0), ((-9.0, 9.0),) * len(LOOKS))
    monkeypatch.setattr(
        answer, "calibration", lambda model, kind="", aligned=False, longest=0: judge if aligned and kind else calibration(model, kind)
    )
    reader = Reader(replace(whole(shelf()), model="e5"), words, embed, embed, align)
    assert reader.answer("the pool at six").text == "Dogs are welcome." and asked == [("the pool at six", READ)]
    assert reader.answer("When does the pool close?").nearest and len(asked) == 1
