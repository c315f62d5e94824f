import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from duomo.data.content import fingerprint
from duomo.data.lineage import Lineage, Provenance, licences, load, save, tables
from duomo.data.lines import samples_in
from duomo.data.prepare import digest, names, prepare
from duomo.data.read_test import picture, write
from duomo.data.splits import SPLITS, split_of, write_file, write_task
from duomo.data.store import Store
from duomo.modalities.image import to_png
from duomo.recipe import CleanRecipe, DataRecipe, FileData, parse
from duomo.sample import Origin, Part, Sample, ask, document, to_json


def silent(name: str, count: int) -> None: ...


def written(folder: Path) -> dict[str, list[Sample]]:
    return {split: list(samples_in(folder / f"{split}.jsonl")) for split in SPLITS}


def of_user(tmp_path: Path, data: FileData, **recipe: object) -> tuple[Lineage, dict[str, list[Sample]]]:
    target = tmp_path / "out"
    target.mkdir(exist_ok=True)
    lineage = write_file("mine", data, Store(tmp_path / "cache"), DataRecipe(**recipe), target, silent)
    return lineage, written(target)


def many(tmp_path: Path, count: int = 400) -> Path:
    return write(tmp_path / "many.jsonl", *(to_json(ask(f"what is {i} and {i}?", answer=str(2 * i))) for i in range(count)))


def test_every_record_has_one_fate(tmp_path):
    path = many(tmp_path)
    with path.open("a") as file:
        file.write("{broken\n" + json.dumps(to_json(ask("what is 1 and 1?", answer="2"))) + "\n")
        file.write(json.dumps({"messages": [{"role": "user", "content": "nobody answers"}]}) + "\n")
    lineage, splits = of_user(tmp_path, FileData(path=str(path), valid_share=0.1, licence="CC-BY-SA-4.0"))
    assert lineage.read == 401 and lineage.quarantined == 2 and lineage.dropped == {"duplicate": 1}
    assert sum(lineage.kept.values()) == 400 == sum(map(len, splits.values()))
    assert {split: len(found) for split, found in splits.items()} == dict(lineage.kept)
    assert 20 <= lineage.kept["valid"] <= 60 and 20 <= lineage.kept["test"] <= 60
    assert [f.record for f in lineage.faults][0] == 401 and "nothing to learn" in lineage.faults[1].reason
    assert lineage.provenance[0].source == "many.jsonl" and lineage.provenance[0].share_alike
    assert len({fingerprint(s) for found in splits.values() for s in found}) == 400


def test_the_split_knows_neither_order_nor_seed(tmp_path):
    _, first = of_user(tmp_path, FileData(path=str(many(tmp_path))))
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n")
    _, second = of_user(tmp_path, FileData(path=str(path)))
    for split in SPLITS:
        assert {s.answer for s in first[split]} == {s.answer for s in second[split]}


def test_questions_about_one_picture_never_straddle(tmp_path):
    lines = []
    for i in range(60):
        picture(tmp_path / f"{i}.png", i)
        lines += [to_json(ask(Part("image", f"{i}.png"), question, answer=str(i))) for question in ("what?", "how many?", "which?")]
    _, splits = of_user(tmp_path, FileData(path=str(write(tmp_path / "a.jsonl", *lines)), valid_share=0.2))
    seen = {split: {next(s.media()).value for s in found} for split, found in splits.items()}
    assert all(seen.values()) and not seen["train"] & seen["test"] and not seen["train"] & seen["valid"]
    assert all(name.startswith("media/") and (tmp_path / "cache" / name).is_file() for names in seen.values() for name in names)


def test_training_text_that_holds_a_held_out_text_goes(tmp_path):
    texts = [" ".join(f"w{i}x{j}" for j in range(12)) for i in range(100)]
    held = [t for t in texts if split_of(document(t), 0.2) != "train"]
    path = write(tmp_path / "a.txt", "\n\n".join(texts + [f"quoting: {t} end" for t in texts]))
    lineage, splits = of_user(tmp_path, FileData(path=str(path), valid_share=0.2))
    train = "\n".join(s.answer for s in splits["train"])
    assert not any(t in train for t in held)
    assert lineage.dropped["8-grams of a held-out sample"] > 10
    assert lineage.contamination["test"].by_runs > 5 and lineage.contamination["test"].by_hash == 0


