"""Laws of asking: what is composed, what is told, and that files reach the model."""

from pathlib import Path

import pytest
import torch

from duomo import checkpoint, cli, load
from duomo import recipe as recipes
from duomo.commands import ask
from duomo.commands.ask import Assistant, compose, options
from duomo.generate import Sampling
from duomo.recipe import Recipe
from duomo.sample import Part, Sample, text
from duomo.sample import ask as question_of
from tests.small import media, model, model_recipe, redrawn, tokenizer

FILES = {"image": "x.png", "audio": "x.wav", "video": "x.mp4"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of random weights that has every sense."""
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("runs") / "x"
    recipe = Recipe(name="x", model=model_recipe())
    checkpoint.save(made / "checkpoints" / "step-1", redrawn(model(recipe.model)), None, {})
    recipes.save(recipe, made / "recipe.json")
    tokenizer().save(made / "tokenizer.json")
    for number, (kind, name) in enumerate(FILES.items()):
        (made / name).write_bytes(media(kind, number))
    return made


@pytest.fixture(scope="module")
def assistant(folder: Path) -> Assistant:
    return load(folder).sampled(max_tokens=12)


def test_files_stand_before_the_words_in_their_order() -> None:
    sample = compose("which is larger?", [("image", "a.png"), ("image", b"b"), ("audio", Path("c.wav"))])
    assert [message.role for message in sample.messages] == ["user"]
    assert sample.messages[0].parts == (Part("image", "a.png"), Part("image", b"b"), Part("audio", "c.wav"), text("which is larger?"))


def test_a_question_may_be_spoken_but_not_missing() -> None:
    assert compose("", [("audio", "a.wav")]).messages[0].parts == (Part("audio", "a.wav"),)
    with pytest.raises(ValueError, match="ask something"):
        compose("", [])


@pytest.mark.parametrize("kind", FILES)
def test_paths_and_bytes_are_answered_alike_and_in_pieces(assistant: Assistant, folder: Path, kind: str) -> None:
    path = folder / FILES[kind]
    said = assistant.ask("what is this?", **{kind: path})
    again = [assistant.ask("what is this?", **{kind: given}) for given in (path.read_bytes(), str(path), [str(path)])]
    assert said and again == [said] * 3
    assert "".join(assistant.stream("what is this?", **{kind: path})) == said


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_and_a_broken_file_are_named_in_one_line(folder: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture) -> None:
    broken, missing = tmp_path / f"broken-{FILES[kind]}", tmp_path / f"missing-{FILES[kind]}"
    broken.write_bytes(b"this is text")
    for path in (broken, missing):
        assert cli.main(["ask", str(folder), "what is this?", f"--{kind}", str(path)]) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith(f"error: {path}: ") and told.err.count("\n") == 1


def test_the_command_line_asks_as_the_face_does(folder: Path, assistant: Assistant, capsys: pytest.CaptureFixture) -> None:
    words = ["what", "is", "this?", "--image", str(folder / "x.png"), "--max-tokens", "12"]
    assert cli.main(["ask", str(folder), *words]) == 0
    assert capsys.readouterr().out == assistant.ask("what is this?", image=folder / "x.png") + "\n"
    (example,) = ask.run(folder, "what?", [("audio", str(folder / "x.wav"))]).examples
    assert example.media == (("audio", str(folder / "x.wav")),)


def test_choices_of_sampling_stand_among_the_files() -> None:
    pairs = [("image", "x.png"), ("temperature", "0.5"), ("max-tokens", "9"), ("stop", "."), ("stop", "。")]
    assert options(pairs) == ((("image", "x.png"),), Sampling(max_tokens=9, temperature=0.5, stop=(".", "。")))
    for pair, mend in ((("top_k", "a"), "--top_k needs a whole number, not 'a'"), (("top-p", "2"), "top_p is between 0 and 1, not 2")):
        with pytest.raises(ValueError, match=mend):
            options([pair])


def test_what_the_model_lacks_is_told(assistant: Assistant) -> None:
    with pytest.raises(ValueError, match=r"has no sense 'images'; did you mean 'image'\?"):
        assistant.ask("what is this?", images=b"x")
    with pytest.raises(ValueError, match="no transcription in 'english'"):
        assistant.transcribe(b"x", "english")
    with pytest.raises(ValueError, match=r"no choice of sampling 'temprature'; did you mean 'temperature'\?"):
        assistant.sampled(temprature=1)


def test_a_recording_is_transcribed_by_the_question_that_was_learned(assistant: Assistant, folder: Path) -> None:
    assert assistant.transcribe(folder / "x.wav", "zh") == assistant.ask("写下来", audio=folder / "x.wav")


def test_samples_with_and_without_choices_keep_their_order(assistant: Assistant) -> None:
    free, ranked = question_of("a"), question_of("which letter?", choices=("a", "b"))
    one, two, three = assistant.answer([ranked, free, ranked])
    assert one == three and one in ranked.choices and two == assistant.ask("a")


def test_a_reader_of_text_alone_names_its_run() -> None:
    alone = Recipe(name="x", model=model_recipe(senses=()))
    assistant = Assistant(checkpoint.Run(Path("runs/x"), alone, tokenizer(), model(alone.model), 0))
    with pytest.raises(ValueError, match="runs/x has no sense 'image'"):
        assistant.ask("what is this?", image=b"x")
    assert isinstance(assistant.answer([Sample(compose("a", []).messages)])[0], str)
