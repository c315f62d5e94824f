from collections import Counter

import pytest

from duomo.data.quality import TESTS, flaw, keep_quality
from duomo.sample import Part, ask, document

ENGLISH = """The pool in the old town opens at nine in the morning, and it closes at six. On Sundays it stays open until eight, so that
those who work during the week have time to swim. Children under twelve come in free with an adult.

Dogs have to wait outside. There is a fence beside the door where you can tie them, and the keeper gives them water when the sun is high."""
CHINESE = """老城的游泳池早上九点开门，晚上六点关门。星期天一直开到八点，好让平日上班的人也有时间来游泳。
十二岁以下的孩子有大人陪同可以免费入场。狗必须在外面等候。门边有一道栅栏，可以把它们拴在那里；
太阳很大的时候，管理员会给它们水喝。如果下雨，露天的池子就不开，但是室内的池子照常开放。"""
CLASSICAL = """天命之謂性，率性之謂道，脩道之謂教。道也者，不可須臾離也，可離非道也。
是故君子戒慎乎其所不睹，恐懼乎其所不聞。莫見乎隱，莫顯乎微，故君子慎其獨也。喜怒哀樂之未發，謂之中；
發而皆中節，謂之和。中也者，天下之大本也；和也者，天下之達道也。致中和，天地位焉，萬物育焉。"""
FRENCH = "La piscine ouvre à neuf heures et ferme à six heures. Les enfants entrent sans payer. Les chiens restent dehors près de la porte."
MENU = " ".join("Home Shop News Sport Weather Contact Login Register Cart Help About Terms Privacy".split() * 5)


def lines(text: str, before: str = "", after: str = "") -> str:
    """Each sentence as a line of its own."""
    sentences = text.replace("。", "。.").replace("\n", " ").split(".")
    return "\n".join(f"{before}{sentence.strip()}{after}" for sentence in sentences if sentence.strip())


BAD = {
    "too few words": ("The pool is open. It is warm. Come and swim with us.", "游泳池开门了。水很暖和。"),
    "too many words": (ENGLISH * 2000, CHINESE * 2000),
    "a placeholder": (f"{ENGLISH} Lorem ipsum dolor sit amet.", f"{CHINESE}请启用JavaScript。"),
    "too few sentences": (MENU, CHINESE.replace("。", "，")),
    "lines without an end": ("A. B. C.\n" + "The pool in the old town\n" * 30, "是。的。在。\n" + "老城的游泳池早上九点开门\n" * 30),
    "lines that break off": (lines(ENGLISH, after="…"), lines(CHINESE, after="...")),
    "lists": (lines(ENGLISH, "- ", "."), lines(CHINESE, "• ")),
    "words too short or too long": (" ".join(ENGLISH.replace(" ", "")) + ". . .", "首页。 新闻。 体育。 财经。 科技。 的。 了。 " * 30),
    "too many symbols": (ENGLISH.replace("the ", "the #pool ").replace("and ", "and #swim #sea "), "#" * 30 + CHINESE),
    "too few letters": (ENGLISH + " 17" * 40, CHINESE + "，1234567890" * 20),
    "too few stop words": (
        "Pools open daily. Swimmers enjoy warm water. Keepers bring cold drinks. " * 6,
        "游泳场馆开放。早晨九点迎接游客。" * 9,
    ),
    "repeated lines": (f"{ENGLISH}\n{ENGLISH}", f"{CHINESE}\n{CHINESE}"),
    "repeated phrases": (ENGLISH + " Come and swim in the warm water of the pool." * 6, CHINESE + "快来温暖的水里游泳吧，我们等着你。" * 6),
}


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (CHINESE, "zh"), (CLASSICAL, "zh"), (ENGLISH, "de"), (CHINESE, "ja")])
def test_prose_keeps_every_rule(text, language):
    assert flaw(text, language) == ""


def test_every_rule_has_what_breaks_it():
    assert list(BAD) == list(TESTS)


@pytest.mark.parametrize(("reason", "texts"), BAD.items(), ids=BAD.keys())
def test_what_is_no_prose_is_told_why(reason, texts):
    assert flaw(texts[0], "en") == reason
    assert texts[1] is None or flaw(texts[1], "zh") == reason


def test_other_languages_need_no_english_words():
    assert flaw(FRENCH, "fr") == "" and flaw(FRENCH, "en") == "too few words"
    assert flaw(FRENCH * 3, "en") == "too few stop words"


def test_only_documents_are_judged_and_what_goes_is_counted():
    dropped = Counter()
    asked, seen = ask("what?", answer="no"), ask(Part("image", "a.png"), answer="no")
    samples = [document(ENGLISH), asked, document(MENU), seen, document(CHINESE), document("Hi.")]
    assert list(keep_quality(samples, dropped)) == [samples[0], asked, seen, samples[4]]
    assert dropped == {"too few sentences": 1, "too few words": 1}
