import codecs

import pytest

from duomo.data.encoding import LABELS, decoded


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("图书馆", "utf-8", ()),
        ("图书馆", "utf-8-sig", ("gbk",)),
        ("图书馆", "utf-16", ()),
        ("图书馆", "gbk", ()),
        ("圖書館", "big5", ("Big5",)),
        ("図書館", "shift_jis", (' "Shift_JIS" ',)),
        ("café", "latin-1", ()),
        ("“café”", "cp1252", ("ISO-8859-1",)),
        ("привет", "koi8-r", ("KOI8-R",)),
        ("图书馆", "utf-8", ("big5",)),
        ("图书馆", "utf-8", ("rot13", "unicode_escape", "no such")),
    ],
)
def test_text_is_read_by_what_is_said_and_by_what_fits(text, encoding, told):
    assert decoded(f"{text}, it opens.\r\nAt nine.".encode(encoding), told) == f"{text}, it opens.\nAt nine."


def test_an_end_that_was_cut_off_is_left_out():
    assert decoded("图书馆".encode()[:-1]) == "图书"
    assert decoded(b"a" * 300 + b"\x81" + b"b" * 300, ["utf-8"]) == "a" * 300 + "\ufffd" + "b" * 300


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="its text is no utf-8, nor anything else that is known; save it as UTF-8"):
        decoded(bytes(range(128, 256)) * 9, ["utf-8"])
    assert decoded(b"%3Cp%3E", ["unicode_escape"]) == "%3Cp%3E", "codecs that are no character sets are never asked"
    assert all(codecs.lookup(name)._is_text_encoding for name in LABELS.values())
