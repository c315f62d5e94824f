"""Laws of placeholders: all forms are found, numbers lose nothing, plain texts hold none."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duomo.tasks.placeholders import found, known, named, numbered

FORMS = (
    "{name}",
    "{}",
    "{0:.2f}",
    "{{ count }}",
    "${host}",
    "$(ARG1)",
    "$x",
    "$1",
    "%s",
    "%(count)d",
    "%5.2f",
    "%1",
    "%PRODUCTNAME",
    "%PATH%",
)
TAGS = ("<b>", "</b>", '<a href="{url}">', "<br/>", "&nbsp;")


@pytest.mark.parametrize("form", [*FORMS, *TAGS])
def test_every_form_is_found_wherever_it_stands(form):
    for text in (form, f"Open {form} now", f"打开{form}文件", f"({form})", f"{form}, {form}"):
        assert set(found(text)) == {form} and known(text) == (form,)


@pytest.mark.parametrize(
    "text", ["50% of all", "100%", "the %said", "$1.50", "US $100", "a < b > c", "<none>", "<无>", "Q&A; x", "{", "{a b c}", "{打开}"]
)
def test_plain_texts_hold_none(text):
    assert not found(text) - found("&A;")


@given(st.lists(st.sampled_from([*FORMS, *TAGS, "{1}", "{2}", "{9}", "打开", "open", " ", "{", "%"]), max_size=8).map(" ".join))
def test_numbers_lose_nothing(text):
    names = known(text)
    plain = numbered(text, names)
    assert named(plain, names) == text
    assert known(plain) == tuple(f"{{{n}}}" for n in range(1, len(names) + 1)) or {"{9}", "{2}"} & set(names)


def test_what_the_source_does_not_hold_stays_as_it_is():
    names = known("{host} is %s")
    assert numbered("%s：{host}，{port}", names) == "{2}：{1}，{port}"
    assert named("{2}：{1}，{3}", names) == "%s：{host}，{3}"


@pytest.mark.parametrize("piece", ["{", "{ ", "%0", "<a ", "$(", "&a", "{{{", "%(a", "<b <b"])
def test_megabytes_take_a_moment(piece):
    began = time.process_time()
    found(piece * 500_000)
    assert time.process_time() - began < 5
