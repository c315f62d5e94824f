"""Laws of `duomo extract` and `duomo graph`: offsets are exact, what can not be read is told in one line, nothing leaves its place."""

import json
import re
import time

import pytest

from duomo.cli import main
from duomo.commands.extract import Choices, read, run
from duomo.commands.graph_view import html
from duomo.graph.merged import merge
from duomo.graph.triples import Evidence, Triple

TEXT = "Oss is the capital of Norland. It was founded in 1120. Write to a@oss.example.\n云溪是一座小城，位于北岭，建于1980年5月。\n"
NASTY = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\n../../x \u2028"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("error: ") and "\n" not in told
    return told


def test_json_offsets_are_of_the_text(text):
    (line,) = run([str(text)], None, Choices(lines=True)).lines
    row = json.loads(line)
    assert row["characters"] == len(TEXT)
    assert {e["text"]: e["kind"] for e in row["entities"]} == {"1120": "date", "a@oss.example": "email", "1980年5月": "date"}
    assert all(TEXT[e["start"] : e["end"]] == e["text"] for e in row["entities"])
    assert all(TEXT[t["evidence"]["start"] : t["evidence"]["end"]] == t["evidence"]["sentence"] for t in row["triples"])
    assert {(t["subject"], t["predicate"], t["object"]) for t in row["triples"]} >= {
        ("Oss", "capital_of", "Norland"),
        ("Oss", "founded_in", "1120"),
        ("云溪", "located_in", "北岭"),
    }


def test_documents_meet_in_one_graph(text, tmp_path, capsys):
    pytest.importorskip("rdflib", reason="the extra graph is not installed")
    (tmp_path / "b.md").write_text("OSS is the capital of Norland.", encoding="utf-8")
    out, page = tmp_path / "g.ttl", tmp_path / "g.html"
    assert main(["extract", str(tmp_path), "--graph", str(out), "--html", str(page)]) == 0
    assert main(["graph", str(out), "what is the capital of norland?"]) == 0
    told = capsys.readouterr().out
    assert "Oss — capital of — Norland" in told.splitlines() or "OSS — capital of — Norland" in told.splitlines()
    assert "a.txt, 0–30" in told and "b.md, 0–30" in told and page.stat().st_size > 5_000
    assert main(["graph", str(out), "--about", "云溪", "--json"]) == 0
    assert {json.loads(line)["object"] for line in capsys.readouterr().out.splitlines()} >= {"北岭"}
    assert "did you mean 'Norland'" in refused(capsys, "graph", out, "--about", "Norlan")
    assert "ask one thing" in refused(capsys, "graph", out)


def test_what_can_not_be_read_is_told_in_one_line(text, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "nothing").mkdir()
    for name, told in (("empty.txt", "no text"), ("binary.txt", "not UTF-8"), ("nothing", "holds no text"), ("none.txt", "no such file")):
        assert told in refused(capsys, "extract", tmp_path / name)
    assert "no such model" in refused(capsys, "extract", text, "--model", "runs/none")
    texts, faults = read([str(tmp_path)])
    assert len(texts) == 1 and len(faults) == 2  # the others go on


def test_what_is_found_is_never_written_over_a_text(text, tmp_path, capsys):
    for words in (["--graph", text], ["--html", text], ["--graph", tmp_path / "g", "--html", tmp_path / "g"]):
        assert "another name" in (told := refused(capsys, "extract", text, *words)) or "a name of its own" in told
    assert text.read_text(encoding="utf-8") == TEXT


def test_five_megabytes_take_seconds(tmp_path):
    path = tmp_path / "large.txt"
    path.write_text(TEXT * (5_000_000 // len(TEXT.encode())), encoding="utf-8")
    began = time.process_time()
    assert run([str(path)], None, Choices(graph=tmp_path / "g.ttl", page=tmp_path / "g.html")).lines
    assert time.process_time() - began < 10


def test_a_page_holds_no_markup_of_a_text():
    page = html(merge([Triple(NASTY, "is_a", NASTY + "2", Evidence(NASTY, 0, 1, NASTY))]), NASTY)
    assert page.count("<script") == 2 and "<img" not in page
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(data)["edges"][0]["e"][0][3] == NASTY and "http" not in page.replace("http-equiv", "")
