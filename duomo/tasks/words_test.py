import pytest

from duomo.tasks.words import DIGITS, LANGUAGES, VOCABULARY, join, number, plain


def test_numbers_in_words():
    assert [number(n, "en") for n in (0, 7, 13, 20, 35, 99)] == ["zero", "seven", "thirteen", "twenty", "thirty five", "ninety nine"]
    assert [number(n, "zh") for n in (0, 7, 10, 13, 20, 35, 99)] == ["零", "七", "十", "十三", "二十", "三十五", "九十九"]
    with pytest.raises(ValueError, match="0 to 99"):
        number(100, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_can_be_told_apart(language):
    numbers = [number(n, language) for n in range(100)]
    assert len(set(numbers)) == 100 and numbers[:10] == list(DIGITS[language])
    words = VOCABULARY[language]
    assert len(set(words)) == len(words) >= 100
    assert not {part for name in numbers for part in name.split()} & set(words)


def test_plain_forgives_case_marks_and_spaces_and_nothing_else():
    assert plain(" Thirty-Five,  apples!") == plain("thirty five apples")
    assert plain("你好， 世界。", "zh") == plain("你好世界", "zh")
    assert plain("seven") != plain("eleven")
    assert join(["a", "b"], "en") == "a b" and join(["一", "二"], "zh") == "一二"
