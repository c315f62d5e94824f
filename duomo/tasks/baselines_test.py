"""Laws of baselines."""

from random import Random

import pytest

from duomo.sample import ask
from duomo.tasks.baselines import donors, logistic, majority, naive_bayes, nearest, swapped

TEXTS = ["很好很喜欢", "质量好，喜欢", "太差了", "质量差，失望"] * 3
LABELS = ["good", "good", "bad", "bad"] * 3


def test_majority_breaks_ties_by_the_alphabet():
    assert majority(["b", "a", "c", "a"], 2) == ["a", "a"]
    assert majority(["b", "a"], 1) == majority(["a", "b"], 1) == ["a"]


@pytest.mark.parametrize("method", [naive_bayes, logistic])
def test_classifiers_learn_what_is_there(method):
    assert method(TEXTS, LABELS, ["喜欢，好", "失望，差"], "char") == ["good", "bad"]


def test_nearest_finds_itself_in_blocks():
    known = [f"sentence {word} number" for word in ("one", "two", "three", "four", "five")]
    assert nearest(known, known, "char", block=2) == [0, 1, 2, 3, 4]


def test_donors_differ_in_answer_and_follow_the_seed():
    answers = ["a", "b", "a", "c"] * 20
    drawn = donors(answers, Random(3))
    assert all(answers[i] != answer for i, answer in zip(drawn, answers, strict=True))
    assert drawn == donors(answers, Random(3))
    with pytest.raises(ValueError, match="equal"):
        donors(["a", "a"], Random(0))


def test_swapped_keeps_answers_and_changes_questions():
    samples = [ask(f"question {i}", answer=str(i)) for i in range(9)]
    mixed = swapped(samples, Random(0))
    assert [s.answer for s in mixed] == [s.answer for s in samples]
    assert all(a.messages[0] != b.messages[0] for a, b in zip(mixed, samples, strict=True))
