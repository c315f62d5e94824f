import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from duomo.classify import parse
from duomo.commands import comments as command
from duomo.commands.classify import Put
from duomo.commands.classify_test import encoder  # noqa: F401  a small encoder as a fixture
from duomo.commands.comments import Asked, Comment, day_of, run, wilson
from duomo.commands.comments_page import ALL
from duomo.commands.given import Given

ROWS = [
    ("2026-03-02", "the cat sat", "cats"),
    ("2026/3/8", "a cat <b>sat</b>", "cats"),
    ("2026-03-09 10:00", "the cat", "cats"),
    ("20260310", "a dog", "dogs"),
    ("2026年3月16日", "the dog ran", "dogs"),
    ("03/04/2026", "a mat", "dogs"),
    ("2026-03-17", "", "dogs"),
]
MOOD = "good=the cat sat,bad=the dog ran"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("day,said,about\n" + "".join(f"{day},{text},{topic}\n" for day, text, topic in ROWS), encoding="utf-8")
    return path


def test_a_table_is_summed_up_by_topic_and_week(encoder, table, tmp_path, capsys):  # noqa: F811
    for library in ("matplotlib", "stopwordsiso", "jieba"):
        pytest.importorskip(library)
    report = run(encoder, table, Asked("said", "day", "about", labels=MOOD, out=tmp_path / "o.html"))
    found = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    cells = {(cell["topic"], cell["week"]): cell for cell in found["cells"]}
    assert {key: cell["n"] for key, cell in cells.items()} == {
        (ALL, ALL): 5, (ALL, "2026-03-02"): 2, (ALL, "2026-03-09"): 2, (ALL, "2026-03-16"): 1,
        ("cats", ALL): 3, ("cats", "2026-03-02"): 2, ("cats", "2026-03-09"): 1,
        ("dogs", ALL): 2, ("dogs", "2026-03-09"): 1, ("dogs", "2026-03-16"): 1,
    }  # fmt: skip
    assert all(cell["low"] <= cell["share"] <= cell["high"] and 1 <= len(cell["quotes"]) <= 2 for cell in cells.values())
    assert sum(cell["good"] for key, cell in cells.items() if key[0] != ALL and key[1] == ALL) == cells[ALL, ALL]["good"]
    assert "1 comments without a date" in capsys.readouterr().err and "5 comments" in report.lines[0]
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    assert "<b>sat" not in page and "&lt;b&gt;sat" in page and page.count("<svg") == 3
    own = page.replace("http://www.w3.org", "").replace("url(#", "")  # a drawing's own parts
    assert not [word for word in ("http://", "https://", "<script", "url(") if word in own]


def test_without_labels_the_mood_is_good_or_bad():
    assert [label.name for label in parse(command.MOOD)] == ["good", "bad"]


def test_a_topic_that_is_called_all_is_one_of_them():
    put = Put(Given("x", "t.csv:2"), "good", {"good": 0.9, "bad": 0.1}, True)
    given, asked = [Given("x", "t.csv:2", {"about": topic}) for topic in ("all", "cats")], Asked("said", "day", "about")
    assert command.named(given, asked) == ["all (topic)", "cats"]
    found = [Comment(put, date(2026, 3, 2), topic, ("x",)) for topic in command.named(given, asked)]
    whole = [(cell.topic, cell.n) for cell in command.summed(found, "good") if cell.week == ALL]
    assert whole == [(ALL, 2), ("all (topic)", 1), ("cats", 1)]


def test_what_would_be_written_over_the_table_is_refused(table, tmp_path):
    (tmp_path / "r.json").write_text('{"day": "2026-03-02", "said": "a cat"}\n')
    for source, out, told in (
        (tmp_path / "r.json", tmp_path / "r.html", "would be written over"),
        (table, table, "would be written over"),
        (table, tmp_path / "o.json", "the page is HTML"),
    ):
        with pytest.raises(ValueError, match=told):
            run(Path("no-such-model"), source, Asked("said", "day", out=out))


def test_more_topics_or_weeks_than_a_page_holds_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("day,said,id\n" + "".join(f"{1000 + n}-01-01,a cat,{n}\n" for n in range(1200)), encoding="utf-8")
    for asked, told in ((Asked("said", "day", "id"), "holds 1,200 topics"), (Asked("said", "day"), "dates of 1,200 weeks")):
        with pytest.raises(ValueError, match=told):
            run(Path("no-such-model"), path, asked)


def test_topics_are_found_from_the_same_vectors(encoder, table, tmp_path):  # noqa: F811
    for library in ("matplotlib", "stopwordsiso", "jieba"):
        pytest.importorskip(library)
    topics = "one=the cat sat,two=the dog ran"
    run(encoder, table, Asked("said", "day", topics=topics, labels=MOOD, out=tmp_path / "o.html"))
    found = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    whole = {cell["topic"]: cell for cell in found["cells"] if cell["week"] == ALL}
    assert {"one", "two"} <= set(whole)
    assert all(cell["share"] in (0.0, 1.0) for topic, cell in whole.items() if topic != ALL)


def test_columns_and_dates_that_are_not_there_are_refused(table, tmp_path):
    faults = ((Asked("sad", "day"), "no column 'sad'; did you mean 'said'"), (Asked("said", "about"), "no date in column 'about'"))
    for asked, told in faults:
        with pytest.raises(ValueError, match=told):
            run(Path("no-such-model"), table, asked)
    (tmp_path / "e.csv").write_text("day,said\n2026-01-01,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no comment"):
        run(Path("no-such-model"), tmp_path / "e.csv", Asked("said", "day"))


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026-03-31", date(2026, 3, 31)), ("2026/3/1 8:00", date(2026, 3, 1)), ("20260331", date(2026, 3, 31)),
     ("2026年3月31日", date(2026, 3, 31)), ("2026-02-30", None), ("31.03.2026", None), ("soon", None), ("", None), ("2026-3-311", None)],
)  # fmt: skip
def test_days_are_read_year_first(text, day):
    assert day_of(text) == day


def test_the_interval_holds_the_share_as_often_as_it_says():
    random = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.95):
        drawn = random.binomial(20, share, 4000)
        held = np.mean([low <= share <= high for low, high in (wilson(int(good), 20) for good in drawn)])
        assert held > 0.91
    assert wilson(0, 5)[0] == 0 and wilson(5, 5)[1] == 1 and wilson(0, 5)[1] > 0.3
