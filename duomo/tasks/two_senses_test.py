from collections import defaultdict
from itertools import permutations
from random import Random

import pytest

from duomo.sample import ask
from duomo.tasks.media_test import TINY, made
from duomo.tasks.two_senses import QUESTIONS, Case, case_of, two_senses

CASES = [Case(q, lang, *pair) for q in QUESTIONS for lang in ("en", "zh") for pair in permutations(range(10), 2)]


def best(weighted):
    """How often the best guess is right that knows the first of (known, answer, weight)."""
    told = defaultdict(lambda: defaultdict(float))
    for known, answer, weight in weighted:
        told[known][answer] += weight
    return sum(max(answers.values()) for answers in told.values()) / len(CASES)


def swapped(known, mixed, others):
    for case in CASES:
        fit = [other for other in others if mixed(case, other).answer != case.answer]
        yield from ((known(case, other), case.answer, 1 / len(fit)) for other in fit)


def test_stated_chances_are_the_best_blind_guesses():
    pairs = [case for case in CASES if (case.question, case.language) == ("left", "en")]
    questions = [case for case in CASES if (case.left, case.right) == (0, 1)]
    counted = {
        "accuracy": best(((), c.answer, 1) for c in CASES),
        "picture only": best(((c.left, c.right), c.answer, 1) for c in CASES),
        "audio only": best(((c.question, c.language), c.answer, 1) for c in CASES),
        "picture swapped": best(
            swapped(
                lambda own, other: (own.question, own.language, other.left, other.right),
                lambda own, other: Case(own.question, own.language, other.left, other.right),
                pairs,
            )
        ),
        "audio swapped": best(
            swapped(
                lambda own, other: (own.left, own.right, other.question, other.language),
                lambda own, other: Case(other.question, other.language, own.left, own.right),
                questions,
            )
        ),
    }
    task = two_senses()
    assert counted == pytest.approx({row.name: row.chance for row in (*task.metrics, *task.ablations)})


def test_answers():
    assert [Case(q, "en", 3, 8).answer for q in QUESTIONS] == ["eight", "three", "three", "eight"]
    assert Case("larger", "zh", 3, 8).answer == "八"


def test_the_test_asks_every_question_aloud_and_equally_often():
    test = made("two_senses", "test")
    cases = [case_of(sample) for sample in test]
    assert all([p.kind for p in sample.messages[0].parts] == ["image", "audio"] for sample in test)
    assert {sum((c.question, c.language) == key for c in cases) for key in ((q, lang) for q in QUESTIONS for lang in ("en", "zh"))} == {5}
    assert all(case.left != case.right and case.answer == sample.answer for case, sample in zip(cases, test, strict=True))


def test_some_training_questions_are_written():
    texts = [sample.messages[0].text for sample in made("two_senses", "train")]
    assert 0 < sum(map(bool, texts)) < len(texts)


def test_an_ablation_takes_away_or_changes_one_sense():
    task, test = two_senses(**TINY["two_senses"]), made("two_senses", "test")
    shown = {s.messages[0].parts[0].value: case_of(s) for s in test}
    altered = {a.name: a.alter(test, Random(0)) for a in task.ablations}
    assert {tuple(p.kind for p in s.media()) for s in altered["picture only"]} == {("image",)}
    assert {tuple(p.kind for p in s.media()) for s in altered["audio only"]} == {("audio",)}
    for before, after in zip(test, altered["picture swapped"], strict=True):
        own, other = case_of(before), shown[after.messages[0].parts[0].value]
        assert Case(own.question, own.language, other.left, other.right).answer != after.answer == before.answer
        assert before.messages[0].parts[1] == after.messages[0].parts[1]
    for before, after in zip(test, altered["audio swapped"], strict=True):
        assert before.messages[0].parts[0] == after.messages[0].parts[0]
        assert before.messages[0].parts[1] != after.messages[0].parts[1]


def test_a_stranger_s_sample_is_refused():
    with pytest.raises(ValueError, match="prepare it again"):
        case_of(ask("x", answer="y"))
