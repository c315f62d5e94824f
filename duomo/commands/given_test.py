import io
import json

import pytest

from duomo.commands.given import texts


def test_texts_come_from_words_lines_tables_json_lines_and_folders(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("一\n\n two \n", encoding="utf-8")
    (tmp_path / "b.csv").write_text('id,comment\n1,"x, y"\n2,\n', encoding="utf-8")
    (tmp_path / "c.jsonl").write_text(json.dumps({"text": "z", "id": 3}) + "\n", encoding="utf-8")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "e.txt").write_text("whole\nfile", encoding="utf-8")
    found = texts([str(tmp_path / name) for name in ("a.txt", "b.csv", "c.jsonl", "d")] + ["a word"])
    assert [one.text for one in found] == ["一", "two", "x, y", "z", "whole\nfile", "a word"]
    assert [one.where for one in found] == ["a.txt:1", "a.txt:3", "b.csv:2", "c.jsonl:1", "e.txt", "text"]
    assert found[2].row == {"id": "1", "comment": "x, y"}
    monkeypatch.setattr("sys.stdin", io.StringIO("p\nq\n"))
    assert [one.text for one in texts(["-"])] == ["p", "q"]


FAULTS = {
    "empty.txt": (b"", "holds no text"),
    "empty.csv": (b"", "is empty"),
    "head.csv": (b"text\n", "holds no text"),
    "binary.txt": (b"\x7fELF\0\0\0", "is no text"),
    "binary.csv": (b"\x89PNG\0\0", "is no text"),
    "latin.txt": ("好".encode("gbk") + b"\n", "is not UTF-8"),
    "latin.csv": (b"text\n" + "好".encode("gbk") + b"\n", "not UTF-8"),
    "ragged.csv": (b"text,id\na,1,2\n", "ragged.csv:2: 3 fields"),
    "which.csv": (b"a,b\n1,2\n", "which column holds the text"),
    "list.jsonl": (b"[1, 2]\n", "not an object"),
    "broken.jsonl": (b"{\n", "not JSON"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_text_is_refused_in_one_line(name, tmp_path):
    content, fault = FAULTS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=fault) as caught:
        texts([str(tmp_path / name)])
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    (tmp_path / "a.csv").write_text("review,id\nx,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no column 'reviw'; did you mean 'review'"):
        texts([str(tmp_path / "a.csv")], "reviw")
    (tmp_path / "a.txt").write_text("x\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no columns"):
        texts([str(tmp_path / "a.txt")], "review")


def test_a_file_that_is_not_there_is_no_text():
    with pytest.raises(ValueError, match="no such file"):
        texts(["nowhere.csv"])
    assert texts(["a word " * 400])[0].where == "text"


def test_lines_are_those_of_an_editor(tmp_path):
    (tmp_path / "a.txt").write_text("one\u2028still one\x0c.\ntwo\n", encoding="utf-8")
    found = texts([str(tmp_path / "a.txt")])
    assert [(one.text, one.where) for one in found] == [("one\u2028still one\x0c.", "a.txt:1"), ("two", "a.txt:2")]


def test_what_a_parser_gives_up_on_is_refused_in_one_line(tmp_path):
    wide = ",".join(map(str, range(200_000)))
    more = {"wide.csv": f"{wide}\n{wide}\n", "long.csv": "text\n" + "x" * 200_000}
    for name, content in (more | {"quoted.csv": 'text,"a"b\n1,2\n', "deep.json": "[" * 200_000}).items():
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=name) as caught:
            texts([str(tmp_path / name)])
        assert "\n" not in str(caught.value)


def test_the_input_is_utf8_whatever_the_locale(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffone\n"))
    assert texts(["-"])[0].text == "one"
    monkeypatch.setattr("sys.stdin", io.StringIO("caf\udce9\n"))
    with pytest.raises(ValueError, match="input: is not UTF-8"):
        texts(["-"])


def test_a_device_is_no_text():
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        texts(["/dev/null"])
