"""The command line: what help shows and costs, and how every fault ends."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from duomo import cli
from duomo.cli import faults, use
from duomo.cli.serving import SPIN
from tests import own

VERBS = "demo fetch sources import export prepare merge tokenizer train evaluate ask chat scoreboard compare lineage data".split()
INNER = (["tokenizer", "learn"], ["tokenizer", "show"], ["data", "show"], ["data", "check"])


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def seconds(code: str, tries: int = 5) -> float:
    """Processor seconds of a new Python that runs `code`: the least of several, for other work may share the machine."""
    return min(_seconds(code) for _ in range(tries))


def _seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert python(code).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_shows_every_verb_with_one_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n│ {verb} " in shown for verb in VERBS)
    assert shown.count("duomo ") >= len(VERBS)
    assert all(panel in shown for panel in ("Start here", "Learn from your data", "Use a model", "Look closely"))


@pytest.mark.parametrize("words", [*([verb] for verb in VERBS), *INNER], ids=" ".join)
def test_every_verb_has_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"duomo {' '.join(words)}" in shown
    assert "Example:" in shown or len(words) == 1


def test_no_words_are_a_call_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "Usage: duomo" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "duomo 0.1.0\n"


PROBE = "import sys; from duomo.cli import main; main(['--help']); assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)"


def test_help_imports_no_torch_and_comes_at_once() -> None:
    probe = python(PROBE)
    assert probe.returncode == 0, probe.stderr
    assert seconds("from duomo.cli import main; main(['--help'])") < 0.5


def test_the_python_face_imports_no_torch_and_comes_at_once() -> None:
    assert python("import sys, duomo; duomo.load; assert 'torch' not in sys.modules").returncode == 0
    assert seconds("import duomo") < 0.15


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["trian", "tiny"], "Did you mean 'train'?"),
        (["train"], "Missing argument 'RECIPE'"),
        (["train", "tiny", "--resum"], "--resum"),
        (["train", "no-such-recipe"], "no-such-recipe: no such recipe"),
        (["ask", "runs/no-such-run", "why?"], "runs/no-such-run: no such model"),
        (["chat", "."], ".: holds no model"),
        (["lineage", "no-such-run"], "no-such-run: no such model"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(
    words: list[str], mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ") and err.count("\n") == 1 and mend in err


FULL = "no space left on the disk; free some, or keep data.cache and runs on another disk"


def one_verb(act: Callable[[], object]) -> typer.Typer:
    program = typer.Typer()
    program.callback()(lambda: None)

    @program.command()
    def act_now() -> None:
        act()

    return program


def fail(error: BaseException) -> typer.Typer:
    def act() -> None:
        raise error

    return one_verb(act)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("x.csv:3: no such column"), "error: x.csv:3: no such column\n"),
        (ValueError("a.yaml: one\na.yaml: two"), "error: a.yaml: one\nerror: a.yaml: two\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.png"), "error: x.png: no such file or directory\n"),
        (OSError(errno.ENOSPC, "…", "x"), f"error: x: {FULL}\n"),
        (OSError(errno.EDQUOT, "…"), f"error: {FULL}\n"),
        (PermissionError(errno.EACCES, "…", "x"), "error: x: permission denied; change its rights, or work in another folder\n"),
        (ImportError("mp3 needs av: pip install 'duomo[media]'"), "error: mp3 needs av: pip install 'duomo[media]'\n"),
        (ModuleNotFoundError("No module named 'av'", name="av"), "error: No module named 'av'; install it: pip install 'duomo[demo]'\n"),
    ],
)
def test_what_a_user_can_mend_is_one_line_a_fault_and_2(error: Exception, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.run(fail(error), ["act-now"]) == 2
    assert capsys.readouterr() == ("", line)


def test_debug_shows_where_it_came_from() -> None:
    with pytest.raises(ValueError, match="deep"):
        faults.run(fail(ValueError("deep")), ["act-now", "--debug"])


def test_a_fault_of_our_own_is_not_hidden() -> None:
    for error in (TypeError("bug"), ImportError("cannot import name", name="duomo.model")):
        with pytest.raises(type(error)):
            faults.run(fail(error), ["act-now"])


def test_ctrl_c_is_130_and_passes_on_how_to_resume(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.run(fail(KeyboardInterrupt("saved step 7; go on with `duomo train tiny --resume`")), ["act-now"]) == 130
    assert capsys.readouterr().err == "interrupted: saved step 7; go on with `duomo train tiny --resume`\n"
    assert faults.run(fail(KeyboardInterrupt()), ["act-now"]) == 130
    assert capsys.readouterr().err.startswith("interrupted: ")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    piped = f"{sys.executable} -c 'import sys; from duomo.cli import main; sys.exit(main())' | head -c 1"
    ended = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ([], ("", [])),
        (["what", "is", "this?"], ("what is this?", [])),
        (["what?", "--image", "a.png", "--image=b.png"], ("what?", [("image", "a.png"), ("image", "b.png")])),
        (["--audio", "a.wav"], ("", [("audio", "a.wav")])),
    ],
)
def test_a_question_is_read_with_its_files(words: list[str], read: tuple[str, list[tuple[str, str]]]) -> None:
    assert use.read_question(words) == read


def test_a_sense_without_its_file_is_told() -> None:
    with pytest.raises(ValueError, match="--image needs a file"):
        use.read_question(["what?", "--image"])


WAY = [  # of one's own data through every verb; "own" is trained
    ("prepare own.yaml --workers 1", "own: 150 read; "),
    ("data check own.csv --format csv", "own.csv: no fault"),
    ("data show own.yaml -n 2", "own 2: "),
    ("data show own.csv -n 1 question=answer answer=question", "own.csv 1: "),
    ("train own.yaml name=other train.steps=2 train.start_from=runs/own", "runs/other: 2 steps"),
    ("ask runs/own number? --max-tokens 3", ""),
    ("lineage own", "own.csv"),
    ("tokenizer learn own.yaml", " tokens; on held-out text:"),
    ("tokenizer show own 你好", "tokens"),
    ("evaluate runs/own --workers 1", "exact match"),
    ("evaluate other --workers 1 evaluate.samples=4", "exact match"),
    ("scoreboard runs/own runs/other/report.json --markdown", "| run | task |"),
    ("sources", "hsk"),
]


def test_ones_own_data_goes_through_every_verb(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, shown in WAY:
        assert own.duomo(folder, *words.split()) == 0, (words, capsys.readouterr())
        assert shown in capsys.readouterr().out, words


def test_threads_are_told_how_to_wait_before_torch_is_there_and_a_users_own_choice_stays():
    code = "import os, sys, duomo.cli\nfrom duomo.cli.serving import wait_briefly\nwait_briefly()\n"
    code += "print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    given = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for chosen, wanted in (({}, f"{SPIN} False"), ({"GOMP_SPINCOUNT": "7"}, "7 False")):
        said = subprocess.run([sys.executable, "-c", code], env=given | chosen, capture_output=True, text=True, check=True).stdout
        assert said.strip() == wanted
