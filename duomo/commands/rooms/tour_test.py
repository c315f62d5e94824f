"""Laws of the tour's room: a drawing becomes a digit as the model knows them; what is under way is replaced by what comes next."""

import numpy as np
import pytest

from duomo.commands.rooms.tour import INK, SIDE, digit, outdated
from duomo.page.events import Act, Doing, Learning, Shelved, Tried


def sheet(rows: slice, columns: slice, size: int = 280) -> np.ndarray:
    ink = np.zeros((size, size))
    ink[rows, columns] = 255
    return ink


def test_wherever_and_however_large_it_is_drawn_the_digit_is_the_same():
    pictures = [
        digit(sheet(slice(top, top + length), slice(left, left + length // 5)))
        for top, left, length in ((10, 20, 100), (60, 200, 200), (3, 9, 50))
    ]
    assert all(picture.shape == (SIDE, SIDE) and picture.dtype == np.uint8 for picture in pictures)
    assert all(np.array_equal(pictures[0], picture) for picture in pictures[1:])
    rows, columns = np.nonzero(pictures[0])
    assert np.ptp(rows) + 1 == INK and abs(rows.mean() - (SIDE - 1) / 2) <= 0.5 and abs(columns.mean() - (SIDE - 1) / 2) <= 0.5


def test_a_sheet_without_ink_is_refused():
    with pytest.raises(ValueError, match="draw a digit"):
        digit(np.zeros((280, 280)))


def test_only_what_is_under_way_is_replaced():
    growing, done = Shelved("tour", 1, 4, 2, 0.1), Shelved("tour", 1, 4, 4, 0.1)
    assert outdated(growing, done) and not outdated(growing, Act(2, "", "")) and not outdated(done, growing)
    assert outdated(Doing("x"), Act(2, "", "")) and outdated(Learning(1, 2, 0, 0), Learning(2, 2, 0, 0))
    assert not outdated(Learning(1, 2, 0, 0), Tried(1, (), (), 0.0))
