"""Laws of translating: lines stay lines, nothing is cut in silence, what is lost is told, what can not be done is one line."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo import checkpoint
from duomo import recipe as recipes
from duomo.cli import main
from duomo.commands.models import open_model
from duomo.commands.translate import Wanted, run
from duomo.commands.translator import Said, Translator, translator
from duomo.generate import Sampling, Speaker
from duomo.recipe import Recipe
from duomo.sample import ask
from duomo.tasks.bitext import PROMPTS, Pair
from duomo.tasks.placeholders import found, known, numbered
from tests import small

TEXT = "# Read {name}\n\n  - which letter is it?  \n我喜欢看书。\n12 %\nthe cat sat on the mat\n"
BOTH = {"tasks": {"software_en_zh": 1, "translation_zh_en": 1}}
SHOWN = {"tasks": {"software_en_zh": 1}, "options": {"software_en_zh": {"memory": 2, "longest": 120}}, "cache": "nowhere"}


def lay(folder, name, data, shape="encoder_decoder"):
    """A run of random weights."""
    recipe = Recipe(name=name, model=small.model_recipe(shape, senses=()), **({"data": data} if data else {}))
    checkpoint.save(folder / name / "checkpoints" / "step-1", small.redrawn(small.model(recipe.model)), None, {})
    recipes.save(recipe, folder / name / "recipe.json")
    small.tokenizer().save(folder / name / "tokenizer.json")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of all kinds, and files."""
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("shelf")
    lay(made, "both", BOTH)
    lay(made, "shown", SHOWN)
    lay(made, "moods", {"tasks": {"sentiment": 1}})
    lay(made, "other", None, "decoder")
    lay(made, "encoder", None, "encoder")
    (made / "texts" / "more").mkdir(parents=True)
    (made / "texts" / "a.txt").write_text(TEXT, encoding="utf-8")
    (made / "texts" / "more" / "b.md").write_text("the mat\n", encoding="utf-8")
    (made / "table.csv").write_text('id,text\n1,read %s\n2,\n3,"the cat, the mat"\n', encoding="utf-8")
    (made / "pairs.csv").write_text("en,zh,note\nthe mat,垫子,\nthe cat,猫,x\n,空,\n", encoding="utf-8")
    return made


def model(shelf, name="both", **more) -> Translator:
    return translator(open_model(shelf / name), "zh", **more)


def rows(report):
    return [json.loads(line) for line in report.lines]


def test_a_text_keeps_its_lines_and_what_is_not_to_be_translated(shelf):
    report = run(shelf / "both", [str(shelf / "texts" / "a.txt")], Wanted("zh", beams=1))
    drafts = report.lines
    assert len(drafts) == len(TEXT.splitlines())
    assert drafts[1] == "" and drafts[3:5] == ("我喜欢看书。", "12 %")
    assert drafts[0].startswith("# ") and drafts[2].startswith("  - ") and drafts[2].endswith("  ")


def test_a_draft_is_the_answer_to_the_question_that_was_taught(shelf):
    opened, texts = open_model(shelf / "both"), [f"which letter is {letter}?" for letter in small.LETTERS]
    drafts = model(shelf, beams=2).drafts(texts)
    speaker = Speaker(opened.model, opened.tokenizer, sampling=Sampling(beams=2, max_tokens=128))
    answers = speaker.answer([ask(PROMPTS["zh"] + text) for text in texts])
    sound = [n for n, one in enumerate(answers) if one.ended and one.text.strip() and not found(one.text)]
    assert sound and all(drafts[n].text == " ".join(answers[n].text.split()) for n in sound)
    for draft, text in zip(drafts, texts, strict=True):
        (said,) = speaker.likelihood([ask(PROMPTS["zh"] + text, answer=draft.text)])
        mean = said.nats / (len(opened.tokenizer.encode(draft.text)) + 1)
        assert draft.confidence == pytest.approx(math.exp(-mean), rel=1e-3) or len(opened.tokenizer.encode(draft.text)) >= 127


def test_placeholders_are_kept_or_told(shelf):
    texts = ["read %s", "{name} sat on {place}", "<b>the cat</b> and %1 of $x"]
    for row, text in zip(rows(run(shelf / "both", texts, Wanted("zh", beams=2, lines=True))), texts, strict=True):
        assert row["placeholders"] == (found(row["draft"]) == found(text))


def test_what_a_model_loses_is_put_back_by_parts(shelf):
    one = model(shelf, beams=1)
    whole, parts = one._written(["{1} sat on the {2}."], 1) + one._by_parts(["{1} sat on the {2}."])
    assert not whole.sound and known(parts.text) == ("{1}", "{2}") and parts.text.startswith("{1}") and parts.text.count("{") == 2


def test_a_part_loses_what_a_model_invents_in_it(shelf, monkeypatch):
    one = model(shelf, beams=1)
    said = Said("Page %2 {2} of", True, True)
    monkeypatch.setattr(type(one), "_written", lambda self, texts, beams: [said for _ in texts])
    (parts, close) = one._by_parts(["第 {1} 页，共 {2} 页", "路径{1}中"])
    assert parts.sound and found(parts.text) == {"{1}": 1, "{2}": 1} and parts.text == "Page of {1} Page of {2} Page of"
    assert close.sound and close.text == "Page of {1} Page of", "a name grows into no word"


