"""Laws of the tour's shelf: it answers by words before its vectors, and what stands in its files is where the files are."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from duomo.commands.documents import files_in
from duomo.commands.tour_ask import FRAME, Counter
from duomo.commands.tour_desk import Desk
from duomo.commands.tour_files import ARTICLES, PARTS, RECORDINGS, SURE, TRUTHS, lay, truths
from duomo.data.store import Store
from duomo.retrieve.passage import SECOND, Passage
from duomo.retrieve.shelf import Kept, build
from duomo.retrieve.words import searcher
from duomo.sample import Origin, Part, ask
from duomo.sources import SOURCES
from duomo.vectors_test import embedder
from tests import small

for library in ("jieba", "snowballstemmer"):
    pytest.importorskip(library)

TEXTS = ("The pool closes at six.", "Dogs are welcome on a lead.", "The cat sat on the mat.")


def desk(tmp_path, place=SECOND):
    passages = [Passage(f"{number}.wav", text, place, ((0, 2.5),)) for number, text in enumerate(TEXTS)]
    files = {passage.file: Kept("0") for passage in passages}
    return Desk(tmp_path, build(str(tmp_path), "e5", files, passages, searcher(), None))


def test_it_answers_by_words_before_there_are_vectors_with_the_second_to_play_from(tmp_path):
    found = desk(tmp_path).answer("when does the pool close?")
    assert (found.quote, found.by, found.second) == (TEXTS[0], "by words", 2.5)
    assert found.file == tmp_path / "0.wav" and found.where == "0.wav, 0:02"
    lines = desk(tmp_path, "line").answer("when does the pool close?")
    assert lines.second is None, "only sound is played"


def test_what_has_no_vector_yet_is_still_found_by_words(tmp_path):
    made = desk(tmp_path)
    made.maker = embedder(unknown=1.0)
    vectors_ND = np.full((3, 32), np.nan, np.float32)
    vectors_ND[2] = made.maker.embed([TEXTS[2]], "passage")[0]
    made.shelf = replace(made.shelf, vectors_ND=vectors_ND)
    assert made.answer("when does the pool close?").quote == TEXTS[0]


def test_an_empty_shelf_says_so(tmp_path):
    with pytest.raises(ValueError, match="still empty"):
        Desk(tmp_path).answer("when?")


def test_the_frame_of_a_question_for_a_recording_is_known_from_others():
    asked = FRAME.fullmatch("Which recording says that the caller is alone?")
    assert asked is not None and asked["said"] == "the caller is alone"
    for other in ("Which recording is the longest?", "What says the recording?", "Who is alone?"):
        assert FRAME.fullmatch(other) is None


def test_without_a_language_model_nothing_is_weighed_and_nothing_made_up(tmp_path):
    counter = Counter(desk(tmp_path))
    assert counter.reported("Which recording says that the pool closes?") is None
    assert len(list(counter.answer("Who was the first emperor of Rome?"))) == 1


def spoken():
    yield from (
        ask(
            Part("audio", small.media("audio", number % 4)),
            answer=f"these are words of clip {number}",
            origin=Origin("asterisk", f"a/{number}"),
        )
        for number in range(30)
    )
    yield ask(Part("audio", small.media("audio", 1)), answer="You are the only person here.", origin=Origin("asterisk", SURE))


def test_the_recordings_lie_beside_a_truth_that_the_shelf_does_not_read(tmp_path):
    store = Store(tmp_path, sources={"asterisk": replace(SOURCES["asterisk"], files=(), open=lambda paths: spoken())})
    store._opened["asterisk"] = list(spoken())
    part = next(part for part in PARTS if part.name == "recordings")
    folder = lay(part, store, tmp_path / "sample")
    found = truths(tmp_path / "sample")
    assert len(found) == RECORDINGS and f"{SURE}.wav" in {path.name for path in found}
    assert {path.name for path in files_in(tmp_path)} == {path.name for path in found}, "the truth is hidden"
    with (folder / TRUTHS).open(encoding="utf-8", newline="") as table:
        assert dict(csv.reader(table)) == {path.name: text for path, text in found.items()}
    (folder / "mine.txt").write_text("kept", encoding="utf-8")
    assert (lay(part, store, tmp_path / "sample") / "mine.txt").is_file(), "what stands is not laid again"


def test_the_manual_has_the_same_blocks_in_both_languages(tmp_path):
    store = Store(tmp_path)
    blocks = [ask(f"这是一个足够长的段落，第 {n} 段。", answer=f"Block {n}.", origin=Origin("d", f"ch04/{n}")) for n in range(5)]
    store._opened["debian_reference"] = [
        *blocks,
        ask("短", answer="short", origin=Origin("d", "ch04/9")),
        ask("别章" * 9, answer="x", origin=Origin("d", "ch01/1")),
    ]
    folder = lay(next(part for part in PARTS if part.name == "manual"), store, tmp_path)
    english, chinese = ((folder / f"ch04.{language}.txt").read_text(encoding="utf-8") for language in ("en", "zh"))
    assert english.split("\n\n") == [f"Block {n}." for n in range(4)] + ["Block 4.\n"]
    assert len(chinese.split("\n\n")) == 5 and ARTICLES == 300
