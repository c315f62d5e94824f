import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from duomo.interchange.charsmap import charsmap, double_array

BECOMES = {"\t": " ", "\x01": "", "ﬁ": "fi", "½": "1⁄2", "丽": "丽", "𝟩": "7", "ﾀ": "タ"}


def test_every_character_becomes_what_the_map_says():
    normalizer = normalizers.Precompiled(charsmap(BECOMES))
    for code in range(1, sys.maxunicode + 1):
        if not 0xD800 <= code < 0xE000:
            assert normalizer.normalize_str(chr(code)) == BECOMES.get(chr(code), chr(code)), hex(code)


KEYS = st.binary(min_size=1, max_size=4).filter(lambda key: 0 not in key)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(KEYS, st.integers(0, 2**31 - 1)), st.binary(max_size=5))
def test_a_double_array_holds_its_keys_and_nothing_else(values, other):
    units = double_array(values)
    for key in {*values, other}:
        assert found(units, key) == values.get(key)


def found(units, key):
    """A look-up as darts-clone does it."""
    place = 0
    for byte in key:
        place ^= (units[place] >> 10) ^ byte
        if units[place] & ((1 << 31) | 0xFF) != byte or not byte:
            return None
    return units[place ^ (units[place] >> 10)] & ~(1 << 31) if units[place] & (1 << 8) else None


def test_a_map_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("duomo.interchange.charsmap.FURTHEST", 2)
    with pytest.raises(ValueError, match="too large"):
        charsmap(BECOMES)
