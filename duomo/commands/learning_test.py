"""Laws of rewards: an answer's own score, and never something that is no number."""

from dataclasses import replace
from math import isclose

import pytest

from duomo.commands.learning import reward_of
from duomo.sample import ask
from duomo.tasks import build


def test_an_answer_is_rewarded_by_the_metric_that_counts_it():
    pytest.importorskip("jiwer")
    reward = reward_of(build("speech"))
    assert reward(ask("transcribe", answer="red dog"), "red dog") == 0 and isclose(reward(ask("写下来", answer="小狗"), "小猫"), -0.5)
    assert reward(ask("transcribe", answer="red dog"), "") == -1


def test_what_has_no_score_is_refused():
    task = build("digits")
    nobody = replace(task, metrics=tuple(replace(metric, counts=lambda row: False) for metric in task.metrics))
    with pytest.raises(ValueError, match="task digits: the answer 'x' has no score"):
        reward_of(nobody)(ask("what is this?", answer="one"), "x")
    with pytest.raises(ValueError, match="scores no answers"):
        reward_of(build("text"))
