"""Laws of `duomo summarise`: sentences as they stand in their files, with their places; what can not be read is told in one line."""

import io
import json
import shutil
import time
from pathlib import Path

import pytest
import torch

import duomo
from duomo.cli import main
from duomo.commands.describe_test import lay
from duomo.commands.documents_test import pdf
from duomo.commands.embed_test import encoder  # noqa: F401  a small encoder as a fixture
from duomo.commands.models import embedder, open_with_card
from duomo.commands.summarise import LIMIT, Choices, documents, fitting, question, reduced, run, write
from duomo.generate import Sampling, Speaker
from duomo.retrieve.summary import summarise
from duomo.retrieve.summary_test import BEST, POOL, long_text
from tests.small import model, model_recipe, redrawn, tokenizer

ZH = "市图书馆五月一日起闭馆装修三十天。装修期间读者可以到东门分馆借书还书。分馆的开放时间与图书馆相同。"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of several kinds, in a place where no model is fetched."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "files"
    (made / "more").mkdir(parents=True)
    (made / "pool.txt").write_text(POOL.replace(". ", ".\r\n", 1), encoding="utf-8", newline="")
    (made / "more" / "library.md").write_text(f"# 图书馆\n\n## 通知\n{ZH}\n", encoding="utf-8")
    (made / "report.pdf").write_bytes(pdf("The pool closes at six in the evening.", "Dogs are not welcome in the pool."))
    return made


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    torch.set_num_threads(1)
    return Speaker(redrawn(model(model_recipe(senses=()))), tokenizer())


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main(["summarise", *map(str, words)]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("error: ") and "\n" not in told
    return told


def test_quotes_stand_where_they_are_said_to(folder: Path) -> None:
    (line,) = run([str(folder / "pool.txt")], "none", Choices(2, lines=True)).lines
    row = json.loads(line)
    text = POOL.replace(". ", ".\n", 1)  # the end of a line is one character
    assert row["characters"] == len(text) and row["sentences"] == 5
    assert [text[one["start"] : one["end"]] for one in row["summary"]] == [one["text"] for one in row["summary"]]
    assert {one["text"]: one["line"] for one in row["summary"]}[BEST] == 2 and "written" not in row


def test_a_folder_gives_a_summary_of_each_file_with_line_or_page(folder: Path) -> None:
    pytest.importorskip("pypdfium2")
    lines = run([str(folder)], "none", Choices(1)).lines
    assert [line for line in lines if line.endswith("sentences")] == [
        f"{folder / 'pool.txt'}: 1 of 5 sentences",
        f"{folder / 'report.pdf'}: 1 of 2 sentences",
        f"{folder / 'more' / 'library.md'}: 1 of 3 sentences",
    ]
    assert f"The pool closes at six in the evening.\n    {folder / 'report.pdf'}, page 1" in lines
    assert f"市图书馆五月一日起闭馆装修三十天。\n    {folder / 'more' / 'library.md'}, line 4" in lines


def test_places_go_on_behind_a_section(folder: Path) -> None:
    pytest.importorskip("pypdfium2")
    (document,) = documents([str(folder / "report.pdf")], [])
    (row,) = run([str(folder / "report.pdf")], "none", Choices(2)).facts["summaries"]
    assert [one["page"] for one in row["summary"]] == [1, 2]
    assert [document.text[one["start"] : one["end"]] for one in row["summary"]] == [one["text"] for one in row["summary"]]


def test_the_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(POOL.encode())))
    assert len(run(["-"], "none", Choices(2)).lines) == 2


def test_what_can_not_be_read_is_told_in_one_line_and_the_rest_goes_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name, data in {"empty.txt": b"", "binary.txt": bytes(range(1, 32)) * 90, "white.txt": b" \n\n"}.items():
        (folder / name).write_bytes(data)
    assert "empty.txt: holds no text" in refused(capsys, folder / "empty.txt")
    assert "binary.txt: holds no text that can be read" in refused(capsys, folder / "binary.txt")
    (tmp_path / "dots.txt").write_text("... --- ...\n" * 9)
    assert "dots.txt: holds no sentence" in refused(capsys, tmp_path / "dots.txt")
    assert "white.txt: holds no text" in refused(capsys, folder / "white.txt")
    assert "no such file or folder" in refused(capsys, folder / "none.txt")
    assert "--lang zz" in refused(capsys, folder / "pool.txt", "--lang", "zz")
    assert "no such model" in refused(capsys, folder / "pool.txt", "--model", "runs/none")
    (tmp_path / "bare").mkdir()
    assert "holds nothing that can be read" in refused(capsys, tmp_path / "bare")
    faults = list[str]()
    assert len(list(documents([str(folder)], faults))) == 3 and len(faults) == 3
    assert main(["summarise", str(folder), "--sentences", "1"]) == 0
    assert capsys.readouterr().err.count("note: ") == 3


