import hashlib
from dataclasses import replace

import pytest

from duomo.commands import fetch, sources
from duomo.sources import SOURCES
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
