from hypothesis import given
from hypothesis import strategies as st

from duomo.data.texts import cut


@given(st.text(alphabet="ab .。!？\n你好", max_size=300), st.integers(4, 60))
def test_pieces_fit_and_hold_all_but_white_space(value, limit):
    pieces = list(cut(value, limit))
    assert all(len(piece.encode()) <= limit and piece.strip() for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(value.split())


def test_cuts_fall_at_the_best_break():
    assert list(cut("One two.\n\nThree four.\n\nFive.", 22)) == ["One two.\n\nThree four.", "Five."]
    assert list(cut("One two. Three four. Five.", 21)) == ["One two. Three four.", "Five."]
    assert list(cut("你好。再见。", 9)) == ["你好。", "再见。"]
    assert list(cut("一二三四", 6)) == ["一二", "三四"]
