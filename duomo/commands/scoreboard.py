"""duomo scoreboard RUN …: the figures of several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from duomo.evaluate import scoreboard
from duomo.report import Report


def run(paths: Sequence[Path], markdown: bool = False) -> Report:
    """Merges the reports of run folders (or report.json files) into one table. Raises ValueError for a run that was not evaluated."""
    reports = scoreboard.read(paths)
    draw = scoreboard.markdown if markdown else scoreboard.text
    rows = tuple(row for report in reports.values() for row in report.rows)
    return Report("scoreboard", rows, facts={"runs": list(reports)}, lines=tuple(draw(scoreboard.merge(reports)).splitlines()))