def test_long_documents_become_pieces_of_one_group(tmp_path):
    book = "\n\n".join(" ".join(f"word{i}of{p}" for i in range(20)) + "." for p in range(50))
    (tmp_path / "books").mkdir()
    write(tmp_path / "books/a.txt", book)
    write(tmp_path / "books/b.txt", "A short one.")
    lineage, splits = of_user(tmp_path, FileData(path=str(tmp_path / "books"), valid_share=0.0), max_tokens=256)
    pieces = [s for s in splits["train"] if s.origin.id.startswith("a.txt")]
    assert len(pieces) > 10 and max(len(s.answer.encode()) for s in pieces) <= 512
    assert " ".join(" ".join(s.answer for s in pieces).split()) == " ".join(book.split())
    assert {s.origin.group for s in pieces} == {"a.txt:1"} and lineage.read == 2


def test_media_that_can_not_be_read_are_quarantined(tmp_path):
    for i in range(20):
        picture(tmp_path / f"set/cats/{i}.png", i)
    (tmp_path / "set/cats/torn.png").write_bytes((tmp_path / "set/cats/1.png").read_bytes()[:40])
    (tmp_path / "set/cats/text.png").write_text("no picture")
    lineage, splits = of_user(tmp_path, FileData(path=str(tmp_path / "set")))
    assert lineage.quarantined == 2 and sum(lineage.kept.values()) == 20
    assert str(lineage.faults[1]).startswith(f"{tmp_path}/set/cats/torn.png: damaged, or not a PNG")
    assert len(list((tmp_path / "cache/media").rglob("*.png"))) == 20


def split_from(table: dict[str, list[Sample]]) -> Callable[[str], list[Sample]]:
    return lambda split: table.get(split, [])


def task(tmp_path: Path, table: dict[str, list[Sample]], **clean: object) -> tuple[Lineage, dict[str, list[Sample]]]:
    target = tmp_path / "task"
    target.mkdir(exist_ok=True)
    return write_task("task", split_from(table), Store(tmp_path / "cache"), CleanRecipe(**clean), target, silent), written(target)


def test_a_tasks_training_sample_that_is_held_out_is_dropped_and_counted(tmp_path):
    long = "one two three four five six seven eight nine ten"
    table = {
        "train": [
            ask("a", answer="b"),
            ask("c", answer="d"),
            ask("e", answer=long + " eleven"),
            ask("g", answer="h", origin=Origin("s", "1", group="v")),
        ],
        "valid": [ask("C ", answer="d")],
        "test": [ask("e", answer=long), ask("i", answer="j", origin=Origin("s", "2", "MIT", "v", True))],
    }
    lineage, splits = task(tmp_path, table)
    assert [s.messages[0].text for s in splits["train"]] == ["a", "e"]
    assert lineage.dropped == {"equals a held-out sample": 1, "group is held out": 1}
    assert lineage.contamination["valid"].by_hash == 1 and lineage.contamination["test"].by_runs == 1
    assert {(p.source, p.licence, p.synthetic, p.samples) for p in lineage.provenance} == {("unknown", "", False, 4), ("s", "MIT", True, 1)}


def test_held_out_splits_of_a_task_are_never_cleaned(tmp_path):
    same = [ask("a", answer="b")] * 3
    _, splits = task(tmp_path, {"train": same, "test": [ask("c", answer="d")] * 3})
    assert len(splits["test"]) == 3 and len(splits["train"]) == 1


def test_media_bytes_of_a_task_become_files(tmp_path):
    png = to_png(np.zeros((4, 4, 3), np.uint8))
    _, splits = task(tmp_path, {"train": [ask(Part("image", png), answer="black")]})
    part = next(splits["train"][0].media())
    assert (tmp_path / "cache" / part.value).read_bytes() == png


def count_job(folder: Path, tick: Callable[[str, int], None]) -> Lineage:
    """At the top of a module, so that another process finds it."""
    table = {"train": [ask(f"{folder.name} {i}", answer="x") for i in range(300)]}
    return write_task(folder.name, split_from(table), Store(folder.parent), CleanRecipe(), folder, tick)


def failing_job(folder: Path, tick: Callable[[str, int], None]) -> Lineage:
    (folder / "train.jsonl").write_text("half")
    raise ValueError("no such thing")


