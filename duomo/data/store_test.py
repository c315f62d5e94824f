import hashlib
from dataclasses import replace

import pytest

from duomo.data.store import Store
from duomo.sources import SOURCES
from duomo.sources.source import File


def test_media_are_kept_once_under_their_hash(tmp_path):
    store = Store(tmp_path)
    path = store.keep(b"pixels", ".png")
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert path == f"media/{digest[:2]}/{digest}.png"
    assert store.keep(b"pixels", ".png") == path and store.bytes(path) == b"pixels"
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [f"{digest}.png"]


def test_a_cut_file_is_written_again(tmp_path):
    store = Store(tmp_path)
    path = store.keep(b"pixels", ".png")
    (tmp_path / path).write_bytes(b"pix")
    assert store.bytes(store.keep(b"pixels", ".png")) == b"pixels"


@pytest.mark.parametrize("suffix", ["", "png", "/../x", ".a/b", ".PNG "])
def test_a_suffix_is_a_suffix(tmp_path, suffix):
    with pytest.raises(ValueError, match="no file ending"):
        Store(tmp_path).keep(b"", suffix)


def test_nothing_outside_the_root_is_read(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (root / "link").symlink_to(secret)
    for path in ("../secret", str(secret), "link", "media/../../secret"):
        with pytest.raises(ValueError, match="outside the data root"):
            Store(root).bytes(path)
    with pytest.raises(ValueError, match="no such file; run `duomo prepare`"):
        Store(root).bytes("media/nothing")


def test_a_disk_that_refuses_is_one_line(tmp_path):
    (tmp_path / "media").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="can not be written"):
        Store(tmp_path).keep(b"pixels", ".png")


def test_an_unknown_source_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="no source 'digit'; did you mean 'digits'"):
        Store(tmp_path).open("digit")


def test_open_reads_what_the_cache_holds(tmp_path):
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "x.txt").write_bytes(b"one\ntwo")
    file = File("pypi", "x", "1", "x.txt", hashlib.sha256(b"one\ntwo").hexdigest(), 7)
    row = replace(SOURCES["hsk"], files=(file,), open=lambda paths: paths["x.txt"].read_text().split())
    assert Store(tmp_path, sources={"x": row}).open("x") == ["one", "two"]
