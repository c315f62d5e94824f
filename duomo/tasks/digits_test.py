from duomo.sample import ask
from duomo.tasks.digits import QUESTIONS, digits
from duomo.tasks.media_test import TINY, TinyStore, made
from duomo.tasks.pictures import SIDE, pixels
from duomo.tasks.task import Answer
from duomo.tasks.words import DIGITS


def test_the_test_asks_in_both_languages_and_shows_each_picture_once():
    test = made("digits", "test")
    assert {sample.messages[0].text for sample in test} == {QUESTIONS["en"][0], QUESTIONS["zh"][0]}
    assert len({sample.origin.id for sample in test}) == len(test) == 20


def test_the_answer_is_in_the_language_of_the_question():
    for sample in made("digits", "train"):
        language = "en" if sample.messages[0].text.isascii() else "zh"
        assert any(name in sample.answer for name in DIGITS[language])
    assert not digits().score(ask("", answer="七"), Answer("seven"))["right"]


def test_strips_show_two_digits_and_name_both():
    store = TinyStore()
    strips = [s for s in digits(**TINY["digits"]).samples("train", store) if "+" in s.origin.id]
    assert len(strips) == TINY["digits"]["strips"]
    assert all(pixels(store.bytes(next(s.media()).value)).shape == (SIDE, 2 * SIDE) for s in strips)
    assert all(len(s.answer.split()) == 2 or len(s.answer) == 2 for s in strips)
