"""Laws of the page's texts: each in both languages, with the same gaps; marks become texts and nothing else."""

import json
import re
from html import escape
from pathlib import Path

import pytest

from duomo.page import TABS, words
from duomo.page.words import LANGUAGES, TEXTS, both, filled, mark, say

GAP = re.compile(r"\{(\w+)\}")
STRANGE = "</script><img src=x onerror=alert(1)>\"'&\\"


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_stands_in_both_languages_with_the_same_gaps(name):
    english, chinese = TEXTS[name]
    assert english.strip() and chinese.strip() and sorted(GAP.findall(english)) == sorted(GAP.findall(chinese))
    assert not re.search("[\u4e00-\u9fff]", english) or name == "page.title"


def test_every_text_is_used_and_every_mark_has_its_text():
    files = [path for ending in ("py", "js") for path in Path(words.__file__).parent.glob(f"*.{ending}")]
    source = "".join(path.read_text() for path in files if path.name != "words.py" and not path.name.endswith("_test.py"))
    beginnings = tuple(re.findall(r"""[\"']([a-z]+\.[a-z_]*)\{""", source))  # names that are put together
    for name in (name for name in TEXTS if not name.startswith("tour.")):
        assert re.search(rf"""[\"'@]{re.escape(name)}[\"'@]""", source) or name.startswith(beginnings), name
    for name in re.findall(r'(?:say|both|about|missing|Lacking)\(f?"([a-z]+\.[a-z_]+)"', source):
        assert name in TEXTS, name


def test_what_is_filled_in_is_escaped_in_both_languages():
    told = both("runs.step", step=STRANGE, loss="1")
    assert told.count(escape(STRANGE)) == 2 and STRANGE not in told
    assert [f'lang="{language}"' in told for language in LANGUAGES] == [True, True]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mark_in_a_script_becomes_a_text_that_ends_no_string_and_no_script(language, monkeypatch):
    monkeypatch.setattr(words, "TEXTS", {**TEXTS, "page.strange": (STRANGE, STRANGE)})
    body = filled('{"label":"@@page.strange@@","other":"@@no.such@@"}', language, quoted=True)
    assert json.loads(body) == {"label": STRANGE, "other": "@@no.such@@"} and "<" not in body and "'" not in body
    assert filled("<b>@@page.strange@@</b>", language, quoted=False) == f"<b>{escape(STRANGE)}</b>"


def test_titles_of_tabs_have_marks_of_their_own():
    assert len({tab.title for tab in TABS}) == len({tab.name for tab in TABS}) == len(TABS)
    assert all(filled(mark(tab.title), "zh", False) == escape(tab.title[1]) for tab in TABS)
    with pytest.raises(AssertionError):
        say("no.such")
