"""Known says of each key once that it is new, and holds a few bytes of it."""

import random

from duomo.data.known import NEWEST, Known


def test_a_key_is_new_once_however_many_came_between():
    draw, known, seen = random.Random(0), Known(), set[int]()
    for _ in range(3 * NEWEST):
        number = draw.randrange(2 * NEWEST)
        key = (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little") + b"12345678"
        assert known.add(key) == (number not in seen)
        seen.add(number)
    assert len(known) == len(seen)


def test_runs_are_few_and_hold_eight_bytes_a_key():
    known, count = Known(), 20 * NEWEST
    for number in range(count):
        known.add((number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little"))
    assert sum(run.nbytes for run in known._runs) <= 8 * count
    assert len(known._runs) <= 5
