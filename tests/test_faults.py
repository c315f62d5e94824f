"""What can go wrong: every fault of the user is one line with its mend and 2, and changes nothing; a run that is stopped goes on."""

import csv
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from duomo.modalities import MODALITIES
from tests import own


def picture(number: int) -> bytes:
    return MODALITIES["image"].write(np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8))


def nothing(folder: Path) -> None: ...


def cut_png(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photos" / "cut.png").write_bytes(picture(0)[:2000])
    (folder / "photos" / "cut.txt").write_text("a cat")


def false_wav(folder: Path) -> None:
    (folder / "speech.wav").write_text("This is no sound.\n" * 50)


def empty(folder: Path) -> None:
    (folder / "empty.csv").write_text("")
    (folder / "head.csv").write_text("question,answer\n")
    (folder / "folder").mkdir()


def misspelt(folder: Path) -> None:
    (folder / "wrong.yaml").write_text(own.RECIPE.replace("max_positions", "max_position"))


def flipped(folder: Path) -> None:
    weights = own.newest(folder) / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)


def renamed(path: str, **more: str) -> str:
    return f"data.files=[{{path: {path}{''.join(f', {key}: {value}' for key, value in more.items())}}}]"


Break = Callable[[Path], None]
FAULTS: list[tuple[str, Break, list[str], str]] = [
    ("a missing picture", nothing, ["ask", "runs/own", "what?", "--image", "gone.png"], "gone.png: no such image file; check the path"),
    ("a missing table", nothing, ["train", "own.yaml", renamed("gone.csv"), "name=b"], "gone.csv: no such file or folder"),
    ("a misspelt table", nothing, ["prepare", "own.yaml", renamed("won.csv")], "did you mean 'own.csv'?"),
    ("a missing data set", nothing, ["data", "check", "gone.csv"], "gone.csv: no such file or folder"),
    ("a missing data set to see", nothing, ["data", "show", "gone.csv"], "gone.csv: no such file or folder"),
    ("a missing recipe", nothing, ["train", "gone.yaml"], "gone.yaml: no such recipe"),
    ("a missing run", nothing, ["ask", "runs/won", "what?"], "runs/won: no such model; did you mean 'runs/own'?"),
    ("a truncated PNG", cut_png, ["ask", "runs/own", "what?", "--image", "photos/cut.png"], "photos/cut.png: damaged, or not a PNG"),
    ("a data set of it", cut_png, ["prepare", "own.yaml", renamed("photos")], "photos/cut.png: damaged, or not a PNG"),
    ("a check of it", cut_png, ["data", "check", "photos"], "photos/cut.png: damaged, or not a PNG"),
    ("a text named .wav", false_wav, ["ask", "runs/own", "--audio", "speech.wav"], "speech.wav: damaged, or not a WAV"),
    ("no such column", nothing, ["prepare", "own.yaml", renamed("own.csv", question="x")], "own.csv: no column 'x'; the columns are"),
    ("no such column, checked", nothing, ["data", "check", "own.csv", "question=title"], "own.csv: no column 'title'; the columns are"),
    ("no such column, shown", nothing, ["data", "show", "own.csv", "answer=body"], "own.csv: no column 'body'; the columns are"),
    ("an empty file", empty, ["train", "own.yaml", renamed("empty.csv"), "name=b"], "empty.csv: an empty data set"),
    ("an empty table", empty, ["train", "own.yaml", renamed("head.csv"), "name=b"], "head.csv: an empty data set"),
    ("an empty folder", empty, ["prepare", "own.yaml", renamed("folder")], "folder: an empty data set"),
    ("an empty table, checked", empty, ["data", "check", "head.csv"], "head.csv: an empty data set"),
    ("a misspelt key", misspelt, ["train", "wrong.yaml"], "wrong.yaml: unknown key 'model.max_position'; did you mean 'max_positions'?"),
    ("a misspelt change", nothing, ["train", "own.yaml", "train.stpes=9"], "own.yaml: unknown key 'train.stpes'; did you mean 'steps'?"),
    ("a misspelt form", nothing, ["data", "check", "own.csv", "qestion=a"], "own.csv: unknown key 'qestion'; did you mean 'question'?"),
    ("a misspelt sense", nothing, ["ask", "runs/own", "--imgae", "x.png"], "did you mean 'image'?"),
    ("a flipped byte", flipped, ["ask", "runs/own", "what?"], "step-40/model.safetensors: its SHA-256 is not the manifest's"),
    ("a flipped byte, resumed", flipped, ["train", "own.yaml", "--resume"], "step-40/model.safetensors: its SHA-256 is not"),
    ("a flipped byte, measured", flipped, ["evaluate", "runs/own"], "step-40/model.safetensors: its SHA-256 is not"),
    ("a run that exists", nothing, ["train", "own.yaml"], "runs/own exists; go on with --resume, begin anew with --fresh"),
    ("a run that was not measured", nothing, ["scoreboard", "runs/own"], "`duomo evaluate runs/own` writes it"),
    ("another recipe, resumed", nothing, ["train", "own.yaml", "seed=1", "--resume"], "differs from this recipe"),
    ("a fault in a fresh run", nothing, ["train", "own.yaml", "--fresh", renamed("gone.csv")], "gone.csv: no such file or folder"),
]


