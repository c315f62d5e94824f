import threading

import numpy as np
import pytest

from duomo.retrieve.memory import Memory
from duomo.retrieve.shelf_test import TEXTS, embed


class Counting:
    """The tests' embedding, with what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        return embed(texts)


def test_it_gives_what_it_remembers_as_it_was_and_reads_nothing_twice():
    counting = Counting()
    memory = Memory(counting)
    asked = [TEXTS[1], TEXTS[0], TEXTS[1]]
    assert np.array_equal(memory(asked), embed(asked)) and np.array_equal(memory(TEXTS), embed(TEXTS))
    assert counting.asked == [[TEXTS[1], TEXTS[0]], list(TEXTS[2:])]
    memory(TEXTS)
    assert len(counting.asked) == 2


def test_the_oldest_is_forgotten_first():
    counting = Counting()
    memory = Memory(counting, most=2)
    memory(TEXTS[:3])
    memory(TEXTS[1:3])
    assert len(counting.asked) == 1
    memory(TEXTS[:1])
    assert counting.asked[-1] == [TEXTS[0]]


def test_more_texts_than_it_holds_are_all_answered():
    assert np.array_equal(Memory(embed, most=1)(TEXTS), embed(TEXTS))


def test_no_texts_are_no_vectors():
    assert Memory(lambda texts: np.zeros((len(texts), 26), np.float32))([]).shape == (0, 26)


@pytest.mark.parametrize("most", [1, 100])
def test_several_threads_get_what_one_gets(most):
    memory, wrong = Memory(embed, most), []

    def ask(first):
        for number in range(50):
            texts = [TEXTS[(first + number + place) % len(TEXTS)] for place in range(3)]
            if not np.array_equal(memory(texts), embed(texts)):
                wrong.append(texts)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
