"""Laws of the wire: whatever the bytes are, they become an object or one Fault of 400."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duomo.serve.fault import Fault
from duomo.serve.wire import MOST_VALUES, half, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_an_object_reads_as_it_was_written(value):
    assert read_json(json.dumps(value, ensure_ascii=False).encode(), 32) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_fault(body):
    try:
        assert isinstance(read_json(body, 8), dict)
    except Fault as fault:
        assert fault.status == 400


HOSTILE = {
    "empty": b"", "no object": b"[]", "not UTF-8": b'{"a":"\xff"}', "NaN": b'{"a":NaN}', "minus infinity": b'{"a":-Infinity}',
    "1e999": b'{"a":1e999}', "a long number": b'{"a":' + b"9" * 5000 + b"}", "half a character": b'{"a":"\\ud800"}',
    "half a name": b'{"\\udfff":1}', "cut": b'{"a":', "deep lists": b'{"a":' + b"[" * 100_000, "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "many values": b'{"a":[' + b"[]," * (MOST_VALUES + 1) + b"[]]}",
    "many closed": b'{"a":' + b"]" * 300_000, "many texts": b'{"a":' + b'""' * 300_000,
    "many escapes": b'{"a":"' + b"\\n" * 3_000_000 + b'"}',
    "UTF-16": '{"a":1}'.encode("utf-16"), "a mark first": b"\xef\xbb\xbf{}",
}  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_strange_is_refused_in_one_line(body):
    with pytest.raises(Fault) as caught:
        read_json(body, 32)
    assert caught.value.status == 400
    assert "\n" not in caught.value.envelope()["error"]["message"]


@pytest.mark.parametrize("end", ["\\", "\\\\", '\\"', '"', "\\\\\\[", ""])
def test_brackets_inside_texts_are_text(end):
    value = {"a": '[{"' * 5000 + end, "b" + end: "[" * 50}
    assert read_json(json.dumps(value).encode(), 2) == value
    assert read_json(b'{"a":' + b"[" * 30 + b"]" * 30 + b"}", 31)["a"]


def test_whole_pairs_are_no_halves():
    assert read_json(b'{"a":"\\ud83d\\ude00"}', 2) == {"a": "😀"}
    assert half(["a", {"b": "\ud83d"}]) and not half(["a", {"b": "😀"}])
