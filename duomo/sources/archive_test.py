import gzip
import io
import tarfile
import zipfile

import pytest

from duomo.sources.archive import gunzipped, member, members

FILES = {"a/one.txt": b"one", "a/two.txt": b"two\nlines", "b/three.bin": bytes(5000)}


@pytest.fixture(params=["x.whl", "x.tar.gz", "x.deb"])
def archive(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in FILES.items():
                out.writestr(name, data)
    else:
        path.write_bytes(packed(FILES, "gz") if path.suffix == ".gz" else deb(FILES))
    return path


def packed(files, how):
    """A compressed tar archive of these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=f"w:{how}") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return made.getvalue()


def deb(files):
    """A Debian package of these files."""
    inside = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": packed(files, "xz")}
    parts = (
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        for name, data in inside.items()
    )
    return b"!<arch>\n" + b"".join(parts)


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


@pytest.mark.parametrize(
    "data", [b"!<arch>\n", b"!<arch>\n" + b"x" * 70, deb({})[:90], deb(FILES)[:240]], ids=["empty", "no header", "cut", "damaged"]
)
def test_a_damaged_debian_package_is_told(data, tmp_path):
    (tmp_path / "x.deb").write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.deb: (a damaged archive|holds no)"):
        with member(tmp_path / "x.deb", "b/three.bin", 10_000) as stream:
            stream.read()
