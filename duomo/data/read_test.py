import io
import json
import wave
from pathlib import Path

import pytest

from duomo.data.chats import SPEAKERS
from duomo.data.quarantine import Quarantine
from duomo.data.read import detect, inside, read
from duomo.modalities.image import to_png
from duomo.recipe import FileData
from duomo.sample import Message, Part, Sample, ask, text, to_json


def write(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines) + "\n", encoding="utf-8"
    )
    return path


def samples(path: Path, quarantine: Quarantine | None = None, **choices: object) -> list[Sample]:
    return list(read(FileData(path=str(path), **choices), quarantine))


def pairs(found: list[Sample]) -> list[tuple[str, str]]:
    return [("".join(m.text for m in s.messages if m.role == "user"), s.answer) for s in found]


def picture(path: Path, level: int = 0) -> Path:
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_png(np.full((8, 8, 3), level, np.uint8)))
    return path


def sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(3200))
    path.write_bytes(data.getvalue())
    return path


def test_our_own_lines_come_back(tmp_path):
    picture(tmp_path / "pictures/a.png")
    sent = [ask("hello", answer="你好"), ask(Part("image", "pictures/a.png"), "what?", answer="black")]
    path = write(tmp_path / "own.jsonl", *(to_json(s) for s in sent))
    found = samples(path, licence="CC0-1.0")
    assert [s.messages for s in found] == [s.messages for s in sent]
    assert found[1].origin.source == "own.jsonl" and found[1].origin.id == "own.jsonl:2" and found[1].origin.licence == "CC0-1.0"


def test_sharegpt_turns_and_pictures(tmp_path):
    picture(tmp_path / "a.png")
    turns = [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}]
    rows = [
        {"conversations": turns, "image": "a.png", "system": "be short"},
        {"conversations": turns[:1] + turns[1:], "image": []},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}], "image": "a.png"},
        {"conversations": [{"from": "alien", "value": "hi"}]},
    ]
    quarantine = Quarantine()
    found = samples(write(tmp_path / "share.json", json.dumps(rows)), quarantine)
    assert found[0].messages == (
        Message("system", (text("be short"),)),
        Message("user", (Part("image", "a.png"), text("what is it?"))),
        Message("assistant", (text("a cat"),)),
    )
    assert found[1].messages[0].parts == (Part("image", "a.png"), text("hi"))
    assert [str(f).removeprefix(str(tmp_path)) for f in quarantine.faults] == [
        "/share.json:2: more <image> placeholders than image files",
        f"/share.json:4: unknown speaker 'alien'; known: {', '.join(SPEAKERS)}",
    ]


def test_sharegpt_preference_pairs(tmp_path):
    row = {
        "conversations": [{"from": "human", "value": "2+2?"}],
        "chosen": {"from": "gpt", "value": "4"},
        "rejected": {"from": "gpt", "value": "5"},
    }
    assert [(s.answer, s.rejected) for s in samples(write(tmp_path / "a.jsonl", row))] == [("4", "5")]


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_alpaca_in_both_forms(tmp_path, ending):
    rows = [{"instruction": "Translate.", "input": "cat", "output": "猫"}, {"instruction": "Say hi.", "input": "", "output": "hi"}]
    path = write(tmp_path / f"a.{ending}", *([json.dumps(rows, indent=1)] if ending == "json" else rows))
    assert pairs(samples(path)) == [("Translate.\ncat", "猫"), ("Say hi.", "hi")]


def test_tables_by_column_and_by_template(tmp_path):
    path = write(tmp_path / "a.csv", "title,body,label", '"Rain, again","It rains.",sad')
    assert pairs(samples(path, question="{title}: {body}", answer="label")) == [("Rain, again: It rains.", "sad")]
    path = write(tmp_path / "a.tsv", "question\tanswer", "one?\t1")
    assert pairs(samples(path)) == [("one?", "1")]


def test_a_missing_column_names_file_column_and_columns(tmp_path):
    path = write(tmp_path / "a.csv", "q,a", "1,2")
    with pytest.raises(ValueError) as error:
        samples(path, Quarantine(), question="qq")
    assert str(error.value) == f"{path}: no column 'qq'; the columns are: q, a"


