from collections import Counter

from duomo.data.clean import clean, drop_duplicates, keep_languages, keep_lengths, repair
from duomo.data.content import fingerprint, split_key, units
from duomo.recipe import CleanRecipe
from duomo.sample import Origin, Part, Sample, ask


def answers(samples) -> list[str]:
    return [sample.answer for sample in samples]


def said(*texts: str) -> list[Sample]:
    return [ask("say it", answer=text) for text in texts]


def test_repair_mends_mojibake_and_composes():
    mended = answers(repair(said("schÃ¶n", "cafe\u0301", "你好".encode().decode("cp1252"), "a\x00b\r\nc")))
    assert mended == ["schön", "café", "你好", "ab\nc"]


def test_repair_leaves_what_is_the_writers():
    kept = ["他说：“你好，世界！”（笑）", "ＡＢＣ ﬁne", "a &lt; b", "x\ty\n  z", "plain", "𠮷野家"]
    assert answers(repair(said(*kept))) == kept


def test_repair_leaves_media_alone():
    sample = ask(Part("image", "schÃ¶n.png"), "x", answer="y")
    assert next(iter(repair([sample]))) is sample


def test_duplicates_after_normalisation():
    dropped = Counter()
    kept = list(drop_duplicates(said("Hello  World", "hello world ", "ＨＥＬＬＯ world", "other"), dropped))
    assert answers(kept) == ["Hello  World", "other"]
    assert dropped == {"duplicate": 2}


def test_the_same_words_about_another_picture_are_no_duplicate():
    one, two = (ask(Part("image", name), "what?", answer="a cat") for name in ("a.png", "b.png"))
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(ask("a", "b", answer="c")) != fingerprint(ask("a", answer="c"))
    assert fingerprint(ask("a", answer="b")) == fingerprint(ask("a", answer="b", origin=Origin("x", "1")))


def test_what_shares_a_group_or_a_picture_shares_the_key():
    picture = Part("image", "a.png")
    assert split_key(ask(picture, "what?", answer="a")) == split_key(ask(picture, "where?", answer="b"))
    assert split_key(ask("a", origin=Origin("x", "1", group="g"))) == split_key(ask("b", origin=Origin("y", "2", group="g")))
    assert split_key(ask("a", answer="x")) != split_key(ask("a", answer="y"))


def test_lengths():
    dropped = Counter()
    samples = [ask("", answer=text) for text in ("", "ab", "abc", "abcd", "abcde")]
    assert answers(keep_lengths(samples, 3, 4, dropped)) == ["abc", "abcd"]
    assert dropped == {"too short": 2, "too long": 1}


def test_languages():
    dropped = Counter()
    texts = [
        "The weather is nice today in the city.",
        "今天天气很好，我们一起去公园散步吧。",
        "Il fait très beau aujourd'hui dans la ville.",
        "ok",
    ]
    kept = answers(keep_languages(said(*texts), ("en", "zh"), dropped))
    assert kept == [texts[0], texts[1], "ok"]
    assert dropped == {"language fr": 1}


def test_units_are_words_or_chinese_characters():
    assert units("Hello, WORLD 42! 你好，世界。カタ") == ["hello", "world", "42", "你", "好", "世", "界", "カ", "タ"]


def test_every_sample_is_kept_or_counted():
    samples = said("a", "a", "b" * 50, "the quick brown fox jumps over the lazy dog", "The quick brown fox jumps over the lazy dog!")
    for recipe in (CleanRecipe(), CleanRecipe(near=0.8), CleanRecipe(max_chars=20), CleanRecipe(exact=False, repair=False)):
        dropped = Counter()
        kept = list(clean(samples, recipe, dropped))
        assert len(kept) + dropped.total() == len(samples)
    assert len(list(clean(samples, CleanRecipe(near=0.8), Counter()))) == 3
