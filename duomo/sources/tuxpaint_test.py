"""Laws of the source of stamps."""

import json

from duomo.sources.archive_test import deb
from duomo.sources.tuxpaint import FILE, FOLDER, TUXPAINT, TUXPAINT_SPEECH, captions

LION = "A lion.\nfr.utf8=Un lion.\nzh_CN.utf8=狮子。\nzh_TW.utf8=獅子。\n"


def opened(folder, files):
    (folder / FILE.name).write_bytes(deb({f"{FOLDER}{name}": data for name, data in files.items()}))
    return list(TUXPAINT.open({FILE.name: folder / FILE.name}))


def test_pictures_have_their_names_in_both_languages(tmp_path):
    files = {"animals/lion.txt": LION.encode(), "animals/lion.png": b"png", "animals/lion.ogg": b"sound"}
    files |= {"x/tree.png": b"2", "x/tree.txt": b"A tree."}
    lion, tree = opened(tmp_path, files)
    assert lion.origin.id == "animals/lion" and json.loads(lion.answer) == {"en": "A lion.", "zh": "狮子。"}
    assert [part.value for part in lion.media()] == [b"png"] and json.loads(tree.answer) == {"en": "A tree."}


def test_pictures_without_a_name_and_names_without_a_picture_are_left_out(tmp_path):
    assert not opened(tmp_path, {"a.png": b"1", "b.txt": b"A drawing.", "c.png": b"3", "c.txt": b"\n\n"})


def test_a_caption_may_be_broken():
    assert captions(b"") == {} and captions(b"A \xff\n") == {"en": "A \ufffd"}


def test_spoken_captions_are_answered_with_what_is_said_and_its_english(tmp_path):
    files = {"animals/lion.txt": LION, "animals/lion_desc_fr.ogg": "fr", "animals/lion_desc_ru.ogg": "no text", "animals/lion.ogg": "roar"}
    files |= {"lost_desc_fr.ogg": "no text", "x/tree.txt": "A tree.\nes.utf8=Un árbol.\n", "x/tree_desc_es.ogg": "es"}
    packed = {f"{FOLDER}{name}": data.encode() for name, data in files.items()}
    (tmp_path / FILE.name).write_bytes(deb(packed))
    lion, tree = TUXPAINT_SPEECH.open({FILE.name: tmp_path / FILE.name})
    assert [json.loads(clip.answer) for clip in (lion, tree)] == [{"fr": "Un lion.", "en": "A lion."}, {"es": "Un árbol.", "en": "A tree."}]
    assert [(part.kind, part.value) for clip in (lion, tree) for part in clip.media()] == [("audio", b"fr"), ("audio", b"es")]
    assert [(clip.origin.source, clip.origin.id, clip.origin.group) for clip in (lion, tree)] == [
        ("tuxpaint_speech", "animals/lion fr", "fr"),
        ("tuxpaint_speech", "x/tree es", "es"),
    ]