def full_disk_job(folder: Path, tick: Callable[[str, int], None]) -> Lineage:
    raise OSError(28, "No space left on device")


def test_prepared_once_and_then_taken_as_it_is(tmp_path):
    target, ticks = tmp_path / "deep/er/abc", []
    found = prepare(target, {"a": count_job, "b": count_job}, 1, lambda name, count: ticks.append((name, count)))
    assert [len(list(found.samples(name, "train"))) for name in "ab"] == [300, 300]
    assert [tick for tick in ticks if tick[1]] == [("a", 200), ("a", 100), ("b", 200), ("b", 100)]  # 0: a split was empty
    assert prepare(target, {"a": failing_job}, 1, silent) == found
    assert sorted(p.name for p in target.parent.iterdir()) == ["abc"]


def test_processes_do_what_one_does(tmp_path):
    ticks = []
    jobs = {name: count_job for name in ("a", "b")}
    several = prepare(tmp_path / "several", jobs, 2, lambda name, count: ticks.append((name, count)))
    alone = prepare(tmp_path / "alone", jobs, 1, silent)
    assert several.lineage == alone.lineage and sorted(ticks) == [("a", 300), ("b", 300)]
    for name in jobs:
        assert several.path(name, "train").read_bytes() == alone.path(name, "train").read_bytes()


@pytest.mark.parametrize("job, reason", [(failing_job, "no such thing"), (full_disk_job, "No space left")])
def test_a_failure_leaves_nothing(tmp_path, job, reason):
    with pytest.raises((ValueError, OSError), match=reason):
        prepare(tmp_path / "deep/er/abc", {"a": count_job, "b": job}, 1, silent)
    assert list(tmp_path.iterdir()) == []


def test_lineage_comes_back_and_is_shown(tmp_path):
    lineage, _ = of_user(tmp_path, FileData(path=str(many(tmp_path)), licence="ODbL-1.0"))
    save([lineage], tmp_path / "lineage.json")
    assert load(tmp_path / "lineage.json") == (lineage,)
    assert licences([lineage]) == ("ODbL-1.0",)
    console = Console(width=160, file=io.StringIO())
    console.print(tables([lineage]))
    shown = console.file.getvalue()
    assert "ODbL-1.0" in shown and "many.jsonl" in shown
    (tmp_path / "lineage.json").write_text("{}")
    with pytest.raises(ValueError, match="not a lineage.json"):
        load(tmp_path / "lineage.json")


@pytest.mark.parametrize(
    "licence, flag",
    [
        ("CC-BY-SA-4.0", True),
        ("GPL-3.0", True),
        ("LGPL", True),
        ("MIT", False),
        ("Apache-2.0", False),
        ("BSD-3-Clause; Salesforce", False),
        ("CC BY-SA 3.0", True),
        ("MPL-2.0", True),
        ("CC-BY-4.0", False),
        ("", False),
    ],
)
def test_share_alike_licences(licence, flag):
    assert Provenance("x", licence, False, 1).share_alike is flag


def recipe(**data: object):
    return parse({"name": "x", "model": {"decoder_depth": 1}, "data": data}, "test")


def test_the_digest_knows_what_matters(tmp_path):
    path = many(tmp_path)
    files = [{"path": str(path)}]
    same = [
        recipe(tasks={"a": 1.0}, files=files),
        recipe(tasks={"a": 2.0}, files=files, row_tokens=99),
        recipe(tasks={"a": 1.0}, files=[{"path": str(path), "weight": 3}]),
    ]
    assert len({digest(r) for r in same}) == 1
    other = [
        recipe(tasks={"b": 1.0}, files=files),
        recipe(tasks={"a": 1.0}, files=files, options={"a": {"n": 1}}),
        recipe(tasks={"a": 1.0}, files=files, clean={"near": 0.8}),
        recipe(tasks={"a": 1.0}),
    ]
    assert len({digest(r) for r in [*same, *other]}) == 5
    before = digest(same[0])
    path.write_text(path.read_text() + "\n")
    assert digest(same[0]) != before != digest(same[0], code="changed")


def test_names_of_the_users_data():
    files = [FileData(path=p) for p in ("a/reviews.csv", "b/reviews.jsonl", "sentiment.txt", "photos/")]
    assert names(files, ["sentiment"]) == ["reviews", "reviews-2", "sentiment-2", "photos"]
