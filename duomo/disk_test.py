import os
import subprocess

import pytest

from duomo.disk import need_room, whole_file, whole_folder


def tree(folder):
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_what_fails_while_it_is_written_vanishes_with_the_folders_made_for_it(tmp_path, whole, error):
    with pytest.raises(error), whole(tmp_path / "a/b/c") as new:
        (new / "x" if new.is_dir() else new).write_text("half")
        raise error
    assert tree(tmp_path) == {}


def test_a_failure_harms_neither_the_target_nor_its_neighbours(tmp_path):
    (tmp_path / "a/c").mkdir(parents=True)
    (tmp_path / "a/c/x").write_text("old")
    before = tree(tmp_path)
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a/c"):
        1 / 0  # noqa: B018
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a/c/x"):
        1 / 0  # noqa: B018
    assert tree(tmp_path) == before


def test_what_is_written_takes_the_targets_place(tmp_path):
    for text in ("one", "two"):
        with whole_file(tmp_path / "a/x") as new:
            new.write_text(text)
        with whole_folder(tmp_path / "a/b") as new:
            (new / text).write_text(text)
        assert tree(tmp_path) == {"a": None, "a/b": None, f"a/b/{text}": text, "a/x": text}


def test_without_replace_the_first_of_two_stays(tmp_path):
    with whole_folder(tmp_path / "a", replace=False) as late:
        (tmp_path / "a").mkdir()
        (tmp_path / "a/x").write_text("first")
        (late / "x").write_text("second")
    assert tree(tmp_path) == {"a": None, "a/x": "first"}


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    for process in (ended.pid, os.getppid()):
        (tmp_path / f".a.{process}.writing").mkdir()
    with whole_folder(tmp_path / "a"):
        pass
    assert list(tree(tmp_path)) == [f".a.{os.getppid()}.writing", "a"]


def test_a_disk_that_refuses_is_told_with_the_file(tmp_path):
    with pytest.raises(ValueError, match="c: can not be written .No space left"), whole_file(tmp_path / "c"):
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError) as error, whole_folder(tmp_path / "d"):
        raise OSError(28, "No space left on device")
    assert error.value.filename == str(tmp_path / "d")


def test_room_is_asked_for_where_no_folder_is_yet(tmp_path):
    need_room(tmp_path / "a/b", 1000)
    with pytest.raises(ValueError, match=r"a/b: no space left on the disk: [\d,.]+ MB are needed and [\d,.]+ MB are free"):
        need_room(tmp_path / "a/b", 10**18)


@pytest.mark.parametrize("name", ["a [1]", "a**b", "名" * 80])
def test_a_folder_may_have_any_name_and_what_was_left_of_it_goes(tmp_path, name):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".{name[:66]}.{ended.pid}.writing").mkdir()
    with whole_folder(tmp_path / name):
        pass
    assert list(tree(tmp_path)) == [name]