@pytest.mark.parametrize(("make", "words", "told"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_fault_is_one_line_and_2_and_changes_nothing(
    make: Break, words: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder)
    before = own.tree(folder)
    assert own.duomo(folder, *words) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: ") and err.count("\n") == 1 and told in err, err
    assert not out and own.tree(folder) == before


FULL = "no space left on the disk"


def test_a_full_disk_is_one_line_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        with own.small_disk(tmp_path / "disk", 12 * 4096) as disk:
            own.lay(disk, rows=400)
            before = own.tree(disk)
            for words in (["prepare", "own.yaml"], ["train", "own.yaml", f"data.cache={tmp_path}/cache"]):
                assert own.duomo(disk, *words) == 2
                assert own.tree(disk) == before
                assert [FULL in line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")] == [True]
    except PermissionError as error:
        pytest.skip(f"no small disk can be mounted here, so only files of limited length were tried: {error}")


def test_a_disk_that_fills_while_data_is_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = own.lay(tmp_path)
    before = own.tree(folder)
    with own.short_files(10_000):
        assert own.duomo(folder, "prepare", "own.yaml") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and FULL in err and own.tree(folder) == before


def test_a_disk_that_fills_while_training_harms_no_checkpoint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(own.newest(folder))
    before = own.tree(folder / "runs/own/checkpoints")
    with own.short_files(50_000):
        assert own.duomo(folder, "train", "own.yaml", "--resume") == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("error: runs/own/checkpoints/step-40: ") and FULL in last
    assert own.tree(folder / "runs/own/checkpoints") == before


def test_bad_records_of_a_big_data_set_are_put_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, bad = own.lay(tmp_path, rows=3000), {500: b"what?\n", 1000: b"what?,\n", 1500: b"caf\xe9?,yes\n", 2000: b"a,b,c\n"}
    lines = (folder / "own.csv").read_bytes().splitlines(keepends=True)
    (folder / "own.csv").write_bytes(b"".join(bad.get(number, line) for number, line in enumerate(lines, 1)))
    (folder / "photos").mkdir()
    for number in range(20):
        (folder / f"photos/{number}.png").write_bytes(picture(number)[: 2000 if number == 7 else None])
    (folder / "photos/metadata.csv").write_text("file_name,text\n" + "".join(f"{n}.png,picture {n}\n" for n in range(20)))
    assert own.duomo(folder, "prepare", "own.yaml", "data.files=[{path: own.csv}, {path: photos}]", "--workers", "1") == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("own: 2,996 read; ") and "4 quarantined, the first: own.csv:500: 1 fields where the header has 2" in first
    assert "1 quarantined, the first: photos/metadata.csv:9: photos/7.png: damaged, or not a PNG" in second
    (prepared,) = (folder / "cache/prepared").iterdir()
    with (folder / "own.csv").open(errors="replace") as file:
        good = {row[0] for number, row in enumerate(csv.reader(file), 1) if number not in bad and number > 1}
    kept = "".join(path.read_text() for path in prepared.glob("own/*.jsonl"))
    assert all(question in kept for question in good)


def resumed(folder: Path) -> dict[str, str]:
    """What the run comes to when it goes on."""
    assert own.duomo(folder, "train", "own.yaml", "--resume") == 0
    return own.weights(folder)


@pytest.fixture
def ready(trained: Path, tmp_path: Path) -> Path:
    """A copy of the folder before its training."""
    copy = Path(shutil.copytree(trained, tmp_path / "own"))
    shutil.rmtree(copy / "runs")
    return copy


def test_ctrl_c_saves_and_says_how_to_resume_and_the_end_is_the_same(trained: Path, ready: Path) -> None:
    process = own.start(ready, "train", "own.yaml")
    own.wait_for(lambda: own.steps_logged(ready) >= 3, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    saved = int(own.newest(ready).name[5:])
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == f"interrupted: saved step {saved}; go on with `duomo train own.yaml --resume`"
    assert 3 <= saved < own.STEPS
    assert resumed(ready) == own.weights(trained)
    assert [line["loss"] for line in own.log(ready)] == [line["loss"] for line in own.log(trained)]


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_the_end_is_the_same(trained: Path, ready: Path) -> None:
    process = own.start(ready, "train", "own.yaml")
    own.wait_for(lambda: own.steps_logged(ready) >= 13, process)
    process.kill()
    process.communicate(timeout=120)
    assert int(own.newest(ready).name[5:]) < own.STEPS
    assert resumed(ready) == own.weights(trained)
