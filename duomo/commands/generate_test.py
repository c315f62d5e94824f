"""Laws of `duomo generate`: what is printed is what the model writes; what can not be continued is refused in one line."""

import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from duomo import checkpoint, load
from duomo import recipe as recipes
from duomo.batch import Batch
from duomo.cli import main
from duomo.commands.describe_test import lay
from duomo.commands.engines import Speed, engine_of
from duomo.commands.generate import as_json, beginning_of, run, told
from duomo.commands.models import keep, open_model
from duomo.data import collate
from duomo.data.render import Rendered
from duomo.generate import Sampling
from duomo.generate.continued import Continued
from duomo.generate.engine import Borrowed
from duomo.generate.reader import Reader
from duomo.interchange.format import Card, Outside
from duomo.recipe import Recipe
from duomo.tokenizer import PLAIN
from tests import small
from tests.hearing import tokenizer as hearing
from tests.hearing import whisper

GREEDY = Sampling(max_tokens=12)
BEGINNING = "I love to read"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that writes, and two that do not."""
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("runs")
    lay(made, "writer", senses=())
    recipe = Recipe(name="encoder", model=small.model_recipe("encoder", senses=()))
    checkpoint.save(made / "encoder" / "checkpoints" / "step-1", small.redrawn(small.model(recipe.model)), None, {})
    recipes.save(recipe, made / "encoder" / "recipe.json")
    small.tokenizer().save(made / "encoder" / "tokenizer.json")
    keep(Outside(whisper().recipe, whisper().state_dict(), hearing(), PLAIN, Card("Whisper")), made / "whisper")
    return made


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main(["generate", *map(str, words)]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("error: ") and "\n" not in told
    return told


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_words_files_and_the_input_go_on_alike(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("I love to read\n", encoding="utf-8")
    typed(monkeypatch, b"I love to read \n")
    first, *others = (run(folder / "writer", word, GREEDY).lines for word in (BEGINNING, str(tmp_path / "a.txt"), "-"))
    assert first[0] and others == [first, first]
    assistant = load(folder / "writer").sampled(max_tokens=12)
    assert assistant.generate(BEGINNING) == first[0]
    with pytest.raises(ValueError, match="begin with something"):
        assistant.generate(" ")


def test_json_lines_tell_text_cost_and_repetition(folder: Path, capsys: pytest.CaptureFixture) -> None:
    words = [
        "generate",
        str(folder / "writer"),
        BEGINNING,
        "--tokens",
        "12",
        "--temperature",
        "1.5",
        "--count",
        "3",
        "--seed",
        "2",
        "--json",
    ]
    assert main(words) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 3 and len({row["text"] for row in rows}) == 3
    assert all(row["tokens"] <= 12 and row["nats_per_token"] > 0 and 0 <= row["repeated_4_grams"] <= 1 for row in rows)
    assert main(words[:-1]) == 0
    assert capsys.readouterr().out == "".join(f"--- {n}\n{row['text']}\n" for n, row in enumerate(rows, 1))


@pytest.mark.skipif(not {"fbgemm", "x86"} & {*torch.backends.quantized.supported_engines}, reason="torch has no products of 8 bits here")
def test_weights_of_8_bits_say_words_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(folder / "writer", int8=True).run.model.int8 and not load(folder / "writer").run.model.int8
    assert main(["generate", str(folder / "writer"), BEGINNING, "--int8", "--json", "--tokens", "12"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == 12


def test_an_engine_that_is_not_there_is_told_in_a_line_and_auto_does_without(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ["generate", str(folder / "writer"), BEGINNING, "--json", "--tokens", "12", "--engine"]
    assert main([*words, "torch"]) == 0
    truth = capsys.readouterr().out
    assert main([*words, "llama.cpp"]) == 2
    assert capsys.readouterr().err.splitlines()[0].startswith("error: --engine llama.cpp needs its package: pip install")
    assert main([*words, "lama.cpp"]) == 2 and "did you mean 'llama.cpp'" in capsys.readouterr().err
    assert main([*words, "auto"]) == 0
    found = capsys.readouterr()
    assert found.out == truth and found.err.startswith("note: without llama.cpp: ")


class Made:
    """In the place of llama.cpp: says what the model says, or each time one id more; at once, or late."""

    def __init__(self, model: Any, seconds: float = 0.0, off: int = 0):
        self.model, self.seconds, self.off = model, seconds, off

    def begin(self, batch: Batch, room: int) -> Borrowed:
        assert batch.target is not None
        return Borrowed(self, batch.target)  # type: ignore[arg-type]

    def logits(self, ids: Sequence[int]) -> Tensor:
        time.sleep(self.seconds)
        item = Rendered(list(ids), [False] * len(ids), turn=len(ids))
        return Reader(self.model, collate.prompt([item], "decoder"), 1).logits().roll(self.off, -1)


def test_the_sooner_engine_is_taken_where_it_says_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    run = open_model(folder / "writer")
    for seconds, off, note in ((0.0, 1, "torch answers, they differ"), (0.2, 0, "torch answers")):
        monkeypatch.setattr("duomo.commands.engines.opened", lambda run, int8: Made(run.model, seconds, off))  # noqa: B023
        assert engine_of(run, Speed(engine="auto")) is None and capsys.readouterr().err.endswith(f"; {note}\n")
    quick = Made(run.model)
    monkeypatch.setattr("duomo.commands.engines.opened", lambda run, int8: quick)
    began = [0.0]
    monkeypatch.setattr("duomo.commands.engines.time.perf_counter", lambda: began.append(began[-1] + 10 / len(began)) or began[-1])
    assert engine_of(run, Speed(engine="auto")) is quick and run.model.engine is None
    assert capsys.readouterr().err.endswith("; llama.cpp answers\n")
    assert engine_of(run, Speed(engine="llama.cpp")) is quick and engine_of(run, Speed()) is None


def test_figures_are_of_the_words() -> None:
    row = as_json(Continued("the cat the cat the cat", 9, 1.25, True))
    assert row == {
        "text": "the cat the cat the cat",
        "tokens": 9,
        "nats_per_token": 1.25,
        "ended": True,
        "repeated_4_grams": pytest.approx(1 / 3, abs=1e-4),
        "distinct_2": 0.4,
    }
    assert list(told([Continued("a", 1, 1.0, True)])) == ["a"]


def test_a_terminal_gets_it_piece_by_piece_and_harmless(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (line,) = run(folder / "writer", BEGINNING, GREEDY).lines
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(folder / "writer", f"\x1b{BEGINNING}", GREEDY).lines == ()
    assert capsys.readouterr().out.startswith(BEGINNING)
    run(folder / "writer", BEGINNING, GREEDY)
    assert capsys.readouterr().out == f"{BEGINNING}{''.join(sign for sign in line if sign.isprintable() or sign in chr(10) + chr(9))}\n"


def test_what_can_not_go_on_is_refused_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 9)
    writer = folder / "writer"
    assert "holds no text" in refused(capsys, writer, tmp_path / "empty.txt")
    assert "not UTF-8" in refused(capsys, writer, tmp_path / "binary.txt")
    assert "no such file" in refused(capsys, writer, tmp_path / "none.txt")
    assert "is a folder" in refused(capsys, writer, tmp_path)
    assert "begin with something" in refused(capsys, writer, "  ")
    assert "is an encoder and writes no text" in refused(capsys, folder / "encoder", "x")
    assert "it writes down sound" in refused(capsys, folder / "whisper", "x")
    assert "300 tokens are more than" in refused(capsys, writer, "x", "--tokens", "300")
    assert "no such model" in refused(capsys, "runs/none", "x")


def test_of_five_megabytes_the_end_is_read(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "large.txt").write_text("the dog ran home. " * 280_000 + BEGINNING, encoding="utf-8")
    began = time.process_time()
    large = run(folder / "writer", str(tmp_path / "large.txt"), GREEDY)
    assert time.process_time() - began < 10 and large.lines
    assert "its last 242 tokens are read" in capsys.readouterr().err


def test_words_may_be_long_and_strange() -> None:
    assert beginning_of("a " * 5_000 + "b\n") == "a " * 5_000 + "b"
    assert beginning_of("see notes.txt") == "see notes.txt"
