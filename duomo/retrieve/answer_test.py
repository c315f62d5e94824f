from dataclasses import replace

import pytest

from duomo.retrieve.answer import Reader, units
from duomo.retrieve.confidence import CALIBRATIONS, Calibration
from duomo.retrieve.memory import Memory
from duomo.retrieve.passage import LINE, ROW, Passage
from duomo.retrieve.search import PLAIN, Search, search
from duomo.retrieve.shelf_test import TEXTS, embed, shelf, whole, words
from duomo.retrieve.words import is_question


def reader(**changes):
    return Reader(replace(whole(shelf()), **changes), words, embed, embed)


def test_the_sentence_that_shares_the_question_is_quoted_with_its_place():
    found = Reader(shelf(model=""), words).answer("When does the pool close at night, at six?")
    assert found.nearest[0].text == TEXTS[3] and found.nearest[0].where == "3.txt, line 1"
    assert Reader(shelf(model=""), words).answer("图书馆几点开门").nearest[0].text == TEXTS[0]


def test_nothing_shared_is_no_answer():
    found = Reader(shelf(model=""), words).answer("zebra quantum")
    assert found.quotes == () and found.text == "" and found.confidence == 0
    with pytest.raises(ValueError, match="ask something"):
        reader().answer("  ")


def test_vectors_are_used_only_where_all_are_there():
    assert reader().find("pool").cosine > 0
    assert reader(vectors_ND=None).find("pool").cosine == 0


def test_the_share_moves_from_words_to_vectors():
    made, question = whole(shelf()), "the pool closes"
    by_words = search(made, words(question), embed([question])[0], 4, 0.0)
    by_vectors = search(made, words(question), embed([question])[0], 4, 1.0)
    assert by_words.scores_K[0] == pytest.approx(max(by_words.matched, 0)) and by_vectors.scores_K[0] == pytest.approx(by_vectors.cosine)
    assert by_words.rows_K[0] == 3 and by_words.covered == pytest.approx(1.0)


def test_what_is_covered_counts_rare_words_more():
    made = shelf(("the cat", "the dog", "the cow", "the owl"))
    held = [search(made, ["the", name, "unicorn"], None, 1, 0.0).covered for name in ("cat", "zebra")]
    assert 0.2 < held[0] < 0.6 and held[1] < 0.1


def test_confidence_rises_with_each_look_and_is_nothing_without_a_find():
    for one in CALIBRATIONS.values():
        assert 0 < one.threshold < 1 and len(one.weights) == len(PLAIN) and one.origin
    calibration = Calibration((1.0, 1.0, 1.0, 1.0), -2.0, 0.5, 0.5)
    assert calibration.confidence(Search((), ())) == 0
    low, high = (calibration.confidence(Search((0,), (1.0,), *(look,) * 4)) for look in (0.1, 0.9))
    assert 0 < low < 0.5 < high < 1


@pytest.mark.parametrize(
    "words",
    [
        "Who was it",
        "when does it open?",
        "几点开门",
        "它是谁写的",
        "The pool, is it open?",
        "这是真的吗",
        "in which year",
        "The pool: when does it open",
        "can I bring a dog",
        "哪里有",
        "能不能带狗",
        "她有没有来",
    ],
)
def test_a_question_is_known_in_both_languages(words):
    assert is_question(words)


@pytest.mark.parametrize(
    "words", ["British painter (1850-1910)", "whoever", "in northern Spain", "法国城市", "May 1968 in France", "Will Smith, actor", "哪吒"]
)
def test_a_phrase_asks_nothing(words):
    assert not is_question(words)


def test_a_question_in_a_text_is_quoted_with_its_answer_and_a_row_as_a_whole():
    text = "Fees? None. Dogs are welcome. 几点开门？九点。 Why?"
    made = [text[begin:end] for begin, end in units(Passage("a", text, LINE, ((0, 1),)))]
    assert made == ["Fees? None.", "Dogs are welcome.", "几点开门？九点。", "Why?"]
    assert units(Passage("a", "a: One. Two.; b: 3", ROW, ((0, 1),))) == [(0, 18)]


def test_what_was_read_ahead_is_quoted_as_before_and_not_read_again():
    asked, long = [], (*TEXTS, "Fees? None. The pool is cold. Dogs may swim. 九点开门。")

    def counted(texts):
        asked.extend(texts)
        return embed(texts)

    made = whole(shelf(long))
    plain, quick = Reader(made, words, embed, embed), Reader(made, words, Memory(embed), Memory(counted))
    *_, read = quick.ahead()
    assert read == len(asked) == sum(len(units(passage)) for passage in made.passages)
    for question in ("When does the pool close?", "Are dogs welcome?", "几点开门？", "zebra"):
        assert quick.answer(question) == plain.answer(question)
    assert len(asked) == read, "no sentence was read again"
    assert list(Reader(made, words).ahead()) == [], "nothing to read with"
