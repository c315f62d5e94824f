"""Laws of CIDEr-D, on values computed by hand from its paper."""

from math import exp

import pytest

from duomo.tasks.cider import cider_d, compared


def score(*pairs):
    return cider_d([compared(said.split(), true.split()) for said, true in pairs])


def test_what_every_truth_holds_counts_nothing():
    # a is in both truths: log(2 / 2) = 0. Of the first pair b and "a b" agree, one word and two of four orders; of the second nothing
    assert score(("a b", "a b"), ("a b", "a c")) == pytest.approx(10 * (2 / 4 + 0) / 2)
    assert score(("a", "a"), ("a", "a")) == 0


def test_rare_words_count_more():
    # of four truths x is in two (log 2), y and z in one (2 log 2): the cosine of (1, 2, 0) and (1, 0, 2) is 1 / 5; no phrase agrees
    rest = (("", "w"), ("", "v u"))
    assert score(("x z", "x y"), ("", "x z"), *rest) == pytest.approx(10 / 4 * (1 / 5) / 4)


def test_a_word_said_twice_gains_nothing_and_costs_length():
    # twice against once: the cosine counts it once, 1 / 2; one word too many: exp(-1 / 72)
    assert score(("b b", "b"), ("", "c")) == pytest.approx(10 / 4 * (1 / 2) * exp(-1 / 72) / 2)
    assert score(("b b b b b b b", "b"), ("", "c")) == pytest.approx(10 / 4 * (1 / 7) * exp(-36 / 72) / 2)


def test_four_words_and_more_reach_ten_and_order_matters():
    truth = "two red cars left of a tree"
    assert score((truth, truth), ("one apple on a plate", "one apple on a plate")) == pytest.approx(10)
    backwards = score(("tree a of left cars red two", truth), ("one apple on a plate", "one apple on a plate"))
    assert backwards == pytest.approx((10 / 4 + 10) / 2)  # all words, no phrase


def test_what_no_truth_holds_makes_it_worse():
    other = ("the moon", "the moon")
    assert score(("a red lion", "a lion"), other) < score(("a lion", "a lion"), other)
    assert score(("", ""), other) == pytest.approx(score(("nothing", ""), other))


def test_rows_that_hold_no_word_score_nothing():
    assert score(("", "")) == 0
