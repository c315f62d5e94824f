import json
from pathlib import Path

import numpy as np
import pytest

import duomo
from duomo.cli import main
from duomo.commands import shelf as command
from duomo.commands.embed_test import encoder  # noqa: F401  a small encoder as a fixture
from duomo.commands.models import embedder, open_with_card
from duomo.commands.shelf import comparing, embedding, index, open_shelf
from duomo.retrieve.compare import Comparer
from duomo.retrieve.compare_test import weights
from duomo.retrieve.shelf import load

NEEDS = [pytest.importorskip(name) for name in ("jieba", "snowballstemmer")]
FILES = {
    "house.md": "# Library\n\n## Opening hours\nWe open at nine and close at six.\n\n## Dogs\nDogs are welcome on a lead.\n",
    "zh/rules.txt": "借书证免费办理。\n每人最多借十本书，期限三十天。\n",
    "prices.csv": "item,price\ncopy of a page,10 cents\nlost card,5 euros\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of files, and a place to work beside it."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    return tmp_path / "docs"


def said(capsys, *words):
    """What a command line prints on the screen, and its exit code."""
    capsys.readouterr()
    code = main(list(words))
    return code, capsys.readouterr()


def test_a_folder_is_indexed_and_its_sentences_answer(folder, capsys):
    code, out = said(capsys, "index", "docs", "--model", "none")
    assert code == 0 and "shelves/docs: 3 files (3 new, 0 changed, 0 gone, 0 as before), 5 passages, by words alone" in out.out
    for place in ("docs", "shelves/docs", str(folder)):
        code, out = said(capsys, "answer", "When do you open, and when do you close?", "--in", place)
        assert code == 0 and out.out.startswith("We open at nine and close at six.\n    house.md, line 4 · confidence 0.")
    code, out = said(capsys, "answer", "期限是三十天吗？", "--in", "docs", "--json", "--top", "1")
    told = json.loads(out.out)
    assert told["quotes"] == [{"text": "每人最多借十本书，期限三十天。", "file": "zh/rules.txt", "line": 2, "head": ""}]
    assert told["answer"] == told["quotes"][0]["text"] and 0 < told["confidence"] <= 1
    code, out = said(capsys, "answer", "price of a lost card", "--in", "docs")
    assert out.out.startswith("item: lost card; price: 5 euros\n    prices.csv, row 3")


def test_it_abstains_where_nothing_answers(folder, capsys):
    index(folder, model="none")
    code, out = said(capsys, "answer", "Who was the first emperor of Rome?", "--in", "docs")
    assert (code, out.out) == (0, "nothing in these files answers this\n")
    assert duomo.shelf("docs").answer("Who was the first emperor of Rome?").text == ""
    assert duomo.shelf("docs").answer("dogs welcome on a lead").text == "Dogs are welcome on a lead."


def test_a_second_run_reads_only_what_changed(folder):
    index(folder, model="none")
    (folder / "house.md").write_text("We moved. We open at ten now.\n")
    (folder / "prices.csv").unlink()
    (folder / "new.txt").write_text("Parking is free.\n")
    report = index(folder, model="none")
    assert {name: report.facts[name] for name in ("new", "changed", "gone", "files")} == {"new": 1, "changed": 1, "gone": 1, "files": 3}
    anew = index(folder, Path("anew"), model="none")
    grown, fresh = load(Path("shelves/docs")), load(Path("anew"))
    assert grown.passages == fresh.passages and grown.files == fresh.files and anew.facts["new"] == 3
    assert index(folder, model="none").facts["new"] == 0


def test_files_that_can_not_be_read_are_named_and_the_rest_goes_on(folder):
    (folder / "binary.txt").write_bytes(b"\x7fELF\0\1\2" * 500)
    (folder / "empty.md").write_bytes(b"")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "picture.png").write_bytes(b"x")
    lines = "\n".join(index(folder, model="none").lines)
    assert "not read: binary.txt: holds no text that can be read" in lines and "not read: empty.md: holds no text" in lines
    assert "not read: deep.json" in lines and "1 of other kinds left out (.png)" in lines and "6 files" in lines


