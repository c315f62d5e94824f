"""Laws of a measured run, of the demo, of its scoreboard and its tokenizer, on a tiny model trained from a small table."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from duomo import recipe as recipes
from duomo import report as reports
from duomo.checkpoint import open_run
from duomo.commands import demo, evaluate, scoreboard, tokenizer
from duomo.commands.evaluate import speaker
from duomo.evaluate.run import Setting
from duomo.recipe import Recipe
from duomo.sample import Sample, ask
from duomo.tasks import TASKS
from duomo.tasks.baselines import majority, swapped
from duomo.tasks.task import Metric, Task

CACHED = "cache"


def sums(most: int = 3) -> Task:
    """Small sums; makes its own samples."""
    counts = {"train": 60, "valid": 6, "test": 12}
    return Task(
        name="sums",
        samples=lambda split, store: [_sum(f"{split} {i}+{i % most}", i % most) for i in range(counts[split])],
        score=lambda sample, answer: {"right": answer.text == sample.answer},
        metrics=(Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=1 / 3),),
        baselines=lambda train, test, store: {"majority": majority([sample.answer for sample in train], len(test))},
        control=swapped,
    )


def _sum(question: str, value: int) -> Sample:
    return ask(question, answer=str(value), choices=("0", "1", "2"))


def tree(folder: Path, **changes: object) -> dict[str, object]:
    table = "".join(f"what comes after {i}?,it is {i + 1}\n" for i in range(120))
    (folder / "pairs.csv").write_text(f"question,answer\n{table}", encoding="utf-8")
    block = {"dim": 16, "heads": 2}
    found: dict[str, object] = {
        "name": "tiny",
        "model": {"decoder_depth": 1, "vocab_size": 300, "max_positions": 256, "block": block},
        "data": {"cache": str(folder / CACHED), "tasks": {"sums": 1}, "max_tokens": 64, "row_tokens": 128},
        "train": {"steps": 4, "rows": 1, "validate_every": 2, "save_every": 4, "validate_rows": 1, "threads": 1},
        "evaluate": {"samples": 12, "resamples": 20},
        "asks": ["what is <b>?"],
    }
    found["data"]["files"] = [{"path": str(folder / "pairs.csv"), "valid_share": 0.2, "licence": "CC-BY-SA-4.0"}]
    return found | changes


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The demo of a tiny recipe: its folder, recipe and report."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "sums", sums)
        patch.setattr("os.cpu_count", lambda: 1)  # other processes do not know the task
        recipe = recipes.parse(tree(folder), "here")
        yield folder, recipe, demo.run(recipe, folder / "runs")


def test_the_demo_ends_with_answers_a_scoreboard_and_what_to_do_next(shown):
    folder, _, report = shown
    told = "\n".join(report.lines)
    assert [row.task for row in report.rows] == ["sums", "pairs", "pairs"]
    order = ["4 steps", "sums\n  question test ", "pairs\n  question what comes after", "asked\n  question what is <b>?", "metric"]
    order += ["report.html", "time: fetch 0:0", f"duomo chat {folder / 'runs/tiny'}"]
    places = [told.index(words) for words in order]
    assert places == sorted(places) and "truth    it is" in told
    assert "together" in told and all(phase in told for phase in ("prepare", "train", "evaluate", "ask"))


def test_the_report_says_what_the_figures_depend_on(shown):
    folder, recipe, _ = shown
    kept = reports.load(folder / "runs/tiny/report.json")
    facts = kept.facts
    assert (facts["digest"], facts["seed"], facts["step"]) == (recipe.digest, 0, 4)
    assert facts["training"]["steps"] == 4 and facts["training"]["tokens"] > 0 and set(facts["training"]["valid"]) == {"sums", "pairs"}
    assert "CC-BY-SA-4.0" in facts["licences"] and facts["versions"]["torch"] and facts["machine"]["cores"] == 1
    assert set(facts["seconds"]) == {"sums", "pairs", "all"}
    page = (folder / "runs/tiny/report.html").read_text(encoding="utf-8")
    assert "share-alike" in page and (folder / "runs/tiny/curve.svg").is_file()


def test_baselines_computed_beside_the_model_are_the_same(shown):
    folder, recipe, report = shown
    opened = open_run(folder / "runs/tiny")
    asked = list(evaluate._asked(recipe, 1))
    setting = Setting("test", recipe.evaluate.samples, recipe.evaluate.resamples, recipe.seed)
    with ThreadPoolExecutor(1) as helper:
        found = evaluate._measured(asked, speaker(opened, recipe), setting, helper)
    assert tuple(row for one in found.values() for row in one.rows) == report.rows


def test_samples_are_read_from_where_they_were_prepared(shown, monkeypatch):
    folder, recipe, _ = shown
    asked = next(iter(evaluate._asked(recipe, 1)))
    kept = list(asked.task().samples("test", None))
    monkeypatch.setitem(TASKS, "sums", lambda **options: replace(sums(), samples=None))  # would fail if it were asked
    assert list(asked.task().samples("test", None)) == kept and len(kept) == 12
    assert replace(asked, folder=None).task().samples is None


def test_an_extra_task_is_asked_though_it_was_not_learned(shown, monkeypatch, tmp_path):
    folder, recipe, _ = shown
    shutil.copytree(folder / "runs", tmp_path / "runs")
    monkeypatch.setitem(TASKS, "more", lambda: replace(sums(), name="more"))
    wider = changed(recipe, evaluate={"extra": ["more"], "tasks": ["sums"], "resamples": 5, "samples": 5})
    found = evaluate.run(wider, tmp_path / "runs", workers=1)
    assert [(row.task, row.n) for row in found.rows] == [("sums", 5), ("more", 5)]


def test_what_would_mislead_is_refused(shown):
    folder, recipe, _ = shown
    with pytest.raises(ValueError, match="learned from other data than this recipe names"):
        evaluate.run(changed(recipe, seed=1), folder / "runs", workers=1)
    with pytest.raises(ValueError, match="not a run"):
        evaluate.run(changed(recipe, name="none"), folder / "runs", workers=1)
    with pytest.raises(ValueError, match="masked words"):
        evaluate.run(changed(recipe, data=recipe.data.model_dump() | {"mask_words": True}), folder / "runs", workers=1)


def test_missing_libraries_are_one_line_before_anything_begins(shown, monkeypatch):
    folder, recipe, _ = shown
    monkeypatch.setattr(demo, "NEEDED", ("json", "no_such_library", "none_either"))
    with pytest.raises(ValueError, match=r"^the demo needs no_such_library, none_either: pip install 'duomo\[demo\]'$"):
        demo.run(changed(recipe, name="never"), folder / "runs")
    assert not (folder / "runs/never").exists()


def test_the_scoreboard_reads_it_back(shown):
    folder, _, report = shown
    told = "\n".join(scoreboard.run([folder / "runs/tiny"]).lines)
    assert all(row.metric in told for row in report.rows) and "majority" in told
    assert scoreboard.run([folder / "runs/tiny"], markdown=True).lines[0].startswith("| task |")
    beside = scoreboard.run([folder, folder / "runs/tiny"]).lines
    assert "\n".join(beside[:-2]) == told and beside[-1].startswith(f"not evaluated: {folder}; ")


def test_tokens_are_shown_with_their_ids_and_measured_by_language(shown):
    folder, recipe, _ = shown
    line, count, density = tokenizer.show(folder / "runs/tiny", "what is\n3").lines
    ids = [int(piece.rpartition("·")[2]) for piece in line.split(" ")]
    assert open_run(folder / "runs/tiny").tokenizer.decode(ids) == "what is\n3" and count == f"{len(ids)} tokens"
    assert "␣" in line and "⏎" in line and f"{9 / len(ids):.2f} bytes" in density
    both = tokenizer.show(folder / "runs/tiny/tokenizer.json")
    assert set(both.facts) == {"zh", "other"} and both.facts["zh"]["bytes"] > 2 * both.facts["zh"]["characters"]
    learned = tokenizer.learn(recipe)
    assert "held-out" in learned.lines[0] and list(learned.facts) == ["other"] and json.dumps(learned.facts)


def test_every_recipe_that_follows_is_trained_and_the_last_two_are_compared(shown, tmp_path):
    _, recipe, _ = shown
    names = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(tree(tmp_path, name=name, asks=[])), encoding="utf-8")
        names.append(str(tmp_path / f"{name}.yaml"))
    first = recipes.parse(tree(tmp_path, name="first", then=names, model=recipe.model.model_dump()), "here")
    told = "\n".join(demo.run(first, tmp_path / "runs").lines)
    assert told.index("runs/one: 4 steps") < told.index("runs/two: 4 steps") < told.index("paired bootstrap") < told.index("time:")


def changed(recipe: Recipe, **parts: object) -> Recipe:
    """The recipe with some of its parts replaced."""
    return recipes.parse(recipe.model_dump(mode="json") | parts, "here")
