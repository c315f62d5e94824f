import gzip
import io
import tarfile
import zipfile

import pytest

from duomo.sources.archive import gunzipped, member, members

FILES = {"a/one.txt": b"one", "a/two.txt": b"two\nlines", "b/three.bin": bytes(5000)}


@pytest.fixture(params=["x.whl", "x.tar.gz"])
def archive(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in FILES.items():
                out.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz") as out:
            for name, data in FILES.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
    return path


def test_a_member_is_read_as_it_was_written(archive):
    for name, data in FILES.items():
        with member(archive, name, 10_000) as stream:
            assert stream.read() == data


def test_members_come_in_order_and_nothing_is_written(archive):
    found = {name: list(stream) for name, stream in members(archive, lambda name: name.startswith("a/"), 100)}
    assert found == {"a/one.txt": [b"one"], "a/two.txt": [b"two\n", b"lines"]}
    assert list(archive.parent.iterdir()) == [archive]


def test_a_member_that_is_too_large_is_refused_before_it_is_read(archive):
    with pytest.raises(ValueError, match="larger than the 0 MB"), member(archive, "b/three.bin", 4999):
        pass


def test_a_missing_member_is_named(archive):
    with pytest.raises(ValueError, match="holds no c/four"), member(archive, "c/four", 10):
        pass


def test_damage_is_one_line(archive):
    data = bytearray(archive.read_bytes())
    data[45:60] = bytes(15)
    archive.write_bytes(data)
    with pytest.raises(ValueError, match="fetch") as error:
        for name in FILES:
            with member(archive, name, 10_000) as stream:
                stream.read()
    assert "\n" not in str(error.value)


def test_a_gzip_bomb_stops_at_the_limit():
    bomb = io.BytesIO(gzip.compress(bytes(1_000_000)))
    with pytest.raises(ValueError, match="x.csv.gz: larger"):
        gunzipped(bomb, 1000, "x.csv.gz").read()


def test_a_cut_gzip_stream_is_damage():
    cut = io.BytesIO(gzip.compress(b"hello" * 100)[:-9])
    with pytest.raises(ValueError, match="x.csv.gz: a damaged archive"):
        gunzipped(cut, 10_000, "x.csv.gz").read()