def test_what_holds_nothing_is_refused_in_one_line(folder, tmp_path, capsys):
    (tmp_path / "bare").mkdir()
    for name, told in (("bare", "it is empty"), ("dcos", "did you mean 'docs'?")):
        code, out = said(capsys, "index", name, "--model", "none")
        assert code == 2 and told in out.err and out.err.count("\n") == 1
    code, out = said(capsys, "answer", "x", "--in", "docs")
    assert code == 2 and "`duomo index docs` makes one" in out.err and out.err.count("\n") == 1


def test_a_folder_of_something_else_is_never_replaced(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("x")
    with pytest.raises(ValueError, match="holds something else"):
        index(folder, tmp_path / "mine", "none")
    index(folder, model="none")
    (tmp_path / "other" / "docs").mkdir(parents=True)
    (tmp_path / "other" / "docs" / "a.txt").write_text("Another text.")
    with pytest.raises(ValueError, match="is the index of"):
        index(tmp_path / "other" / "docs", model="none")
    assert (tmp_path / "mine" / "precious.txt").exists()


def test_an_index_inside_the_folder_is_not_read(folder):
    index(folder, folder / "index", "none")
    assert index(folder, folder / "index", "none").facts["files"] == 3


def test_vectors_are_those_of_the_model(folder, encoder):  # noqa: F811
    (folder / "cat.txt").write_text("the cat sat on the mat.")
    index(folder, model=str(encoder))
    reader, made = open_shelf("docs"), embedder(*open_with_card(encoder))
    assert reader.shelf.complete and reader.shelf.model == str(encoder)
    known = [n for n, passage in enumerate(reader.shelf.passages) if made.unknown_share(passage.whole) <= made.unknown]
    texts = [passage.whole for passage in reader.shelf.passages]
    assert known and np.allclose(reader.shelf.vectors_ND[known], made.embed([texts[n] for n in known], "passage"), atol=1e-6)
    assert reader.find("the cat sat").cosine != 0


def test_a_text_of_an_unknown_language_gets_no_vector(encoder):  # noqa: F811
    made = embedding(embedder(*open_with_card(encoder), unknown=0.2), "passage")(["زيت", "", "the"])
    assert not made[:2].any() and made[2].any()


def test_a_passage_is_read_beside_a_question_once(encoder, monkeypatch):  # noqa: F811
    model, read = embedder(*open_with_card(encoder)), []
    monkeypatch.setattr(command, "comparer", lambda: Comparer(weights(model.model.recipe.block.dim)))
    compare, tokens = comparing(model), type(model).tokens
    monkeypatch.setattr(type(model), "tokens", lambda self, text, kind: read.append(text) or tokens(self, text, kind))
    first = compare("the cat", ["the cat sat on the mat.", "the dog"], [0.8, 0.8])
    assert first.shape == (2,) and first[0] != first[1]
    again = compare("the cat", ["the dog", "زيت"], [0.8, 0.8])
    assert again[0] == pytest.approx(first[1]) and read.count("the dog") == 1 and "زيت" not in read


def test_stopped_vectors_are_kept(folder, encoder, monkeypatch):  # noqa: F811
    monkeypatch.setattr(command, "AT_ONCE", 2)
    stopped = command.embedded

    def twice(*given):
        made = stopped(*given)
        yield next(made)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "embedded", twice)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        index(folder, model=str(encoder))
    assert len(load(Path("shelves/docs")).missing) == 3
    assert open_shelf("docs").answer("dogs welcome on a lead").text
    monkeypatch.setattr(command, "embedded", stopped)
    index(folder, model=str(encoder))
    assert load(Path("shelves/docs")).complete
