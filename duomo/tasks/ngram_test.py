"""The n-gram model against its definition, counted by hand."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from duomo.tasks.ngram import END, SYMBOLS, ByteNgram, bits_per_byte

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "狗坐在木头上", "", "a"]


class Slow:
    """Witten–Bell as its formula stands."""

    def __init__(self, texts: list[str], order: int):
        self.order, self.follow = order, defaultdict(Counter)
        for text in texts:
            symbols = [END] * (order - 1) + list(text.encode()) + [END]
            for i in range(order - 1, len(symbols)):
                for k in range(order):
                    self.follow[tuple(symbols[i - k : i])][symbols[i]] += 1

    def chance(self, context: tuple[int, ...], symbol: int) -> float:
        shorter = self.chance(context[1:], symbol) if context else 1 / SYMBOLS
        seen = self.follow.get(context)
        return (seen[symbol] + len(seen) * shorter) / (seen.total() + len(seen)) if seen else shorter

    def nats(self, text: str) -> float:
        symbols = [END] * (self.order - 1) + list(text.encode()) + [END]
        places = range(self.order - 1, len(symbols))
        return -sum(np.log(self.chance(tuple(symbols[i - self.order + 1 : i]), symbols[i])) for i in places)


@pytest.mark.parametrize("order", [1, 2, 5, 7])
def test_equals_the_formula(order: int):
    asked = ["the cat sat on the log", "zebra", "", "狗在木上"]
    expected = [Slow(TEXTS, order).nats(text) for text in asked]
    assert np.allclose(ByteNgram.learn(TEXTS, order).nats(asked), expected, rtol=1e-12)


@pytest.mark.parametrize("context", [b"", b"t", b"the ", b"on the ma", b"\xff\x00never seen", "狗".encode()])
def test_chances_sum_to_one_and_none_is_zero(context: bytes):
    chance = ByteNgram.learn(TEXTS).next(context)
    assert chance.shape == (SYMBOLS,) and chance.min() > 0 and abs(chance.sum() - 1) < 1e-12


def test_next_and_nats_agree():
    model, text = ByteNgram.learn(TEXTS), "the log"
    raw = text.encode()
    chances = [model.next(raw[:i])[symbol] for i, symbol in enumerate([*raw, END])]
    assert np.isclose(-np.log(chances).sum(), model.nats([text])[0])


def test_texts_do_not_see_each_other():
    model = ByteNgram.learn(TEXTS)
    assert np.allclose(model.nats(TEXTS), [model.nats([text])[0] for text in TEXTS])


def test_nothing_learned_is_uniform():
    assert np.isclose(ByteNgram.learn([]).nats(["ab"])[0], 3 * np.log(SYMBOLS))


def test_bits_per_byte():
    assert np.isclose(bits_per_byte(8 * np.log(2), 4), 2.0)


def test_refuses_an_order_that_overflows():
    with pytest.raises(ValueError, match="from 1 to 7"):
        ByteNgram.learn(["x"], 8)
