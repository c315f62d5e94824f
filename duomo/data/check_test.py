from pathlib import Path

from duomo.data.check import check
from duomo.data.read_test import picture, write
from duomo.recipe import FileData
from duomo.sample import Part, ask, to_json


def found(path: Path, **choices: object):
    return check(FileData(path=str(path), **choices))


def test_every_fault_has_its_line(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:44])
    lines = [to_json(ask(Part("image", f"{name}.png"), "what?", answer="black")) for name in ("a", "torn", "none")]
    path = write(tmp_path / "set.jsonl", *lines, "{", to_json(ask("no answer")), lines[0])
    result = found(path)
    assert result.records == 2 and result.fault_count == 4
    assert [(f.file, f.record) for f in result.faults] == [(str(path), line) for line in (2, 3, 4, 5)]
    assert [
        word in f.reason for f, word in zip(result.faults, ("damaged", "no such file", "not JSON", "nothing to learn"), strict=True)
    ] == [True] * 4
    assert result.facts["exact duplicates"] == "1" and result.facts["media"] == "2 image"


def test_only_the_first_faults_are_kept(tmp_path):
    path = write(tmp_path / "a.jsonl", *["{"] * 70, to_json(ask("a", answer="b")))
    result = found(path)
    assert (len(result.faults), result.fault_count, result.records) == (50, 70, 1)


def test_a_fault_of_the_whole_file(tmp_path):
    result = found(write(tmp_path / "a.csv", "q,a", "1,2"))
    assert [str(f) for f in result.faults] == [f"{tmp_path}/a.csv: no column 'question'; the columns are: q, a"]
    assert found(tmp_path / "none.csv").fault_count == 1


def test_a_sound_set_is_described(tmp_path):
    result = found(write(tmp_path / "a.csv", "question,answer", "1,yes", "2,yes", "3,no"))
    assert result.fault_count == 0
    assert result.facts["distinct answers"] == "2; most common: 'yes' 67%, 'no' 33%"
