"""Laws of repetition: the figures of the papers, counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duomo.generate.repetition import distinct, repeated, units


def test_a_text_without_repetition_and_one_of_nothing_else() -> None:
    assert repeated("abcdefgh") == 0 and distinct("abcdefgh") == 1
    assert repeated("aaaaaaaa") == pytest.approx(4 / 5) and distinct("aaaaaaaa") == pytest.approx(1 / 7)


def test_what_was_there_counts_from_its_second_time_on() -> None:
    assert repeated("abcdxabcd") == pytest.approx(1 / 6)  # abcd, bcdx, cdxa, dxab, xabc, abcd
    assert distinct("abab") == pytest.approx(2 / 3)  # ab, ba, ab


def test_a_text_of_fewer_units_repeats_nothing() -> None:
    assert repeated("abc") == repeated("") == 0 and distinct("a") == distinct("") == 1
    with pytest.raises(ValueError, match="not 0"):
        distinct("ab", 0)


def test_units_are_words_and_chinese_characters() -> None:
    assert units("The cat, the CAT's 3.5 我喜欢read书。") == ["the", "cat", "the", "cat", "s", "3", "5", "我", "喜", "欢", "read", "书"]


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 5))
def test_both_count_the_same_grams(row: list[int], n: int) -> None:
    seen: set[tuple[int, ...]] = set()
    again = 0
    for at in range(len(row) - n + 1):
        gram = tuple(row[at : at + n])
        again += gram in seen
        seen.add(gram)
    total = max(0, len(row) - n + 1)
    assert repeated(row, n) == pytest.approx(again / total if total else 0)
    assert distinct(row, n) == pytest.approx(1 - repeated(row, n))