def test_bad_rows_are_quarantined_with_their_line(tmp_path):
    path = write(tmp_path / "a.csv", "question,answer", "1,2", "1,2,3", '"two\nlines",x', "3,")
    quarantine = Quarantine()
    assert pairs(samples(path, quarantine)) == [("1", "2"), ("two\nlines", "x")]
    assert [(f.record, f.reason.split(";")[0]) for f in quarantine.faults] == [
        (3, "3 fields where the header has 2"),
        (6, "column 'answer' is empty"),
    ]
    with pytest.raises(ValueError, match=r"a\.csv:3: 3 fields"):
        samples(path)


def test_a_broken_line_does_not_stop_the_rest(tmp_path):
    good = to_json(ask("a", answer="b"))
    path = write(tmp_path / "a.jsonl", good, "{broken", good, "[1]", {"messages": []})
    with path.open("ab") as file:
        file.write(b"\xff\xfe{}\n")
    quarantine = Quarantine()
    assert len(samples(path, quarantine)) == 2
    assert [f.record for f in quarantine.faults] == [2, 4, 5, 6]


def test_parquet_with_labels_and_pictures(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    png = picture(tmp_path / "x.png").read_bytes()
    features = {"info": {"features": {"photo": {"_type": "Image"}, "kind": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}
    table = pa.table({"photo": [{"bytes": png, "path": None}] * 2, "kind": [1, 0]})
    (tmp_path / "set").mkdir()
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "set/a.parquet")
    found = samples(tmp_path / "set", question="{photo}what?", answer="kind")
    assert [s.answer for s in found] == ["dog", "cat"]
    assert found[0].messages[0].parts == (Part("image", png), text("what?"))
    assert found[0].origin.id == "a.parquet:1"


def test_a_saved_data_set_of_hugging_face(tmp_path):
    import pyarrow as pa

    table = pa.table({"messages": [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]})
    (tmp_path / "train").mkdir()
    with pa.OSFile(str(tmp_path / "train/data-00000-of-00001.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    write(tmp_path / "dataset_dict.json", {"splits": ["train"]})
    write(tmp_path / "train/dataset_info.json", {})
    assert pairs(samples(tmp_path)) == pairs(samples(tmp_path / "train")) == [("a", "b")]


def test_a_truncated_parquet_is_one_line(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="a.parquet: not a whole Parquet or Arrow file") as error:
        samples(tmp_path / "a.parquet")
    assert "\n" not in str(error.value)


def test_text_by_blocks_and_by_files(tmp_path):
    path = write(tmp_path / "a.txt", "First line", "goes on.", "", "  ", "第二段。")
    assert [s.answer for s in samples(path)] == ["First line\ngoes on.", "第二段。"]
    assert [len(s.messages) for s in samples(path)] == [1, 1]
    assert [s.origin.id for s in samples(path)] == ["a.txt:1", "a.txt:5"]
    write(tmp_path / "b.txt", "Other", "", "file.")
    assert [s.answer for s in samples(tmp_path, question="Write.")] == ["First line\ngoes on.\n\n  \n第二段。", "Other\n\nfile."]


def test_folders_named_as_labels(tmp_path):
    picture(tmp_path / "cats/a.png")
    picture(tmp_path / "dogs/b.png", 9)
    picture(tmp_path / "loose.png", 7)
    quarantine = Quarantine()
    found = samples(tmp_path, quarantine, question="what?")
    assert [(s.messages[0].parts, s.answer) for s in found] == [
        ((Part("image", "cats/a.png"), text("what?")), "cats"),
        ((Part("image", "dogs/b.png"), text("what?")), "dogs"),
    ]
    assert "put it into a subfolder named as its label" in quarantine.faults[0].reason


@pytest.mark.parametrize(
    "name, lines", [("metadata.csv", ["file_name,text", "a.png,a cat"]), ("metadata.jsonl", [{"file_name": "a.png", "text": "a cat"}])]
)
def test_folders_with_metadata(tmp_path, name, lines):
    picture(tmp_path / "a.png")
    write(tmp_path / name, *lines)
    assert [(s.messages[0].parts, s.answer) for s in samples(tmp_path)] == [((Part("image", "a.png"),), "a cat")]
    with pytest.raises(ValueError, match="no column 'capt'"):
        samples(tmp_path, answer="capt")


def test_recordings_with_transcripts(tmp_path):
    sound(tmp_path / "one.wav")
    write(tmp_path / "one.txt", "number one")
    found = samples(tmp_path)
    assert detect(FileData(path=str(tmp_path))) == "audio_folder"
    assert [(s.messages[0].parts, s.answer) for s in found] == [((Part("audio", "one.wav"),), "number one")]


def test_clips_by_label(tmp_path):
    (tmp_path / "left").mkdir()
    (tmp_path / "left/a.mp4").write_bytes(b"not read here")
    assert [(s.messages[0].parts[0].kind, s.answer) for s in samples(tmp_path)] == [("video", "left")]


def test_media_stay_inside_the_folder(tmp_path):
    picture(tmp_path / "secret.png")
    picture(tmp_path / "data/a.png")
    (tmp_path / "data/link.png").symlink_to(tmp_path / "secret.png")
    for bad in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "https://example.org/a.png", "none.png", "."):
        with pytest.raises(ValueError, match="outside|no such file"):
            inside(tmp_path / "data", bad)
    assert inside(tmp_path / "data", "../data/a.png") == "a.png"
    path = write(tmp_path / "data/a.jsonl", to_json(ask(Part("image", "../secret.png"), answer="x")))
    with pytest.raises(ValueError, match=r"a\.jsonl:1: '../secret.png' lies outside the data folder"):
        samples(path)


def test_missing_and_empty_are_errors_even_with_a_quarantine(tmp_path):
    write(tmp_path / "train.csv", "question,answer", "1,2")
    with pytest.raises(ValueError, match=r"tran\.csv: no such file or folder; did you mean 'train.csv'\?"):
        samples(tmp_path / "tran.csv", Quarantine())
    (tmp_path / "none.jsonl").write_text("\n\n")
    (tmp_path / "head.csv").write_text("question,answer\n")
    (tmp_path / "zero.csv").write_text("")
    (tmp_path / "folder").mkdir()
    for name in ("none.jsonl", "head.csv", "folder"):
        with pytest.raises(ValueError, match="an empty data set"):
            samples(tmp_path / name, Quarantine())
    with pytest.raises(ValueError, match="no header line"):
        samples(tmp_path / "zero.csv", Quarantine())
    write(tmp_path / "bad.jsonl", "x", "y")
    with pytest.raises(ValueError, match="no good record in it; the first fault: .*bad.jsonl:1: not JSON"):
        samples(tmp_path / "bad.jsonl", Quarantine())


def test_another_encoding_is_told(tmp_path):
    (tmp_path / "a.csv").write_bytes("question,answer\n你好,再见\n".encode("gbk"))
    with pytest.raises(ValueError, match="a.csv: no good record in it; the first fault: .*a.csv:2: not UTF-8; save the file as UTF-8"):
        samples(tmp_path / "a.csv", Quarantine())
    (tmp_path / "b.csv").write_bytes("问,answer\n1,2\n".encode("gbk"))
    with pytest.raises(ValueError, match="b.csv: not UTF-8"):
        samples(tmp_path / "b.csv", Quarantine())


def test_a_record_that_is_no_utf_8_is_put_aside(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"question,answer\n1,2\n3,caf\xe9\n" + "问,答\n".encode())
    quarantine = Quarantine()
    assert pairs(samples(tmp_path / "a.csv", quarantine)) == [("1", "2"), ("问", "答")]
    assert [str(fault) for fault in quarantine.faults] == [f"{tmp_path}/a.csv:3: not UTF-8; save the file as UTF-8"]


def test_unknown_formats_suggest_the_nearest(tmp_path):
    path = write(tmp_path / "a.csv", "question,answer", "1,2")
    with pytest.raises(ValueError, match="did you mean 'parquet'"):
        samples(path, format="parket")