def test_drafts_are_sorted_by_how_sure_they_are(shelf):
    found_rows = rows(run(shelf / "both", [str(shelf / "texts" / "a.txt")], Wanted("zh", beams=1, draft=True)))
    sure = [row["confidence"] for row in found_rows]
    assert sure == sorted(sure) and len(sure) == 5 and found_rows[0]["where"].startswith("a.txt:")


def test_a_table_keeps_its_columns_and_gets_two(shelf, tmp_path):
    run(shelf / "both", [str(shelf / "table.csv")], Wanted("zh", beams=1, out=tmp_path / "out.tsv"))
    table = list(csv.DictReader((tmp_path / "out.tsv").open(encoding="utf-8"), delimiter="\t"))
    assert [(row["id"], row["text"]) for row in table] == [("1", "read %s"), ("2", ""), ("3", "the cat, the mat")]
    assert table[1]["text (zh)"] == table[1]["confidence"] == "" and all(0 <= float(table[n]["confidence"]) <= 1 for n in (0, 2))


def test_a_folder_becomes_a_folder(shelf, tmp_path):
    report = run(shelf / "both", [str(shelf / "texts")], Wanted("zh", beams=1, out=tmp_path / "out"))
    assert len(report.lines) == 2
    lines = {name: (tmp_path / "out" / name).read_text(encoding="utf-8").splitlines() for name in ("a.txt", "more/b.md")}
    assert len(lines["a.txt"]) == 6 and len(lines["more/b.md"]) == 1


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(
        st.sampled_from(["the cat sat. ", "打开文件。", "x" * 50, "{a}", "%s ", ", ", "- ", "\t", "! ", "。", "1", "word " * 30]),
        max_size=30,
    )
)
def test_pieces_are_short_and_lose_nothing(shelf, parts):
    line = "".join(parts)
    one = replace(model(shelf, source="en"), longest=48).parted(line)
    assert len(one.gaps) == len(one.pieces) + 1
    woven = "".join(gap + piece for gap, piece in zip(one.gaps, (*one.pieces, ""), strict=True))
    assert woven == numbered(line, known(line)) and all(len(piece.encode()) <= 48 for piece in one.pieces)


def test_a_long_line_is_drafted_in_all_its_sentences(shelf):
    line = "the cat sat on the mat. " * 30
    one = model(shelf, beams=1)
    assert one.count([line]) < len(one.parted(line).pieces)  # the same piece is drafted once
    (draft,) = one.drafts([line])
    assert draft.source == line and draft.text.count(one.drafts([one.parted(line).pieces[0]])[0].text) >= len(one.parted(line).pieces) - 1


def test_known_pairs_stand_in_the_question(shelf, capsys):
    pairs = [Pair("垫子", "the mat"), Pair("猫", "the cat"), Pair("窗", "window")]
    one = model(shelf, "shown", own=pairs)
    assert "duomo fetch homeassistant" in capsys.readouterr().err
    speaker = one._speaker(1)
    assert one._question("the cat sat on the mat", speaker) == f"{PROMPTS['zh']}the cat sat on the mat\nthe mat\n垫子\nthe cat\n猫"
    assert "\n" not in model(shelf, "shown")._question("the mat", speaker)
    report = run(shelf / "shown", ["the mat"], Wanted("zh", beams=1, lines=True, memory=shelf / "pairs.csv"))
    assert len(rows(report)) == 1


def test_what_can_not_be_done_is_refused_in_one_line(shelf, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("")
    text, to = str(shelf / "texts" / "a.txt"), ("--to", "zh")
    faults = {
        "is an encoder and writes no text": ["encoder", text, *to],
        "was taught no translation;": ["moods", text, *to],
        "was taught no translation into 'en', only into zh": ["shown", text, "--to", "en"],
        "no language 'fr'": ["both", text, "--to", "fr"],
        "from zh to zh there is nothing": ["both", text, *to, "--from", "zh"],
        "holds no text": ["both", str(tmp_path / "empty.txt"), *to],
        "no such file": ["both", "none.txt", *to],
        "--limit 70": ["both", text, *to, "--limit", "9"],
        "has no columns": ["both", text, *to, "--column", "text"],
        "did you mean 'text'": ["both", str(shelf / "table.csv"), *to, "--column", "txt"],
        "leave --memory out": ["both", text, *to, "--memory", str(shelf / "pairs.csv")],
        "no column zh and en": ["shown", text, *to, "--memory", str(shelf / "table.csv")],
    }
    for fault, (name, *words) in faults.items():
        assert main(["translate", str(shelf / name), *words]) == 2, fault
        told = capsys.readouterr().err.strip().splitlines()
        assert fault in told[-1] and told[-1].startswith("error: ") and len(told) <= 2, told


def test_a_model_that_was_taught_nothing_is_asked_all_the_same_and_it_is_said(shelf, capsys):
    assert main(["translate", str(shelf / "other"), "the mat", "--to", "zh", "--beams", "1"]) == 0
    assert "which it may not have learned" in capsys.readouterr().err


def test_five_megabytes_are_refused_at_once(shelf, tmp_path, capsys):
    (tmp_path / "large.txt").write_text("the cat sat on the mat\n" * 230_000, encoding="utf-8")
    assert main(["translate", str(shelf / "both"), str(tmp_path / "large.txt"), "--to", "zh"]) == 2
    assert "allow them with --limit" in capsys.readouterr().err
