from pathlib import Path

import pytest

from duomo.commands.resolve import is_recipe, resolve_model, resolve_recipe, resolve_report


def a_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text("{}")
    return folder


def test_a_model_is_found_by_path_by_run_and_by_fetched_name(tmp_path: Path) -> None:
    run, fetched = a_run(tmp_path / "runs" / "small"), a_run(tmp_path / "cache" / "models" / "big")
    shelves = (tmp_path / "runs", tmp_path / "cache")
    assert resolve_model(run) == run
    assert resolve_model("small", *shelves) == run
    assert resolve_model("big", *shelves) == fetched


def test_an_unknown_model_names_the_nearest(tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs" / "four-senses")
    with pytest.raises(ValueError, match="did you mean '.*four-senses'"):
        resolve_model("four-sense", tmp_path / "runs", tmp_path / "cache")
    with pytest.raises(ValueError, match="did you mean '.*four-senses'"):
        resolve_model(f"{run}s", tmp_path / "runs", tmp_path / "cache")
    with pytest.raises(ValueError, match="train one first"):
        resolve_model("x", tmp_path / "none", tmp_path / "none")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no model"):
        resolve_model(tmp_path)


def test_a_recipe_is_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "recipes" / "my_own.yaml"
    own.parent.mkdir()
    own.write_text("name: my-own\n")
    monkeypatch.chdir(tmp_path)
    assert resolve_recipe(str(own)) == own
    for name in ("recipes/my_own.yaml", "my_own", "my-own", "my_own.yaml"):
        assert resolve_recipe(name).samefile(own)
    with pytest.raises(ValueError, match="did you mean 'my-own'"):
        resolve_recipe("my-won")
    with pytest.raises(ValueError, match="elsewhere/my_own.yaml: no such recipe"):
        resolve_recipe("elsewhere/my_own.yaml")


def test_a_run_in_the_current_folder_wins_over_a_run_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path / "runs" / "x")
    here = a_run(tmp_path / "x")
    monkeypatch.chdir(tmp_path)
    assert resolve_model("x").samefile(here)
    (here / "recipe.json").unlink()
    assert resolve_model("x").samefile(tmp_path / "runs" / "x")


def test_a_run_is_its_recipe_too(tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs" / "odd-name")
    assert resolve_recipe(str(run)) == resolve_recipe("odd-name", tmp_path / "runs") == run / "recipe.json"


def test_a_recipe_is_told_from_a_data_set(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (tmp_path / "table.csv").touch()
    (tmp_path / "lines.json").touch()
    assert all(map(is_recipe, ("tiny", "none.yaml", "recipes/none.yml", str(run), str(run / "recipe.json"))))
    assert not any(map(is_recipe, (str(tmp_path), str(tmp_path / "table.csv"), str(tmp_path / "lines.json"), "none.csv")))


def test_a_report_needs_no_model_beside_it(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    assert resolve_report(str(tmp_path)) == tmp_path
    assert resolve_report(str(tmp_path / "report.json")) == tmp_path / "report.json"
    with pytest.raises(ValueError, match="holds no model"):
        resolve_report(str(tmp_path.parent))
