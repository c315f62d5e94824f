"""Connectors: web archives, books and word vectors from elsewhere become samples, splits and weights by the same way as all data."""

import json
import random
import zlib
from pathlib import Path

import pytest
import torch
import yaml

from duomo import checkpoint
from duomo.data.crawl_test import INFO, packed, record, response
from duomo.data.gutenberg_test import HEAD, TAIL
from duomo.data.quality_test import CHINESE, ENGLISH, FRENCH, MENU
from duomo.data.read import detect, read
from duomo.recipe import FileData
from duomo.sample import Origin
from tests import own

WORDS = """pool library bakery theatre museum harbour market station garden school bridge tower castle island forest lantern bell river
baker sailor teacher painter doctor farmer singer keeper winter summer autumn evening morning window mirror ladder kettle blanket""".split()


def page(*paragraphs: str) -> bytes:
    """A page of a site, as a server sends it, at an address of its own."""
    menu = "".join(f'<li><a href="/{word}">{word}</a>' for word in MENU.split()[:12])
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    made = response(f"<html><body><nav><ul>{menu}</ul></nav>{body}<footer>Copyright <a href='/'>us</a></footer></body></html>")
    return made.replace(b"/hours", b"/%d" % zlib.crc32(made))


def story(number: int) -> str:
    """A text that no other number has."""
    draw = random.Random(number)
    form = "The {} of the {} and the {} have no {} that the {} would give to a {} with a {}, as the {} said to the {} that {}."
    return " ".join(form.format(*draw.sample(WORDS, 10)) for _ in range(4))


def crawl(path: Path, *more: bytes) -> Path:
    """A web archive of forty good pages, and more."""
    path.write_bytes(packed(INFO, *(page(story(number)) for number in range(40)), *more))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return own.lay(tmp_path, rows=4)


def edited(folder: Path, **parts: object) -> None:
    """own.yaml with other parts."""
    tree = yaml.safe_load((folder / "own.yaml").read_text())
    for name, part in parts.items():
        tree[name] |= part
    (folder / "own.yaml").write_text(yaml.safe_dump(tree))


def prepared(folder: Path) -> tuple[dict, list[str]]:
    """What became of the records of the only data set, and the texts of all its splits."""
    (place,) = (folder / "cache/prepared").iterdir()
    (row,) = json.loads((place / "lineage.json").read_text())["data"]
    lines = [line for split in ("train", "valid", "test") for line in (place / row["name"] / f"{split}.jsonl").read_text().splitlines()]
    return row, [json.loads(line)["messages"][-1]["content"] for line in lines]


def test_a_crawl_is_cleaned_as_all_data_is(folder: Path) -> None:
    french = FRENCH + " On peut y nager toute l'année, même en hiver, et la cantine sert une soupe chaude à midi pour tous les nageurs."
    crawl(
        folder / "crawl.warc.gz",
        page(story(7) + " So it is."),  # nearly what stood before
        page(french),
        page(*("The pool is open and warm, and we have all that you want to be with. " for _ in range(9))),
        page(CHINESE),
        record("response", b"no head", 10**9),
        page(ENGLISH),
    )
    clean = {"languages": ["en", "zh"], "quality": True, "near": 0.8}
    edited(folder, data={"files": [{"path": "crawl.warc.gz"}], "clean": clean, "max_tokens": 512, "row_tokens": 1024})
    assert own.duomo(folder, "prepare", "own.yaml") == 0
    row, texts = prepared(folder)
    assert (row["read"], row["quarantined"]) == (45, 1)
    assert row["dropped"] == {"repeated lines": 1, "language fr": 1, "near duplicate": 1}
    assert row["faults"][0]["record"] == 46 and "has 1,000 MB, more than 16; it is left out" in row["faults"][0]["reason"]
    assert sorted(texts) == sorted([*map(story, range(40)), *(" ".join(text.split()) for text in (CHINESE, ENGLISH))])
    kept = row["kept"]
    assert min(kept[split] for split in ("train", "valid", "test")) > 0


def test_a_data_set_is_checked_before_it_is_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crawl(folder / "crawl.warc.gz")
    (folder / "pool.txt").write_text(f"{HEAD}CHAPTER I\n\n{story(1)}\n\nCHAPTER II\n\n{story(2)}{TAIL}")
    for name, records in (("crawl.warc.gz", 40), ("pool.txt", 2)):
        assert own.duomo(folder, "data", "check", name) == 0
        assert f"{name}: no fault" in (told := capsys.readouterr().out) and f"records: {records}" in told
    data = (folder / "crawl.warc.gz").read_bytes()
    (folder / "crawl.warc.gz").write_bytes(data[:-40])
    (folder / "pool.txt").write_text((folder / "pool.txt").read_text().partition("*** END")[0])
    for name, wanted in (
        ("crawl.warc.gz", "crawl.warc.gz:41: the file ends inside it; fetch it again"),
        ("pool.txt", "pool.txt: has no line `*** END OF …`: the book was cut short; fetch it again"),
    ):
        assert own.duomo(folder, "data", "check", name) == 2
        assert wanted in capsys.readouterr().err


