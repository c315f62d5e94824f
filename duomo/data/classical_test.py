import pytest

from duomo.data.classical import prepare_words, word_preparer


def test_why_it_is_off_for_generation():
    """The article prepares its training text so: what a model would learn to say of "I love to read books."."""
    assert " ".join(prepare_words("I love to read books.", "en", stem=False, signs=True)) == "love read books ."
    assert "".join(prepare_words("这本书不好看。", "zh")) == "本书好看"  # "not good" has become "good"


def test_english_words_stop_words_and_stems():
    assert prepare_words("The studies' results weren't surprising!", "en", stop=False, stem=False) == [
        "the",
        "studies",
        "results",
        "weren't",
        "surprising",
    ]
    assert prepare_words("She is studying connected networks", "en") == ["studi", "connect", "network"]


def test_chinese_words():
    assert prepare_words("我喜欢读书。", "zh", stop=False) == ["我", "喜欢", "读书"]
    assert prepare_words("我喜欢读书。", "zh", stop=False, signs=True)[-1] == "。"
    assert prepare_words("我喜欢读书。", "zh") == ["喜欢", "读书"]


def test_one_preparer_for_many_texts_gives_the_same():
    words = word_preparer("de", stop=False)
    assert words("Häuser und Gärten") == prepare_words("Häuser und Gärten", "de", stop=False) == ["haus", "und", "gart"]


def test_unknown_languages():
    with pytest.raises(ValueError, match="no stop words for language 'xx'"):
        prepare_words("a", "xx")
    with pytest.raises(ValueError, match="no stemmer for language 'ja'"):
        prepare_words("a", "ja", stop=False)
