"""Runs: how trainings go and how well they did, by `duomo scoreboard` and the report of each run; read again as they grow."""

from pathlib import Path

from duomo import recipe
from duomo.commands import page
from duomo.commands.curves import drawings
from duomo.commands.lineage import learned
from duomo.commands.resolve import RECIPE, REPORT
from duomo.commands.rooms.house import House
from duomo.data.lineage import NAME
from duomo.evaluate import scoreboard as figures
from duomo.page.jobs import Progress
from duomo.report import Report, load
from duomo.train import log

LOG = "log.jsonl"


def runs(house: House) -> list[str]:
    """The names of all runs with a log or a report, those with a log first, and the newest first."""
    found = [path for path in house.runs.glob("*") if (path / LOG).is_file() or (path / REPORT).is_file()] if house.runs.is_dir() else []
    return [path.name for path in sorted(found, key=lambda path: ((path / LOG).is_file(), _age(path)), reverse=True)]


def run(house: House, name: str, known: int = -1) -> Progress | None:
    """How a run goes; None where its log has not grown since it had `known` bytes. Raises ValueError for a name that is none."""
    if name not in runs(house):
        raise ValueError(f"{name}: no such run here")
    folder = house.runs / name
    size = sum((folder / part).stat().st_size for part in (LOG, REPORT) if (folder / part).is_file())
    if size == known:
        return None
    lines = log.read(folder)
    steps = [line for line in lines if "loss" in line]
    last = steps[-1] if steps else {}
    held: dict[str, float] = next((line["valid"] for line in reversed(lines) if "valid" in line), {})
    return Progress(name, size, int(last.get("step", 0)), last.get("loss"), held, tuple(drawings(lines)), _page(house, folder, lines))


def scoreboard(house: House) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The figures of all runs that were evaluated: a heading and rows; each cell has its lines."""
    measured = [house.runs / name for name in runs(house) if (house.runs / name / REPORT).is_file()]
    found = dict[str, Report]()
    for path in measured:
        try:
            found |= figures.read([path])
        except ValueError:
            continue  # half written, or of another kind
    return tuple(tuple(line) for line in figures.merge(found)) if found else ()


def _page(house: House, folder: Path, lines: list[dict[str, object]]) -> Path | None:
    """The run's report as a page inside the page's folder, made anew where it has changed."""
    file = folder / REPORT
    if not file.is_file():
        return None
    key = f"run {folder.name} {file.stat().st_mtime_ns}"
    if key not in house.kept or not house.kept[key].is_file():
        try:
            report = load(file)
            root = Path(recipe.load(folder / RECIPE).data.cache) if (folder / RECIPE).is_file() else folder
            made = house.fresh() / "report.html"
            sources = learned(folder) if (folder / NAME).is_file() else ()
            made.write_text(page.html(report, lines, sources, root), encoding="utf-8", errors="replace")
        except (ValueError, KeyError, OSError):
            return None
        house.kept[key] = made
    kept: Path = house.kept[key]
    return kept


def _age(path: Path) -> float:
    return max((path / part).stat().st_mtime for part in (LOG, REPORT) if (path / part).is_file())
