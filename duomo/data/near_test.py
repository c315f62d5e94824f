import random
from collections import Counter

import numpy as np
import pytest

from duomo.data.near import HASHES, bands, drop_near_duplicates, jaccard, shingle
from duomo.sample import Part, ask

WORDS = [f"{a}{b}{c}" for a in ("ba", "ko", "li", "mu") for b in ("ra", "ne", "si", "tu") for c in ("n", "s", "l", "k", "m")]


def document(generator: random.Random, length: int = 60) -> list[str]:
    return [generator.choice(WORDS) for _ in range(length)]


def edited(words: list[str], generator: random.Random, edits: int) -> list[str]:
    copy = list(words)
    for place in generator.sample(range(len(copy)), edits):
        copy[place] = generator.choice(WORDS)
    return copy


def test_equals_the_slow_comparison_of_all_pairs():
    generator = random.Random(0)
    originals = [document(generator) for _ in range(30)]
    texts = [" ".join(edited(words, generator, edits)) for words in originals for edits in (0, 1, 4, 12)]
    kept_slowly = list[str]()
    for text in texts:
        if all(jaccard(shingle(text), shingle(other)) < 0.7 for other in kept_slowly):
            kept_slowly.append(text)
    dropped = Counter()
    kept = [s.answer for s in drop_near_duplicates([ask("", answer=text) for text in texts], 0.7, dropped)]
    assert dropped["near duplicate"] + len(kept) == len(texts)
    assert len(set(kept) ^ set(kept_slowly)) <= 0.02 * len(texts)
    assert 30 <= len(kept) < 120


def test_candidates_are_verified():
    """Below the threshold nothing is dropped, however the hashes fall."""
    generator = random.Random(1)
    words = document(generator, 200)
    texts = [" ".join(edited(words, generator, 40)) for _ in range(30)]
    largest = max(jaccard(shingle(a), shingle(b)) for i, a in enumerate(texts) for b in texts[:i])
    assert len(list(drop_near_duplicates([ask("", answer=t) for t in texts], largest + 0.01, Counter()))) == 30


def test_signs_and_case_make_no_difference_and_pictures_do():
    twins = [ask("", answer="Hello, dear World!"), ask("", answer="hello dear world")]
    assert len(list(drop_near_duplicates(twins, 1.0, Counter()))) == 1
    pictures = [ask(Part("image", name), answer="a white cat on a red sofa") for name in ("a.png", "b.png")]
    assert len(list(drop_near_duplicates(pictures, 0.5, Counter()))) == 2


def test_chinese_with_one_character_changed():
    twins = ["今天天气很好，我们一起去公园散步吧。", "今天天气很好，我们一起去公园跑步吧。"]
    assert 0.6 < jaccard(*map(shingle, twins)) < 0.95


def test_shingles_of_short_and_empty_texts():
    assert len(shingle("")) == len(shingle("！？")) == 0
    assert len(shingle("ab")) == 1
    assert len(shingle("abcdef")) == 2
    assert jaccard(np.empty(0, np.uint64), np.empty(0, np.uint64)) == 0


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_pairs_at_the_threshold_are_found(threshold):
    count = bands(threshold)
    assert HASHES % count == 0
    assert (1 - min(threshold, 1 - 1e-12) ** (HASHES / count)) ** count < 0.01 or count == HASHES
