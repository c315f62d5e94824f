"""Laws of the tour: every act is shown or left out in one line; what was killed goes on as if it had not been."""

from pathlib import Path

import pytest
import torch

from duomo import recipe as recipes
from duomo.cli import main
from duomo.commands import tour
from duomo.commands.models import keep
from duomo.commands.tour_teach import Control, teaching
from duomo.interchange import Card
from duomo.interchange.format import Outside
from duomo.page.events import Act, Answered, Download, Heard, Killed, LeftOut, Resumed, Shelved, Told, Tried
from duomo.tokenizer import PLAIN
from duomo.vectors_test import RECIPE, Model, redrawn, words
from tests import hearing, own, small

for library in ("jieba", "snowballstemmer", "matplotlib", "sacrebleu", "sklearn"):
    pytest.importorskip(library)

POOL = "The pool closes at six, on Sundays at four.\n"
NOWHERE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PATH": ""}  # nothing can be downloaded here


@pytest.fixture
def away(tmp_path, monkeypatch) -> Path:
    """A user's folder without network: a recipe of a table, and files to be asked."""
    torch.set_num_threads(1)
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(own.ROOT))
    folder = own.lay(tmp_path)
    (folder / "mine").mkdir()
    (folder / "mine" / "house.txt").write_text(POOL, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def lesson(steps: int) -> tour.Lesson:
    """A small lesson that saves every few steps."""
    recipe = recipes.load(Path("own.yaml"))
    made = tour.lesson_of("own.yaml", recipe, None)
    return tour.Lesson(made.name, recipe, (*made.overrides, f"train.steps={steps}"), made.runs)


def test_without_downloads_the_tour_leaves_out_what_wants_them_and_ends_well(away, capfd):
    assert main(["demo", "--teach", "own.yaml", "--folder", "mine", "--no-page"]) == 0
    out = capfd.readouterr().out
    for name in ("whisper-base", "e5", "smollm2"):
        assert f"left out: {name}: " in out
    assert "1 files, 1 passages: can be asked by words" in out and "nothing in these files answers this" in out
    assert "at step 40: " in out and "exact match" in out and "nearest training question" in out
    assert "What this can not do" in out and 'OpenAI(base_url="http://127.0.0.1:8000/v1"' in out
    assert Path("runs/own/report.html").is_file() and "\x1b" not in out
    assert main(["answer", "when does the pool close?", "--in", "tour"]) == 0
    assert capfd.readouterr().out.startswith(POOL.strip())


def test_a_folder_that_is_not_there_is_refused_before_anything_begins(away, capfd):
    assert main(["demo", "--no-page", "--teach", "own.yaml", "--folder", "mnie"]) == 2
    said = capfd.readouterr()
    assert said.err.strip() == "error: --folder mnie: no such folder; name one that holds your files" and not said.out


def test_a_sample_that_can_not_be_had_is_one_line_a_source(away):
    events = list(tour.shelf(tour.Wanted(lesson(20))))
    assert [event.number for event in events if isinstance(event, Act)] == [1], "there is nothing to ask"
    assert {"asterisk", "wiki", "digits", "the shelf"} <= {event.what for event in events if isinstance(event, LeftOut)}
    assert all("\n" not in event.why for event in events if isinstance(event, LeftOut))


def test_a_recipe_whose_sources_can_not_be_had_is_left_out(away):
    recipe = recipes.load(own.ROOT / "recipes" / "tiny.yaml")
    events = list(tour.lesson(tour.lesson_of("tiny", recipe, None), Control(look=0.05)))
    assert [event.number for event in events if isinstance(event, Act)] == [3]
    assert any(event.what == "the training" and "digits" in event.why for event in events if isinstance(event, LeftOut))
    assert [event.title for event in events if isinstance(event, Told)] and not Path("runs").exists()


def test_a_killed_training_goes_on_from_its_last_checkpoint_with_the_same_losses(away):
    given = lesson(4000)
    control, seen = Control(look=0.02, every=0.1), []
    for event in teaching(given, control):
        seen.append(event)
        if isinstance(event, Resumed):
            control.stop.set()
    killed, resumed = (next(event for event in seen if isinstance(event, kind)) for kind in (Killed, Resumed))
    assert killed.kept == resumed.first and killed.kept < killed.step
    assert {step for step, _, _ in resumed.losses} == set(range(killed.kept + 1, killed.step + 1))
    assert resumed.exact, resumed.losses
    assert len([event for event in seen if isinstance(event, Tried)]) >= 2
    assert isinstance(seen[-1], LeftOut) and "--resume` goes on" in seen[-1].why


def test_small_models_hear_and_shelve_and_what_is_there_is_not_fetched(away):
    models = Path("cache", "models")
    card = Card("small", prefixes={"query": "query: ", "passage": "passage: "}, longest=12)
    keep(Outside(RECIPE, redrawn(Model(RECIPE, {})).state_dict(), words(), "bert", card), models / "e5")
    ears = hearing.whisper()
    keep(Outside(ears.recipe, ears.state_dict(), hearing.tokenizer(), PLAIN, Card("Whisper")), models / "whisper-base")
    Path("mine", "talk.wav").write_bytes(small.media("audio", 3))
    events = list(tour.shelf(tour.Wanted(lesson(20), Path("mine"))))
    assert all(event.here for event in events if isinstance(event, Download) and event.name in ("e5", "whisper-base"))
    assert [event.file.name for event in events if isinstance(event, Heard)] == ["talk.wav"]
    grown = [event for event in events if isinstance(event, Shelved)]
    assert grown[0].vectors == 0 and grown[-1].vectors == grown[-1].passages > 0
    assert [event.quote for event in events if isinstance(event, Answered)] == [""]
