"""Laws of spans and sentences."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duomo.graph.spans import LONGEST, Span, apart, ruled, sentences


def kinds(text):
    return {span.text: span.kind for span in ruled(text)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Call +86 138 0013 8000 or write to li.na@example.com.", {"+86 138 0013 8000": "phone", "li.na@example.com": "email"}),
        ("See https://example.com/a?b=1, today.", {"https://example.com/a?b=1": "url"}),
        ("It cost $1,200.50 on 3 May 2021.", {"$1,200.50": "money", "3 May 2021": "date"}),
        ("合同金额3,500万元，签于2021年5月3日，比上年增长12.5%。", {"3,500万元": "money", "2021年5月3日": "date", "12.5%": "percent"}),
        ("电话010-62345678，手机13800138000。", {"010-62345678": "phone", "13800138000": "phone"}),
        ("She has 3 cats and 1,024 books.", {"3": "number", "1,024": "number"}),
        ("二〇二一年五月三日开会。", {"二〇二一年五月三日": "date"}),
    ],
)
def test_rules_find_what_needs_no_model(text, told):
    assert told.items() <= kinds(text).items()


def test_a_part_of_a_word_is_no_number():
    assert not ruled("model X3a, B2B") or all(span.text not in ("3", "2") for span in ruled("model X3a, B2B"))


@given(st.text(st.sampled_from("ab12年月日. 。，@-/:https$%万元\n[("), max_size=80))
def test_offsets_are_exact_and_spans_lie_apart(text):
    spans = ruled(text)
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert all(one.end <= other.start for one, other in zip(spans, spans[1:], strict=False))


@given(st.text(st.sampled_from("aB. 。！\n\t中"), max_size=200))
def test_sentences_lose_nothing_but_white_space(text):
    found = list(sentences(text))
    assert all(text[start:].startswith(sentence) and sentence == sentence.strip() for start, sentence in found)
    assert "".join("".join(sentence.split()) for _, sentence in found) == "".join(text.split())


def test_a_dot_after_an_initial_ends_nothing():
    assert [s for _, s in sentences("J. R. R. Tolkien met Dr. Smith. They spoke.")] == ["J. R. R. Tolkien met Dr. Smith.", "They spoke."]


def test_a_text_without_stops_is_cut():
    assert max(len(sentence) for _, sentence in sentences("a" * 5 * LONGEST)) == LONGEST


def test_of_two_that_overlap_the_first_given_stays():
    long, short = Span(0, 6, "place", "abcdef"), Span(2, 4, "number", "cd")
    assert apart([long, short]) == [long] and apart([short, long]) == [short]


@pytest.mark.parametrize("row", ["1" * 60_000 + "x", "一" * 60_000 + "x", "x" + "111," * 15_000 + "111x", "a-" * 30_000])
def test_a_long_row_does_not_take_the_square_of_its_length(row):
    began = time.process_time()
    ruled(row)
    assert time.process_time() - began < 3
