"""The living article lives: what it shows is run and prints what stands there, in both languages, and its pictures are drawn from the code.

A block of bash or Python with the title "run" is run, all of a page in one folder, from top to bottom; a block "text" right behind it is
its output, with … for anything. Other commands are only held to the verbs, options, recipes and sources that there are.
"""

import contextlib
import glob
import io
import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from typer.core import TyperGroup
from typer.main import get_command

from duomo.cli import app
from duomo.cli.faults import explain
from duomo.commands.resolve import resolve_recipe
from duomo.recipe import load
from duomo.sources import SOURCES
from tests import own
from tests.diagrams import DOCS, PICTURES

CHINESE, ENGLISH = DOCS / "zh" / "article.md", DOCS / "article.md"
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ' title="run"'
INLINE = re.compile(r"`(duomo \w[^`…]*)`")
OWN = "mine.yaml"  # a reader's own recipe
both = pytest.mark.parametrize("page", [CHINESE, ENGLISH], ids=["zh", "en"])


@dataclass(frozen=True)
class Step:
    """A block that is run, and what is to come of it; None: whatever comes."""

    language: str
    code: str
    shown: str | None


def blocks(page: Path) -> list[tuple[str, str, bool]]:
    """What the fences of a page say, what stands in them, and whether only white space stands before."""
    text, found, end = page.read_text(encoding="utf-8"), list[tuple[str, str, bool]](), 0
    for fence in FENCE.finditer(text):
        found.append((fence[1], fence[2], not text[end : fence.start()].strip()))
        end = fence.end()
    return found


def steps(page: Path) -> Iterator[Step]:
    """The blocks that are run, in their order."""
    for (info, code, _), (following, shown, close) in itertools.pairwise([*blocks(page), ("", "", False)]):
        if info.endswith(RUN):
            yield Step(info.removesuffix(RUN), code, shown if following == "text" and close else None)


def commands(page: Path) -> list[list[str]]:
    """The words of every command that is shown and not run: in blocks, and within the text."""
    lines = [line for info, code, _ in blocks(page) if info == "bash" for line in code.replace("\\\n", " ").splitlines()]
    lines += INLINE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    words = [shlex.split(line, comments=True) for line in lines]
    return [list(part) for line in words for mark, part in itertools.groupby(line, lambda word: word == "&&") if not mark]


def run(step: Step, folder: Path) -> str:
    """What a block prints. Lines of `duomo` go through the command line of this process, all else through a shell."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if step.language == "python":
            with own.inside(folder):
                exec(compile(step.code, "article.md", "exec"), {"__name__": "article"})
            return out.getvalue()
        for ours, lines in itertools.groupby(step.code.splitlines(), lambda line: line.startswith("duomo ")):
            if not ours:
                print(shell("\n".join(lines), folder), end="")
                continue
            for line in lines:
                code = own.duomo(folder, *expanded(line, folder))
                assert code == 0, f"{line}: exit code {code}"
    return out.getvalue()


def shell(lines: str, folder: Path) -> str:
    """What a shell prints to these lines."""
    done = subprocess.run(["sh", "-e", "-c", lines], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{lines}: {done.stderr}"
    return done.stdout


def expanded(line: str, folder: Path) -> list[str]:
    """The words after `duomo`; one with a star is the files that it fits."""
    words = shlex.split(line, comments=True)[1:]
    return [found for word in words for found in (sorted(glob.glob(word, root_dir=folder)) if "*" in word else [word])]


def fits(shown: str, printed: str) -> bool:
    """Whether a text is what is shown of it: … stands for anything within a line, alone for any number of lines."""
    lines = [line.rstrip() for line in shown.splitlines()]
    pattern = "".join("(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + "\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed.splitlines())) is not None


def fault(words: list[str]) -> str:
    """What is wrong with a command line; "" where it can be run."""
    if words[0] == "make":
        targets = re.findall(r"^(\w+):", (DOCS.parent / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return "" if words[1] in targets else f"no target {words[1]}"
    if words[0] == "pip":
        extras = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        return "" if set(re.findall(r"\w+(?=[,\]])", words[-1])) <= extras.keys() else f"no extra of {words[-1]}"
    return fault_of_verb(words[1:]) if words[0] == "duomo" else ""


def fault_of_verb(words: list[str]) -> str:
    """What is wrong behind `duomo`: the verb, its options, the recipe, its keys, the source."""
    command = get_command(app)
    while isinstance(command, TyperGroup):
        if not words or words[0] not in command.commands:
            return f"no verb {words[:1]}"
        name, words = words[0], words[1:]
        command = command.commands[name]
    if not words:
        return ""  # the verb alone is named
    try:
        given = command.make_context(name, list(words)).params
        if name in ("train", "demo", "prepare") and given["recipe"] != OWN:
            load(resolve_recipe(given["recipe"]), given["overrides"] or ())
    except Exception as error:  # the parser's own class is not public
        return "; ".join(explain(error)) or repr(error)
    return ", ".join(f"no source {name}" for name in given.get("names") or () if name not in SOURCES)


@pytest.fixture
def one_thread(monkeypatch):
    """As a user with OMP_NUM_THREADS=1."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_what_is_shown_is_what_comes(tmp_path, one_thread):
    printed = [(step, run(step, tmp_path)) for step in steps(CHINESE)]
    wrong = [f"{step.code}shows\n{step.shown}and prints\n{came}" for step, came in printed if step.shown and not fits(step.shown, came)]
    assert not wrong, "\n".join(wrong)


