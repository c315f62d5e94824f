"""Laws of triples: what simple sentences say, and what they do not."""

import time

import pytest

from duomo.graph.triples import PREDICATES, triples


def said(text, **more):
    return {(one.subject, one.predicate, one.object) for one in triples(text, **more)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Lyra is a small harbour town in Norland.", ("Lyra", "is_a", "small harbour town")),
        ("Lyra is a small harbour town in Norland.", ("Lyra", "located_in", "Norland")),
        ("Tam Brook (3 May 1901 – 7 June 1980) was a Norland painter.", ("Tam Brook", "born_on", "3 May 1901")),
        ("Tam Brook (3 May 1901 – 7 June 1980) was a Norland painter.", ("Tam Brook", "died_on", "7 June 1980")),
        ("Tam Brook was a painter. She was born in Lyra, and died in Oss.", ("Tam Brook", "born_in", "Lyra")),
        (
            "Brook Mills is a company based in Oss. It was founded by Tam Brook and Ada Lind in 1950.",
            ("Brook Mills", "founded_by", "Ada Lind"),
        ),
        ("Brook Mills is a company based in Oss. It was founded by Tam Brook and Ada Lind in 1950.", ("Brook Mills", "founded_in", "1950")),
        ("Oss is the capital and largest city of Norland.", ("Oss", "capital_of", "Norland")),
        ("Norland is a country in Northern Europe. Its capital is Oss.", ("Oss", "capital_of", "Norland")),
        ("Oss, also known as Ossa, is a city.", ("Oss", "alias", "Ossa")),
        ("Lyra is a kitten toy.", ("Lyra", "is_a", "kitten toy")),
        ("云溪是北国第一座小城。", ("云溪", "is_a", "北国第一座小城")),
        ("云溪是一座小城，位于北岭。", ("云溪", "located_in", "北岭")),
        ("云溪是一座小城，位于北岭。", ("云溪", "is_a", "小城")),
        ("林阿土是画家。他出生于云溪，1980年逝世。", ("林阿土", "born_in", "云溪")),
        ("北国的首都是云溪。", ("云溪", "capital_of", "北国")),
        ("云溪大学成立于1902年，由林阿土创办。", ("云溪大学", "founded_in", "1902年")),
        ("云溪大学成立于1902年，由林阿土创办。", ("云溪大学", "founded_by", "林阿土")),
    ],
)
def test_a_sentence_says(text, told):
    assert told in said(text)


@pytest.mark.parametrize(
    "text",
    [
        *("It is raining.", "This is a test.", "There is a house in Lyra.", "When he is in town, he is happy."),
        *("这是一本书。", "问题是没有钱。", "", "\n"),
    ],
)
def test_what_defines_nothing_says_nothing(text):
    assert said(text) == set()


def test_a_pronoun_without_a_topic_says_nothing():
    assert said("It is a city in Norland.") == set() and said("It is a city in Norland.", title="Oss") >= {("Oss", "located_in", "Norland")}


def test_evidence_is_the_sentence_where_it_stands():
    text = "Nothing here.  Oss is the capital of Norland. More."
    (one,) = [t for t in triples(text, "a.txt") if t.predicate == "capital_of"]
    assert text[one.evidence.start : one.evidence.end] == one.evidence.sentence == "Oss is the capital of Norland."
    assert one.evidence.file == "a.txt"


def test_every_predicate_reads_in_both_languages():
    assert all(english and chinese for english, chinese in PREDICATES.values())


def test_a_triple_is_told_once():
    assert len([t for t in triples("Oss is a city. Oss is a city.") if t.predicate == "is_a"]) == 1


def test_words_that_can_be_read_in_two_ways_take_no_time():
    began = time.process_time()
    triples("Oss is a city in " + "the " * 80 + "x.")
    assert time.process_time() - began < 2
