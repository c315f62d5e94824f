import math
from collections import Counter

import numpy as np
import pytest

from duomo.retrieve.bm25 import K1, B, postings
from duomo.retrieve.words import searcher


def slow(passages, question):
    """The formula as it stands in the paper."""
    usual, scores = sum(map(len, passages)) / len(passages), []
    for passage in passages:
        counts, score = Counter(passage), 0.0
        for word in set(question):
            held = sum(word in other for other in passages)
            rarity = math.log(1 + (len(passages) - held + 0.5) / (held + 0.5))
            score += rarity * counts[word] * (K1 + 1) / (counts[word] + K1 * (1 - B + B * len(passage) / usual))
        scores.append(score)
    return scores


def test_it_is_the_formula():
    random = np.random.default_rng(0)
    passages = [list(map(str, random.zipf(1.5, random.integers(0, 30)) % 40)) for _ in range(60)]
    made = postings(passages)
    for question in (["1", "2", "2"], ["7", "39", "none"], []):
        assert np.allclose(made.scores(question), slow(passages, question), atol=1e-5)


def test_no_passages_and_empty_ones_score_nothing():
    assert postings([]).scores(["a"]).shape == (0,)
    assert postings([[], []]).scores(["a"]).tolist() == [0, 0]


def test_words_are_stems_of_english_and_words_of_chinese():
    pytest.importorskip("snowballstemmer")
    words = searcher()
    assert words("Opening HOURS, opened: 3") == ["open", "hour", "open", "3"]
    assert words("naïve café") == ["naïve", "café"]
    pytest.importorskip("jieba")
    assert {"图书馆", "开门"} <= set(words("图书馆九点开门, open")) and words("图书馆九点开门, open")[-1] == "open"