def test_both_languages_hold_the_same_commands():
    ours, theirs = (list(steps(page)) for page in (CHINESE, ENGLISH))
    assert ours == theirs and len(ours) > 10
    assert [words for words in commands(CHINESE) if words[0] != "duomo"] == [words for words in commands(ENGLISH) if words[0] != "duomo"]
    verbs = [[words[1] for words in commands(page) if words[0] == "duomo"] for page in (CHINESE, ENGLISH)]
    assert verbs[0] == verbs[1]


@both
def test_every_command_can_be_run(page):
    faults = {" ".join(words): found for words in commands(page) if (found := fault(words))}
    assert not faults and sum(words[0] == "duomo" for words in commands(page)) > 30


@both
def test_thirteen_topics_stand_in_their_order(page):
    numbers = re.findall(r"^## (\d+) ", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 14)]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_drawn_from_the_code(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PICTURES[name](), "draw it anew: python -m tests.diagrams"


@both
def test_pictures_that_are_drawn_are_shown(page):
    assert set(re.findall(r"\((?:\.\./)?(\w+\.svg)\)", page.read_text(encoding="utf-8"))) == set(PICTURES)


def test_a_wrong_output_is_found():
    assert fits("a … c\n…\nd", "a b c\n1\n2\nd\n") and fits("…\nd", "d\n") and fits("1.5 [x]", "1.5 [x]\n")
    assert not fits("a … c", "a b d\n") and not fits("a", "a\nb\n") and not fits("1.5", "1x5\n") and not fits("a … c", "a\nc\n")


def test_a_wrong_block_is_found(tmp_path):
    assert run(Step("bash", 'echo "one" > a.txt\ncat a.txt\nduomo --version\n', None), tmp_path).startswith("one\nduomo ")
    for wrong in ("duomo data check gone.csv", "cat gone.txt"):
        with pytest.raises(AssertionError, match="gone"):
            run(Step("bash", wrong, None), tmp_path)


WRONG = (
    "duomo trian x",
    "duomo data chek x",
    "duomo translate runs/x text",
    "duomo chat runs/x --loud",
    "duomo train no-such-recipe",
    "duomo train tiny train.stps=1",
    "duomo fetch hks",
    "make tee",
    "pip install '.[dmo]'",
)


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_is_found(line):
    assert fault(shlex.split(line))
