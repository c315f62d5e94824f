"""Bench: Duomo beside the libraries that people would pick instead, in one run, with what this machine can do at best.

    python benchmarks/bench.py [--all] [--only train,decode] [--threads 1] [--wall] [--seconds 30] [--list]

Programs work turn and turn about on the same weights, data and precision; each row first checks that they compute the same, and fails
where they do not. Time is the processor's, of one thread, unless told otherwise. Peers that are not installed are left out and named:
pip install 'duomo[bench]'. Writes runs/bench/report.json, table.md and chart.svg.
"""

import argparse
import gc
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from contest import Ceilings, Row, Setting, ceilings, compete, spread
from rows.table import ROWS
from showing import chart, fraction, ratios, table

from duomo.report import Baseline, Report, ReportRow, save

OUT = Path("runs/bench")
PEERS = ("transformers", "litgpt", "ctranslate2", "llama-cpp-python", "onnxruntime", "onnxruntime-genai", "faster-whisper", "tiktoken",
         "gigatoken", "tokenizers", "torch")  # fmt: skip


def measured(row: Row, setting: Setting) -> dict[str, Any]:
    """All that is known of a row, as JSON. A row that can not be measured says why."""
    began, machine = time.perf_counter(), ceilings(setting.clock, 0.5)
    try:
        contest = row.make(setting)
        rates = compete(contest, setting, row.weight)
        rates = rates if row.more else {name: [1 / value for value in values] for name, values in rates.items()}
    except Exception as error:
        traceback.print_exc()
        return {"key": row.key, "title": row.title, "unit": row.unit, "failed": f"{type(error).__name__}: {error}"}
    found = {name: vars(spread(values)) for name, values in rates.items()}
    told = {"key": row.key, "title": row.title, "unit": row.unit, "more": row.more, "agreed": contest.agreed, "rates": found}
    told |= {"ratios": ratios(rates, row.more), "ceilings": fraction(contest, found, [machine, ceilings(setting.clock, 0.5)])}
    told |= {"absent": dict(contest.absent), "facts": dict(contest.facts), "seconds": round(time.perf_counter() - began, 1)}
    return told | {"aims": [vars(aim) for aim in row.aims]}


def report_row(told: dict[str, Any]) -> ReportRow:
    """A row as a report keeps it: our median and quartiles beside the peers' medians."""
    rates = dict(told["rates"])
    ours = rates.pop(next(iter(rates)))
    peers = tuple(Baseline(name, one["median"]) for name, one in rates.items())
    return ReportRow(told["title"], "speed", told["unit"], told["more"], ours["median"], ours["low"], ours["high"], ours["n"], None, peers)


def machine(options: argparse.Namespace, best: Ceilings) -> dict[str, Any]:
    """Where and how it was measured."""
    versions = {}
    for name in PEERS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "threads": options.threads,
        "clock": "wall" if options.wall else "process CPU",
        "python": platform.python_version(),
        "versions": versions,
        "sgemm GFLOP/s": round(best.sgemm / 1e9, 1),
        "bfloat16 GFLOP/s": round(best.bgemm / 1e9, 1),
        "read GB/s": round(best.read / 1e9, 1),
    }


def processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def chosen(options: argparse.Namespace) -> list[Row]:
    """The rows that are asked for. Raises ValueError for a name that none begins with."""
    if not options.only:
        return [row for row in ROWS if row.headline or options.all]
    keys, found = {row.key for row in ROWS}, set[str]()
    for name in options.only.split(","):
        meant = {name} if name in keys else {key for key in keys if key.startswith(f"{name}-")}
        if not meant:
            raise ValueError(f"no row {name}; there are {', '.join(row.key for row in ROWS)}")
        found |= meant
    return [row for row in ROWS if row.key in found]


def write(rows: Sequence[dict[str, Any]], facts: dict[str, Any], out: Path) -> None:
    """The report, the table, the chart; rows that were measured by earlier calls and not by this one stay."""
    out.mkdir(parents=True, exist_ok=True)
    good = [row for row in rows if "failed" not in row]
    save(Report("bench", tuple(map(report_row, good)), facts=facts | {"rows": list(rows)}), out / "report.json")
    (out / "table.md").write_text(table(rows, facts), encoding="utf-8")
    (out / "chart.svg").write_text(chart(good), encoding="utf-8")


def before(out: Path) -> list[dict[str, Any]]:
    """What earlier calls measured."""
    path = out / "report.json"
    return json.loads(path.read_text(encoding="utf-8"))["facts"]["rows"] if path.is_file() else []


def merged(old: Iterable[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """New rows in the place of old ones, in the order of the table."""
    by_key = {row["key"]: row for row in [*old, *new]}
    return [by_key[row.key] for row in ROWS if row.key in by_key]


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every row, not the headline rows alone")
    parser.add_argument("--only", default="", help="keys of rows, or what they begin with (decode, decode-10m), with commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true", help="seconds of the clock on the wall; else of the processor")
    parser.add_argument("--seconds", type=float, default=30, help="for the rounds of a row; heavier rows take more")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--keep", action="store_true", help="rows of earlier calls stay in the table")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{row.key:18} {row.title}{'' if row.headline else '  (--all)'}" for row in ROWS))
        return
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.wall else time.process_time
    setting = Setting(options.threads, options.seconds, OUT / "exports", options.cache, clock)
    facts, found = machine(options, ceilings(clock)), list[dict[str, Any]]()
    try:
        rows = chosen(options)
    except ValueError as error:
        parser.error(str(error))
    for row in rows:
        told = measured(row, setting)
        found = merged(before(OUT) if options.keep else found, [told])  # read anew: another call may have written since
        print(table([told], facts, brief=True), flush=True)
        write(found, facts, OUT)
        gc.collect()
    sys.exit(any("failed" in row for row in found))


if __name__ == "__main__":
    main()
