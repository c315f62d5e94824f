"""The heavier faults, with figures; `make faults` runs them beside tests/test_faults.py. Everything random is seeded."""

import os
import random
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from duomo.checkpoint import verify
from duomo.modalities import MODALITIES
from tests import own
from tests.small import media

ROWS = 100_000
KILLS = 8
DAMAGES = 400
FLIPS = 1000
TEMPORARY = ".writing"


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure past pytest's capture."""

    def told(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", flush=True)

    return told


def test_a_big_table_goes_on_without_its_bad_records(tmp_path: Path, tell: Callable[[str], None]) -> None:
    draw, bad = random.Random(0), (b"what?\n", b"what?,\n", b"caf\xe9?,yes\n", b"a,b,c\n")
    table = [f"what comes after {n}?,{n + 1} 是下一个\n".encode() for n in range(ROWS)]
    places = draw.sample(range(ROWS), ROWS // 100)
    for number, place in enumerate(places):
        table[place] = bad[number % len(bad)]
    (own.lay(tmp_path) / "own.csv").write_bytes(b"question,answer\n" + b"".join(table))
    began, process = time.monotonic(), own.start(tmp_path, "prepare", "own.yaml", "--workers", "1")
    out, err = process.communicate()
    assert process.returncode == 0, err
    line = f"{ROWS // 100:,} quarantined, the first: own.csv:{min(places) + 2}: "
    assert f"own: {ROWS - len(places):,} read; " in out and line in out
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    tell(f"{ROWS:,} records, {len(places):,} of them bad: prepared in {time.monotonic() - began:.0f} s, {most:,.0f} MiB at most")


def test_ctrl_c_while_several_data_sets_are_prepared_leaves_no_trace(tmp_path: Path, tell: Callable[[str], None]) -> None:
    folder = own.lay(tmp_path, rows=ROWS)
    shutil.copy(folder / "own.csv", folder / "two.csv")
    before = own.tree(folder)
    process = own.start(folder, "train", "own.yaml", "data.files=[{path: own.csv}, {path: two.csv}]")
    own.wait_for(lambda: sum(path.stat().st_size for path in folder.rglob("train.jsonl")) > 1_000_000, process)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err == "interrupted: the same command begins again, from what is kept\n"
    assert own.tree(folder) == before
    tell(f"Ctrl-C while two processes prepared {2 * ROWS:,} records: over after {time.monotonic() - began:.1f} s, without a trace")


def on(folder: Path) -> list[str]:
    """What a command line needs to go on where there is something to go on from."""
    return ["--resume"] if any((folder / "runs/own/checkpoints").glob("step-*")) else []


def test_a_run_killed_again_and_again_ends_the_same(trained: Path, tmp_path: Path, tell: Callable[[str], None]) -> None:
    folder, draw, seen = Path(shutil.copytree(trained, tmp_path / "own")), random.Random(1), list[int]()
    shutil.rmtree(folder / "runs")
    for _ in range(KILLS):
        after = own.steps_logged(folder)
        process = own.start(folder, "train", "own.yaml", *on(folder))
        own.wait_for(lambda after=after: own.steps_logged(folder) != after, process)  # type: ignore[misc]
        time.sleep(draw.random() * 0.3)
        process.kill()
        process.communicate()
        seen.append(own.steps_logged(folder))
    assert own.duomo(folder, "train", "own.yaml", *on(folder)) == 0
    assert own.weights(folder) == own.weights(trained)
    assert [line["loss"] for line in own.log(folder)] == [line["loss"] for line in own.log(trained)]
    assert not list(folder.rglob(f"*{TEMPORARY}"))
    tell(f"killed {KILLS} times, after steps {seen}: weights, optimizer and log of an undisturbed run")


def test_no_flipped_byte_of_a_checkpoint_goes_by(trained: Path, tmp_path: Path, tell: Callable[[str], None]) -> None:
    folder, draw = Path(shutil.copytree(own.newest(trained), tmp_path / "step")), random.Random(2)
    files, began = sorted(folder.iterdir()), time.monotonic()
    for _ in range(FLIPS):
        path = draw.choice(files)
        good = path.read_bytes()
        place = draw.randrange(len(good))
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << draw.randrange(8)]) + good[place + 1 :])
        with pytest.raises(ValueError, match="use an earlier checkpoint"):
            verify(folder)
        path.write_bytes(good)
    verify(folder)
    tell(f"{FLIPS:,} flipped bits in {len(files)} files: all refused, {(time.monotonic() - began) / FLIPS * 1e3:.1f} ms each")


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Cut short, or with some bytes changed, or neither head nor tail."""
    kind = draw.randrange(3)
    if kind == 0:
        return data[: draw.randrange(len(data))]
    if kind == 1:
        spoilt = bytearray(data)
        for _ in range(draw.choice((1, 10, 100))):
            spoilt[draw.randrange(len(data))] = draw.randrange(256)
        return bytes(spoilt)
    return draw.randbytes(draw.randrange(1, 5000))


@pytest.mark.parametrize("kind", MODALITIES)
def test_damaged_media_are_read_or_refused_in_one_line(kind: str, tmp_path: Path, tell: Callable[[str], None]) -> None:
    draw, modality, found, began = random.Random(3), MODALITIES[kind], Counter[str](), time.monotonic()
    for number in range(DAMAGES):
        path = tmp_path / f"{number}{modality.suffix}"
        path.write_bytes(damaged(media(kind, number % 20), draw))
        try:
            patches = modality.cut(modality.read(path, modality.default), modality.default)
        except ValueError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            found["refused"] += 1
        else:
            assert np.isfinite(patches.values_NF.numpy()).all()
            found["read"] += 1
    told = ", ".join(f"{count} {name}" for name, count in found.items())
    tell(f"{DAMAGES} damaged {kind} files: {told}, {(time.monotonic() - began) / DAMAGES * 1e3:.1f} ms each")


def test_a_disk_of_whatever_size_holds_whole_things_only(tmp_path: Path, tell: Callable[[str], None]) -> None:
    ended = Counter[int]()
    for pages in range(8, 80, 4):
        try:
            with own.small_disk(tmp_path / "disk", pages * 4096) as disk:
                own.lay(disk, rows=300)
                given = {name: own.tree(disk)[name] for name in ("own.csv", "own.yaml")}
                code = own.duomo(disk, "prepare", "own.yaml", "--workers", "1")
                ended[code] += 1
                after = own.tree(disk)
                assert code in (0, 2) and given.items() <= after.items()
                assert not [name for name in after if TEMPORARY in name or Path(name).name.startswith(".")]
        except PermissionError as error:
            pytest.skip(f"no small disk can be mounted here: {error}")
    tell(f"disks of 32 to 316 KB: {ended[0]} were large enough, {ended[2]} ended with one line and 2; nothing half written on any")
