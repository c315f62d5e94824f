"""Laws of transcribing: files and folders in, texts and subtitles out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from duomo import checkpoint, load
from duomo import recipe as recipes
from duomo.cli import main
from duomo.commands import chat
from duomo.commands import transcribe as command
from duomo.commands.models import keep
from duomo.commands.subtitles import FORMATS, srt, vtt
from duomo.commands.transcribe import Choices, outputs, recordings
from duomo.generate.transcript import Piece, Transcript
from duomo.interchange.families.whisper import PLACEHOLDER
from duomo.interchange.format import Card, Outside
from duomo.recipe import Recipe
from duomo.tokenizer import PLAIN
from tests import small
from tests.hearing import tokenizer, whisper

SAID = Transcript((Piece(0.0, 1.5, " Hello <b> & all.", -0.25), Piece(3661.25, 3662.0, " 1 --> 2\n3")), "en", 3662.0)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper and a run of random weights, and recordings."""
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("shelf")
    keep(Outside(whisper().recipe, whisper().state_dict(), tokenizer(), PLAIN, Card("Whisper")), made / "whisper")
    recipe = Recipe(name="own", model=small.model_recipe(senses=("audio",)))
    checkpoint.save(made / "own" / "checkpoints" / "step-1", small.redrawn(small.model(recipe.model)), None, {})
    recipes.save(recipe, made / "own" / "recipe.json")
    small.tokenizer().save(made / "own" / "tokenizer.json")
    for number, name in enumerate(("a.wav", "b.wav", "more/c.WAV")):
        (made / "sound" / name).parent.mkdir(parents=True, exist_ok=True)
        (made / "sound" / name).write_bytes(small.media("audio", 12 * number))
    (made / "sound" / "notes.txt").write_text("no sound")
    return made


@pytest.mark.parametrize("model", ["whisper", "own"])
def test_a_folder_becomes_files_of_every_form(shelf: Path, tmp_path: Path, model: str) -> None:
    report = command.run(shelf / model, [shelf / "sound"], Choices("en", forms=tuple(FORMATS), out=tmp_path))
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert written == sorted(f"{name}.{form}" for name in ("a", "b", "more/c") for form in FORMATS)
    assert len(report.lines) == 12 and report.facts["files"] == 3
    for name in ("a", "b", "more/c"):
        told = json.loads((tmp_path / f"{name}.json").read_text())
        assert told["language"] == "en" and 0.1 < told["seconds"] < 1
        assert all(0 <= one["start"] <= one["end"] <= told["seconds"] + 0.01 for one in told["segments"])


@pytest.mark.parametrize("model", ["whisper", "own"])
def test_the_python_face_says_what_the_command_says(shelf: Path, model: str) -> None:
    path = shelf / "sound" / "b.wav"
    report = command.run(shelf / model, [path], Choices("en", batch=1))
    assert (
        load(shelf / model).transcribe(path, "en")
        == load(shelf / model).transcribe(path.read_bytes(), "en")
        == report.facts["recordings"][0]["text"]
    )


def test_the_command_line_prints_the_text(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["transcribe", "--model", str(shelf / "whisper"), "--language", "zh", str(shelf / "sound" / "a.wav")]
    assert main([*words, "--to", "vtt"]) == 0
    assert capsys.readouterr().out.startswith("WEBVTT\n")
    assert main([*words, str(shelf / "sound" / "b.wav")]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.endswith(".wav:")] == [f"{shelf}/sound/{n}.wav:" for n in "ab"]


@pytest.mark.parametrize(
    ("model", "choices", "told"),
    [
        ("whisper", Choices("en", forms=("sub",)), "no output form 'sub'"),
        ("whisper", Choices("zn"), "no language 'zn'; did you mean 'zh'"),
        ("own", Choices("fr"), "no transcription in 'fr'"),
        ("own", Choices(translate=True), "it translates no speech"),
    ],
)
def test_what_can_not_be_done_is_told(shelf: Path, model: str, choices: Choices, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        command.run(shelf / model, [shelf / "sound" / "a.wav"], choices)


def test_a_whisper_answers_no_questions(shelf: Path) -> None:
    for asked in (lambda: load(shelf / "whisper").ask("what is this?"), lambda: chat.run(shelf / "whisper")):
        with pytest.raises(ValueError, match="answers no questions"):
            asked()


def test_paths_without_sound_are_told(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.wav: no such file or folder"):
        recordings([tmp_path / "missing.wav"])
    with pytest.raises(ValueError, match="holds no recording"):
        recordings([tmp_path])
    (tmp_path / "x.wav").write_bytes(b"RIFF no sound")
    with pytest.raises(ValueError, match=r"x\.wav: damaged"):
        command.run(shelf / "whisper", [tmp_path / "x.wav"], Choices("en"))
    report = command.run(shelf / "whisper", [tmp_path / "x.wav", shelf / "sound" / "a.wav"], Choices("en"))
    assert "x.wav: damaged" in report.lines[-1] and len(report.facts["recordings"]) == 2


def test_no_file_is_written_over_another(shelf: Path, tmp_path: Path) -> None:
    files = {Path("a/x.wav"): Path("x.wav"), Path("b/x.mp3"): Path("x.mp3")}
    with pytest.raises(ValueError, match="would both be written"):
        outputs(files, Choices(out=tmp_path))
    assert outputs(files, Choices()) == [{}, {}]


def test_a_whisper_says_where_it_is_put(shelf: Path) -> None:
    assert load(shelf / "whisper").run.model.placeholder == {"audio": tokenizer().special[PLACEHOLDER]}


def test_subtitles_have_the_form_of_their_players() -> None:
    assert srt(SAID) == "1\n00:00:00,000 --> 00:00:01,500\nHello <b> & all.\n\n2\n01:01:01,250 --> 01:01:02,000\n1 -> 2 3\n"
    assert vtt(SAID).split("\n\n")[1:] == [
        "00:00:00.000 --> 00:00:01.500\nHello &lt;b&gt; &amp; all.",
        "01:01:01.250 --> 01:01:02.000\n1 -&gt; 2 3\n",
    ]
    told = json.loads(FORMATS["json"](replace(SAID, fault="x")))
    assert told["fault"] == "x" and told["segments"][0] == {
        "start": 0.0,
        "end": 1.5,
        "text": "Hello <b> & all.",
        "mean_log_probability": -0.25,
    }
