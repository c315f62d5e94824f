"""Laws of comparison, on the sums of run_test."""

from collections.abc import Callable

from duomo.evaluate.compare import Difference, compare
from duomo.evaluate.run import Setting, pick
from duomo.evaluate.run_test import SUMS, Empty, Rule, adds

SETTING = Setting(samples=120, resamples=200)


def found(first: Callable[[str], str], second: Callable[[str], str]) -> list[Difference]:
    return compare(SUMS, pick(SUMS, Empty(), SETTING), (Rule(first), Rule(second)), SETTING)


def says_seven(question: str) -> str:
    return "7"


def right_but_for_sevens(question: str) -> str:
    return adds(question).replace("7", "8")


def test_the_gain_is_second_minus_first():
    accuracy, errors = found(says_seven, adds)
    assert accuracy.second.value == 1 and accuracy.gain.value == 1 - accuracy.first.value > 0.5 and accuracy.sure and accuracy.n == 120
    assert errors.gain.value == -accuracy.gain.value and errors.sure and not errors.higher_is_better


def test_a_model_does_not_differ_from_itself():
    for difference in found(adds, adds):
        assert (difference.gain.value, difference.gain.low, difference.gain.high) == (0, 0, 0) and not difference.sure


def test_pairing_takes_out_what_is_hard_for_both():
    """Two models wrong at the same samples but for a few: the interval of the difference is narrower than that of either."""

    def half(say: Callable[[str], str]) -> Callable[[str], str]:
        return lambda question: say(question) if int(question[0]) % 2 else "-"

    accuracy, _ = found(half(right_but_for_sevens), half(adds))
    assert 0 < accuracy.gain.value < 0.2
    assert accuracy.gain.high - accuracy.gain.low < accuracy.first.high - accuracy.first.low


def test_the_same_seed_gives_the_same_figures():
    assert found(says_seven, adds) == found(says_seven, adds)
