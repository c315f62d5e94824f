import json
import re
from dataclasses import replace

import numpy as np
import pytest

from duomo.retrieve.passage import LINE, Passage
from duomo.retrieve.shelf import MANIFEST, PASSAGES, Kept, build, digest, embedded, load, save

TEXTS = ("图书馆九点开门。", "The pool costs five euros.", "Dogs are welcome.", "The pool closes at six.")


def words(text):
    return re.findall(r"\w", text) if not text.isascii() else re.findall(r"\w+", text.lower())


def embed(texts):
    """Letters counted: a vector of length 1 for every text."""
    made = np.array([[text.count(chr(97 + n)) + 0.1 for n in range(26)] for text in texts], np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def shelf(texts=TEXTS, old=None, model="letters"):
    made = [Passage(f"{n}.txt", text, LINE, ((0, 1),)) for n, text in enumerate(texts)]
    return build("folder", model, {p.file: Kept("hash", 1) for p in made}, made, words, old)


def whole(made):
    *_, last = embedded(made, embed, 3)
    return last


def test_what_is_saved_is_loaded(tmp_path):
    made = whole(shelf())
    save(made, tmp_path / "s")
    read = load(tmp_path / "s")
    assert read.passages == made.passages and read.files == made.files and read.complete
    assert np.array_equal(read.vectors_ND, made.vectors_ND)
    assert np.array_equal(read.words.scores(["pool", "开"]), made.words.scores(["pool", "开"])) and read.words.scores(["pool"]).any()
    save(shelf((), model=""), tmp_path / "empty")
    assert load(tmp_path / "empty").passages == ()


def test_only_new_texts_are_embedded():
    asked = []

    def counted(texts):
        asked.extend(texts)
        return embed(texts)

    *_, made = embedded(shelf((TEXTS[2], "New one.", TEXTS[0]), whole(shelf())), counted, 10)
    assert asked == ["New one."] and made.complete
    assert np.allclose(made.vectors_ND, embed([passage.whole for passage in made.passages]))
    assert len(shelf(old=whole(shelf()), model="another").missing) == len(TEXTS)


def test_half_the_vectors_are_kept_and_the_rest_follows(tmp_path):
    half = next(embedded(shelf(), embed, 3))
    save(half, tmp_path / "s")
    read = load(tmp_path / "s")
    assert not read.complete and read.missing.tolist() == [3] and whole(read).complete


def test_a_changed_index_is_refused(tmp_path):
    save(whole(shelf()), tmp_path / "s")
    passages = tmp_path / "s" / PASSAGES
    passages.write_text(passages.read_text(encoding="utf-8").replace("five", "nine"), encoding="utf-8")
    with pytest.raises(ValueError, match="was changed"):
        load(tmp_path / "s")
    manifest = json.loads((tmp_path / "s" / MANIFEST).read_text())
    for text in ('{"file": 3}\n', passages.read_text(encoding="utf-8") * 2, "[]\n", "\n"):  # with a manifest that agrees
        passages.write_text(text, encoding="utf-8")
        manifest["sha256"][PASSAGES] = digest(passages)
        (tmp_path / "s" / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match="damaged"):
            load(tmp_path / "s")
    with pytest.raises(ValueError, match="no index"):
        load(tmp_path)


def test_a_manifest_names_no_file_outside(tmp_path):
    save(shelf(), tmp_path / "s")
    (tmp_path / "secret").write_text("x")
    manifest = json.loads((tmp_path / "s" / MANIFEST).read_text())
    manifest["sha256"] |= {"../secret": digest(tmp_path / "secret")}
    (tmp_path / "s" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="index the folder again"):
        load(tmp_path / "s")


def test_the_same_index_is_equal_whatever_is_lost_of_its_vectors():
    assert replace(whole(shelf()), vectors_ND=None).missing.tolist() == [0, 1, 2, 3]
