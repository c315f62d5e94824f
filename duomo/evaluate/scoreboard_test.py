"""Laws of the scoreboard."""

from dataclasses import replace
from pathlib import Path

import pytest

from duomo.evaluate.scoreboard import beaten_by, looked, markdown, merge, read, remarks, text
from duomo.report import Baseline, Control, Report, ReportRow, save

ROW = ReportRow("digits", "test", "accuracy", True, 0.9, 0.88, 0.92, 500, 0.1, (Baseline("kNN", 0.8), Baseline("majority", 0.1)))
LOSS = ReportRow("text", "test", "bits per byte", False, 2.0, 1.9, 2.1, 300, 8.0, (Baseline("5-gram", 2.2),))


def controlled(row: ReportRow, value: float, low: float | None = None, high: float | None = None) -> ReportRow:
    return replace(row, control=Control(value, row.n, low=low, high=high))


@pytest.mark.parametrize(
    "row, expected",
    [
        (ROW, True),
        (controlled(ROW, 0.5), True),
        (controlled(ROW, 0.9), False),
        (controlled(ROW, 0.95), False),
        (controlled(ROW, 0.85, 0.81, 0.89), False),
        (controlled(ROW, 0.85, 0.83, 0.87), True),
        (controlled(LOSS, 3.0), True),
        (controlled(LOSS, 2.3, 2.05, 2.5), False),
        (controlled(LOSS, 1.5), False),
    ],
)
def test_looked_means_better_than_the_control_by_more_than_both_intervals(row: ReportRow, expected: bool):
    assert looked(row) is expected
    assert ("did not look" in remarks(row)) is not expected


def test_the_best_baseline_that_wins_is_named():
    assert beaten_by(ROW) is None and beaten_by(LOSS) is None
    assert beaten_by(replace(ROW, value=0.05)).name == "kNN"
    assert beaten_by(replace(LOSS, value=2.3)).name == "5-gram"
    assert remarks(replace(ROW, value=0.7, synthetic=True, split="valid")) == ("below kNN", "synthetic", "valid split")


def test_runs_stand_side_by_side():
    one, two = Report("a", (ROW, LOSS)), Report("b", (LOSS, replace(ROW, value=0.5)))
    lines = merge({"first": one, "second": two})
    assert [(line[0][0], line[1][0]) for line in lines[1:]] == [
        ("first", "digits"),
        ("second", "digits"),
        ("first", "text"),
        ("second", "text"),
    ]
    assert merge({"first": one})[0][0] == ("task",)


def test_text_and_markdown_show_every_figure():
    row = replace(controlled(ROW, 0.1), ablations=(Control(0.45, 500, "no sound", chance=0.4),), synthetic=True)
    lines = merge({"run": Report("a", (row, LOSS))})
    baselines, controls = ("kNN 0.800", "majority 0.100"), ("swapped 0.100", "no sound 0.450 (chance 0.400)")
    for shown in (text(lines), markdown(lines)):
        assert all(figure in shown for figure in ("0.900 [0.880, 0.920]", "500", *baselines, *controls, "synthetic"))
    assert len({len(line.split("|")) for line in markdown(lines).splitlines()}) == 1


def test_text_of_no_rows_is_its_heading():
    assert text(merge({"run": Report("a")})).startswith("task  metric")


def test_reads_folders_and_files_and_names_clashes_apart(tmp_path: Path):
    for name in ("x/run", "y/run", "y/other"):
        (tmp_path / name).mkdir(parents=True)
        save(Report(name, (controlled(ROW, 0.1, 0.0, 0.2), LOSS)), tmp_path / name / "report.json")
    found = read([tmp_path / "x/run", tmp_path / "y/run/report.json", tmp_path / "y/other"])
    assert list(found) == [str(tmp_path / "x/run"), str(tmp_path / "y/run"), "other"]
    assert found["other"].rows[0] == controlled(ROW, 0.1, 0.0, 0.2)
    with pytest.raises(ValueError, match="duomo evaluate"):
        read([tmp_path / "none"])
