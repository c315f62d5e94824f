"""Laws of a summary: whole sentences of the text, in its order, the most central and no two alike; bounded for any text."""

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.retrieve.summary import PART, READ, apart, by_vectors, by_words, candidates, centrality, summarise, terms

POOL = (
    "The committee met on a rainy Tuesday. The town pool opens in June and closes in May. The town pool closes in May. "
    "The town pool opens in June. Somebody brought a cake with cherries."
)
BEST = "The town pool opens in June and closes in May."
ZH = "昨天下午下着一场小雨。市图书馆五月闭馆装修、六月重新开馆。市图书馆五月闭馆装修。市图书馆六月重新开馆。会后大家一起吃了一块蛋糕。"


def said(text, count, embed=None):
    return [text[one.begin : one.end] for one in summarise(text, count, embed)]


def test_the_sentence_that_most_others_are_about_is_chosen():
    assert said(POOL, 1) == [BEST]
    assert said(ZH, 1) == ["市图书馆五月闭馆装修、六月重新开馆。"]


def test_sentences_stand_in_the_order_of_the_text_and_are_of_it():
    chosen = summarise(POOL, 3)
    assert chosen == sorted(chosen) and all(0 < one.score <= 1 for one in chosen)
    assert set(said(POOL, 3)) < {POOL[a:b] for a, b in candidates(POOL)}
    assert len(said(POOL, 100)) == 5 and " ".join(said(POOL, 5)) == POOL


def test_nothing_is_said_twice():
    twice = (
        "The pool of the town closes for repairs in May. The pool of the town closes in May for its repairs. Dogs are welcome in the park."
    )
    assert sorted(said(twice, 2))[0] == "Dogs are welcome in the park."
    assert len(candidates("Page footer of the yearly report.\n\n" * 50 + POOL)) == 6


def test_what_is_early_counts_more():
    alike = "Alpha beta gamma delta epsilon. Zeta eta theta iota kappa. Lambda mu nu xi omicron."
    assert said(alike, 1) == ["Alpha beta gamma delta epsilon."]


def test_labels_are_left_out_where_there_are_sentences():
    text = f"Minutes\n\nName: Li\n\n{POOL}"
    assert "Minutes" not in said(text, 5) and said("Minutes\n\nName: Li", 2) == ["Minutes", "Name: Li"]


def test_centrality_is_the_walk_of_the_paper():
    alike = np.array([[1, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1]], np.float32)
    links = alike - np.eye(3)
    step = 0.85 * links / links.sum(1, keepdims=True) + 0.15 / 3
    values, vectors = np.linalg.eig(step.T)
    slow = np.real(vectors[:, np.argmax(np.real(values))])
    assert np.allclose(centrality(alike), slow / slow.sum(), atol=1e-3)
    assert np.allclose(centrality(np.zeros((4, 4), np.float32)), 0.25) and centrality(np.zeros((0, 0), np.float32)).shape == (0,)


def test_likeness_is_a_cosine_by_words_and_rises_above_what_is_usual_by_vectors():
    alike = by_words(["the red car", "a red car", "green tea", "…"])
    assert alike[0, 1] == pytest.approx(1) and alike[0, 2] == 0 and not alike[3].any()
    vectors = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
    usual = (0.8 + 0.6 + 0.96) / 3
    assert by_vectors(vectors)[1, 2] == pytest.approx((0.96 - usual) / (1 - usual)) and by_vectors(vectors)[0, 2] == 0
    assert by_vectors(vectors[:1]).shape == (1, 1)


def test_vectors_decide_where_they_are_given():
    def embed(texts):
        made = np.eye(len(texts), dtype=np.float32)
        made[-1] = 1  # the last is near to all others, which share nothing
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    by_vectors, by_words = (max(summarise(POOL, 5, way)[1:], key=lambda one: one.score) for way in (embed, None))
    assert POOL[by_vectors.begin :] == "Somebody brought a cake with cherries."
    assert POOL[by_words.begin : by_words.end] == BEST


def test_vectors_are_made_of_few_sentences_however_long_the_text():
    counts = []

    def embed(texts):
        counts.append(len(texts))
        return np.eye(len(texts), dtype=np.float32)

    assert len(said(long_text(3_000), 7, embed)) == 7 and counts == [READ]


def long_text(sentences):
    draw = random.Random(0)
    words = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("alo", "eri", "ina", "osu")]
    return " ".join(f"{' '.join(draw.choices(words, k=9)).capitalize()} {n}." for n in range(sentences))


@pytest.mark.parametrize("count", [1, 100])
def test_a_long_text_is_reduced_part_by_part_to_what_is_wanted(count):
    text = long_text(10 * PART + 1)
    chosen = summarise(text, count)
    assert len(chosen) == count and chosen == sorted(chosen)


def test_the_likeness_to_what_is_taken_counts_against_the_rest():
    alike = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], np.float32)
    assert apart(np.array([1.0, 0.9, 0.6], np.float32), alike, 3) == [0, 2, 1]


def test_terms_are_words_that_say_something_and_pairs_of_characters():
    assert terms("The POOL isn't closed, 我喜欢书 a") == ["pool", "isn't", "closed", "我喜", "喜欢", "欢书"]
    assert terms("书 x") == ["书", "x"]


def test_a_count_that_is_none_is_refused():
    for count in (0, READ + 1):
        with pytest.raises(ValueError, match=f"not {count}"):
            summarise(POOL, count)
    assert summarise("", 3) == summarise("…\n--- \n", 3) == []


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab。.!\n 书读X1-#\t"), max_size=300), st.integers(1, 5))
def test_any_text_gives_spans_of_itself(text, count):
    chosen = summarise(text, count)
    assert len(chosen) <= count
    assert all(0 <= one.begin < one.end <= len(text) and text[one.begin : one.end].strip() for one in chosen)
    assert all(a.end <= b.begin for a, b in zip(chosen, chosen[1:], strict=False))


NASTY = {
    "sentences": lambda: long_text(45_000),
    "Chinese": lambda: "".join(f"{n}号楼的住户{'每天都去图书馆借书' * 3}。" for n in range(45_000)),
    "no stop": lambda: "word and another " * 300_000,
    "short lines": lambda: "".join(f"ab {n}\n" for n in range(300_000)),
    "stops": lambda: "." * 2_500_000 + "? " * 1_250_000,
    "one letter": lambda: "x" * 5_000_000,
}


@pytest.mark.parametrize("name", NASTY)
def test_five_megabytes_take_seconds(name):
    text = NASTY[name]()
    began = time.process_time()
    summarise(text, 5)
    assert time.process_time() - began < 10