def test_five_megabytes_take_seconds(tmp_path: Path) -> None:
    text = long_text(100_000)
    (tmp_path / "large.txt").write_text(text, encoding="utf-8")
    began = time.process_time()
    report = run([str(tmp_path / "large.txt")], "none", Choices(5))
    assert time.process_time() - began < 10 and len(report.lines) == 5 and len(text) > 5_000_000


def test_an_encoder_compares_by_its_vectors(encoder: Path, folder: Path) -> None:  # noqa: F811
    text = "the cat sat on the mat.\n\na dog and a zebra ran home.\n\nthe mat, the cat and the sun."
    made = embedder(*open_with_card(encoder), unknown=1.0)
    wanted = summarise(text, 2, made.embed)
    assert wanted != summarise(text, 2)
    assert duomo.summarise(text, 2, encoder) == "\n".join(text[one.begin : one.end] for one in wanted)
    (folder / "cat.txt").write_text(text, encoding="utf-8")
    (row,) = run([str(folder / "cat.txt")], encoder, Choices(2)).facts["summaries"]
    assert [one["score"] for one in row["summary"]] == pytest.approx([one.score for one in wanted], abs=1e-3)


def test_a_fetched_encoder_is_used_without_being_named(encoder: Path, folder: Path) -> None:  # noqa: F811
    (folder / "cat.txt").write_text(
        "the cat sat on the mat.\n\na dog and a zebra ran home.\n\nthe mat, the cat and the sun.", encoding="utf-8"
    )
    by_words, by_encoder = (run([str(folder / "cat.txt")], model, Choices(2)).facts for model in ("none", encoder))
    assert run([str(folder / "cat.txt")], None, Choices(2)).facts == by_words != by_encoder
    shutil.copytree(encoder, Path("cache/models/e5"))
    assert run([str(folder / "cat.txt")], None, Choices(2)).facts == by_encoder


def test_an_unknown_language_is_left_to_the_words(encoder: Path, folder: Path, capsys: pytest.CaptureFixture) -> None:  # noqa: F811
    text = str(folder / "more" / "library.md")
    assert run([text], encoder, Choices(2)).lines == run([text], "none", Choices(2)).lines
    assert "library.md: its words are compared" in capsys.readouterr().err


def test_a_language_model_words_a_short_text_at_once(speaker: Speaker) -> None:
    asked = question("the cat sat.", 2, "en")
    assert asked.messages[0].text.endswith("Summarise the text above in 2 sentences, using only what it says.")
    assert write("the cat sat.", speaker, Choices(2)) == speaker.answer([asked], 96)[0].text.strip()
    assert question(ZH, 1, "zh").messages[0].text.endswith("用一句话概括它。")


def test_a_long_text_is_worded_part_by_part(speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[list[str]]()
    answer = Speaker.answer

    def heard(self: Speaker, samples: list, max_tokens: int | None = None) -> list:
        asked.append([sample.messages[0].text for sample in samples])
        assert all(self.length(sample) <= self.room for sample in samples)
        return answer(self, samples, max_tokens)

    monkeypatch.setattr(Speaker, "answer", heard)
    text = long_text(2_000)
    assert isinstance(write(text, speaker, Choices(2)), str)
    parts, whole = asked
    assert len(parts) > 3 and len(whole) == 1 and "in one sentence" in parts[0] and "in 2 sentences" in whole[0]
    body = reduced(text, LIMIT)
    assert LIMIT / 2 < len(body.encode()) <= LIMIT and set(body.split("\n")) <= set(text.replace(". ", ".\n").split("\n"))
    shown = "".join(part.partition("\n\n")[0] for part in parts)
    assert "".join(shown.split()) == "".join(body.split())


def test_a_model_that_reads_hardly_anything_is_refused(speaker: Speaker) -> None:
    with pytest.raises(ValueError, match="too few to sum up"):
        fitting(POOL, Speaker(speaker.model, speaker.tokenizer, sampling=Sampling(max_tokens=230)), "en")


def test_words_are_told_apart_from_quotes(folder: Path, tmp_path: Path) -> None:
    writer = lay(tmp_path, "writer", senses=())
    (line,) = run([str(folder / "pool.txt")], writer, Choices(1)).lines
    assert line.endswith("(worded by the model, which may be wrong; without it, sentences are quoted)")
    (row,) = run([str(folder / "pool.txt")], writer, Choices(1)).facts["summaries"]
    assert row["written"] == duomo.summarise(POOL.replace(". ", ".\n", 1), 1, writer) and row["summary"]


def test_a_text_alone_is_summed_up() -> None:
    assert BEST in duomo.summarise(POOL, 2).split("\n")
    with pytest.raises(ValueError, match="no text to sum up"):
        duomo.summarise(" \n")