def test_the_form_is_found_by_the_look_of_it(tmp_path: Path) -> None:
    crawl(tmp_path / "a.warc.gz")
    (tmp_path / "pool.txt").write_text(HEAD + TAIL)
    (tmp_path / "own.txt").write_text("Not a book of theirs.")
    found = {name: detect(FileData(path=str(tmp_path / name))) for name in ("a.warc.gz", "pool.txt", "own.txt")}
    assert found == {"a.warc.gz": "warc", "pool.txt": "gutenberg", "own.txt": "text"}
    assert detect(FileData(path=str(tmp_path))) == "warc"
    (tmp_path / "a.warc.gz").rename(tmp_path / "a.unknown")
    assert detect(FileData(path=str(tmp_path))) == "text", "not all of them are books"
    (tmp_path / "own.txt").unlink()
    assert detect(FileData(path=str(tmp_path))) == "gutenberg"


def test_a_page_and_a_book_of_a_folder_never_straddle_a_split(tmp_path: Path) -> None:
    crawl(tmp_path / "a.warc.gz")
    (sample, *_) = read(FileData(path=str(tmp_path / "a.warc.gz"), licence="CC0-1.0", question="Write."))
    assert [m.text for m in sample.messages] == ["Write.", story(0)]
    assert sample.origin == Origin("a.warc.gz", "a.warc.gz:2", "CC0-1.0", "https://pool.example/1868233965")
    (tmp_path / "books").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "books" / name).write_text(f"{HEAD}CHAPTER I\n\n{story(1)}\n\nCHAPTER II\n\n{story(2)}{TAIL}")
    found = [(s.origin.id, s.origin.group) for s in read(FileData(path=str(tmp_path / "books")))]
    assert found == [("a.txt:17", "a.txt"), ("a.txt:21", "a.txt"), ("b.txt:17", "b.txt"), ("b.txt:21", "b.txt")]


def vectors(path: Path, size: int) -> None:
    """A file as GloVe writes it, with three words."""
    numbers = ([f"{(first * 7 + i * i) % 11 - 5}.5" for i in range(size)] for first in range(3))
    path.write_text("".join(f"{word} {' '.join(row)}\n" for word, row in zip(("what", "comes", "after"), numbers, strict=True)))


def test_a_run_begins_with_the_words_that_its_tokens_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.lay(folder)
    vectors(folder / "glove.txt", 32)
    few = "train.steps=1 train.lr=1.0e-12 train.warmup=1 train.weight_decay=0 train.save_every=1".split()
    words = {"bare": [], "begun": ["train.embeddings={path: glove.txt}"]}
    for name, more in words.items():
        assert own.duomo(folder, "train", "own.yaml", f"name={name}", *few, *more) == 0
    bare, begun = (checkpoint.open_run(folder / f"runs/{name}") for name in words)
    moved = (bare.model.tokens.weight - begun.model.tokens.weight).abs().amax(1) > 1e-4
    texts = {begun.tokenizer.decode([id]).strip() for id in moved.nonzero().flatten().tolist()}
    assert texts == {"what", "comes", "after"}
    (folder / "runs/begun").rename(folder / "runs/kept")
    capsys.readouterr()
    for more, told in (
        (["train.embeddings={path: gone.txt}"], "train.embeddings: gone.txt: no such file; check the path"),
        (["train.embeddings={path: glove.txt}", "model.block.dim=16"], "vectors of 32 numbers, but model.block.dim is 16"),
        (["train.embeddings={path: glove.txt}", "train.start_from=runs/kept"], "would undo what train.start_from has learned of words"),
        (["train.embeddings={path: glove.txt, fit: stretch}"], "train.embeddings.fit: Input should be 'exact', 'project' or 'crop'"),
    ):
        assert own.duomo(folder, "train", "own.yaml", "name=begun", *few, *more) == 2
        err = capsys.readouterr().err
        assert told in err and err.strip().splitlines()[-1].startswith("error: ") and not (folder / "runs/begun").exists()
    assert torch.equal(begun.model.tokens.weight, checkpoint.open_run(folder / "runs/kept").model.tokens.weight)
