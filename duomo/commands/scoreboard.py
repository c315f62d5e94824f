"""duomo scoreboard RUN …: the figures of several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from duomo.commands.resolve import REPORT
from duomo.evaluate import scoreboard
from duomo.report import Report


def run(paths: Sequence[Path], markdown: bool = False) -> Report:
    """Merges the reports of run folders (or report.json files) into one table; runs that were not evaluated are named below it.

    Raises ValueError where none was.
    """
    measured = [path for path in paths if path.is_file() or (path / REPORT).is_file()]
    reports = scoreboard.read(measured or paths)
    draw = scoreboard.markdown if markdown else scoreboard.text
    rows = tuple(row for report in reports.values() for row in report.rows)
    lines = draw(scoreboard.merge(reports)).splitlines()
    if lacking := [str(path) for path in paths if path not in measured]:
        lines += ["", f"not evaluated: {', '.join(lacking)}; `duomo evaluate RUN` does it"]
    return Report("scoreboard", rows, facts={"runs": list(reports)}, lines=tuple(lines))
