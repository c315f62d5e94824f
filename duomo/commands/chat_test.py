"""Laws of a talk: what the model reads of it, and what commands do."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from duomo import checkpoint, cli
from duomo import recipe as recipes
from duomo.commands.chat import Talk, about, command, harmless, remembering, talk, trimmed
from duomo.data.render import render
from duomo.generate import Sampling, Speaker
from duomo.interchange import Card
from duomo.recipe import Recipe
from duomo.sample import Message, Part, Sample, text
from tests.small import CUTS, media, model, model_recipe, redrawn, tokenizer


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    torch.set_num_threads(1)
    return Speaker(redrawn(model(model_recipe())), tokenizer(), sampling=Sampling(max_tokens=8), cutter=remembering())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a picture.png"
    path.write_bytes(media("image", 1))
    return path


def talked(speaker: Speaker, *lines: str) -> list[str]:
    """What is said, whole lines of the terminal."""
    said: list[str] = []
    talk(speaker, lines, said.append)
    return "".join(said).split("\n")[:-1]


def user(words: str) -> Message:
    return Message("user", (text(words),))


def assistant(words: str) -> Message:
    return Message("assistant", (text(words),))


def test_every_answer_follows_from_all_that_was_said(speaker: Speaker) -> None:
    first = speaker.answer([Sample((user("what?"),))])[0].text
    second = speaker.answer([Sample((user("what?"), assistant(first), user("why?")))])[0].text
    assert "".join(f"{words}\n" for words in (first, second)) == "\n".join([*talked(speaker, "what?", "", "why?\n"), ""])


def test_a_file_goes_with_the_next_words(speaker: Speaker, picture: Path) -> None:
    shown = Message("user", (Part("image", str(picture)), text("what?")))
    assert "\n".join(talked(speaker, f"/image {picture}", "what?")) == speaker.answer([Sample((shown,))])[0].text
    alone = Message("user", (Part("image", str(picture)),))
    assert "\n".join(talked(speaker, f'/image "{picture}"', "")) == speaker.answer([Sample((alone,))])[0].text


def test_reset_forgets_and_quit_ends(speaker: Speaker) -> None:
    once = talked(speaker, "what?")
    assert talked(speaker, "why?", "/reset", "what?")[-len(once) :] == once
    assert talked(speaker, "what?", "/quit", "what?") == once
    assert talk(speaker, ["what?", "/exit"], lambda words: None) == 1


def test_faults_are_told_in_one_line_and_the_talk_goes_on(speaker: Speaker, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    lines = ("/imge x.png", "/image", f"/image {tmp_path / 'y.png'}", f"/image {tmp_path / 'x.png'}", "/help", "书" * 300, "what?")
    told = talked(speaker, *lines)
    assert told[0] == "no command /imge; did you mean 'image'?"
    assert told[1] == "/image needs a file, as in /image FILE"
    assert told[2].endswith("y.png: no such image file; check the path") and "x.png: damaged" in told[3]
    assert "/audio FILE" in told[4] and "/quit" in told[4]
    assert "the model reads 256 at most" in told[5] and "\n".join(told[6:]) == "\n".join(talked(speaker, "what?"))


def test_only_whole_turns_are_forgotten_and_as_few_as_needed(speaker: Speaker) -> None:
    turns = [message for n in range(30) for message in (user(f"which letter is it? {n}"), assistant("the cat sat"))]
    kept = trimmed((*turns, user("why?")), speaker)
    assert kept[0].role == "user" and kept == (*turns, user("why?"))[-len(kept) :] and 3 < len(kept) < 61
    more = (*turns, user("why?"))[-len(kept) - 2 :]
    assert speaker.length(Sample(kept)) <= speaker.room < speaker.length(Sample(more))
    assert trimmed((user("书" * 300),), speaker) == (user("书" * 300),)


def test_what_was_cut_is_remembered(picture: Path) -> None:
    cutter, part = remembering(), Part("image", str(picture))
    cut = cutter(part, CUTS, Path())
    picture.unlink()
    assert cutter(part, CUTS, Path()) is cut


def test_an_answer_can_not_steer_the_terminal() -> None:
    assert harmless("你好,\tworld\n\x1b[31m\r\x07!") == "你好,\tworld\n[31m!"


def test_commands_leave_the_talk_before_them_as_it_was(speaker: Speaker, picture: Path) -> None:
    before = Talk((user("a"), assistant("b")))
    after = command(before, f"/image {picture}", speaker, lambda words: None)
    assert after == replace(before, pending=(Part("image", str(picture)),)) and before.pending == ()


def test_a_pipe_gives_one_answer_a_line(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    recipe, folder = Recipe(name="x", model=model_recipe()), tmp_path / "x"
    checkpoint.save(folder / "checkpoints" / "step-1", speaker.model, None, {})
    recipes.save(recipe, folder / "recipe.json")
    tokenizer().save(folder / "tokenizer.json")
    monkeypatch.setattr("sys.stdin", io.StringIO("what?\n/quit\n"))
    assert cli.main(["chat", str(folder)]) == 0
    wanted = replace(speaker, sampling=Sampling(max_tokens=128)).answer([Sample((user("what?"),))])[0].text
    assert capsys.readouterr().out == wanted + "\n"


def test_what_a_user_should_know_is_said_of_imported_models_only() -> None:
    assert about(Card("Small", "MIT", ("en",), "of few facts")) == ["Small: licence MIT; English only; of few facts"]
    assert about(Card("Small", languages=("en", "zh"))) == ["Small: English, Chinese"]
    assert about(Card("\x1b[31mSmall", "MIT")) == ["[31mSmall: licence MIT"]
    assert about(Card("runs/mine")) == []


def test_the_system_message_stays_when_turns_are_forgotten(speaker: Speaker) -> None:
    told = replace(speaker, tokenizer=speaker.tokenizer.introduced("the cat sat on the mat"))
    talk = (user("one"), assistant("two"), user("three"))
    assert told.length(Sample(trimmed(talk, told))) > speaker.length(Sample(talk)) > speaker.length(Sample((talk[-1],)))


def test_a_long_talk_is_read_in_whole_turns_behind_its_system_message(speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    told = replace(speaker, tokenizer=speaker.tokenizer.introduced("the cat sat on the mat"))
    read = list[Sample]()
    stream = Speaker.stream

    def heard(self: Speaker, sample: Sample) -> Iterator[str]:
        read.append(sample)
        return stream(self, sample)

    monkeypatch.setattr(Speaker, "stream", heard)
    lines = [f"which letter is it? {n}" for n in range(20)]
    talk(told, lines, lambda words: None)
    system = render(Sample((Message("system", (text("the cat sat on the mat"),)),)), speaker.tokenizer, {}, Path()).ids
    for number, sample in enumerate(read):
        asked = [message.text for message in sample.messages if message.role == "user"]
        assert asked == lines[number + 1 - len(asked) : number + 1]  # the latest, each of them whole
        assert [message.role for message in sample.messages] == ["user", "assistant"] * (len(asked) - 1) + ["user"]
        ids = render(sample, told.tokenizer, {}, Path(), answer=False).ids
        assert ids[: len(system)] == system and len(ids) <= told.room
    kept = [len(sample.messages) for sample in read]
    assert kept[:3] == [1, 3, 5] and 3 < kept[-1] < 39  # at first nothing is forgotten, at last the oldest


def test_a_message_that_is_too_long_alone_is_refused_in_one_line_and_forgets_nothing(speaker: Speaker) -> None:
    once, twice = (talked(speaker, *lines) for lines in (("what?", "why?"), ("what?", "书" * 300, "why?")))
    refusal = [line for line in twice if "the model reads 256 at most" in line]
    assert len(refusal) == 1 and [line for line in twice if line not in refusal] == once
