import time

from duomo.retrieve.cut import passages, pieces, sentences
from duomo.retrieve.passage import LINE, Section


def cut(text):
    return [text[begin:end] for begin, end in sentences(text)]


def test_sentences_end_in_both_languages_and_not_at_abbreviations():
    assert cut("Dr. Li came at 3.15 p.m. on Monday. Why? “It rained.” Done") == [
        "Dr. Li came at 3.15 p.m. on Monday.", "Why?", "“It rained.”", "Done",
    ]  # fmt: skip
    assert cut("图书馆九点开门。几点关门？“六点！”他说") == ["图书馆九点开门。", "几点关门？", "“六点！”", "他说"]
    assert cut("J. S. Bach wrote it, e.g. the mass. 1. First 2") == ["J. S. Bach wrote it, e.g. the mass.", "1. First 2"]


def test_a_wrapped_line_goes_on_and_an_item_or_a_short_line_does_not():
    wrapped = "This sentence is long enough that its own editor has once\nwrapped it at some column, and here it ends at last."
    assert cut(wrapped) == [wrapped]
    late = "1. The lease is for two years, and may be ended. Either party\nmay do so with three months' notice."
    assert cut(late)[-1] == "Either party\nmay do so with three months' notice."
    assert cut("- one\n- two\n\n姓名：张三\n电话：123") == ["one", "two", "姓名：张三", "电话：123"]


def test_pieces_are_bounded_ordered_and_lose_nothing_but_spaces():
    text = ("A sentence of words. " * 60 + "\n\n" + "一个很长的句子，没有句号，" * 200 + "x" * 5000 + "\n\nEnd.") * 2
    spans = list(pieces(text, 300))
    assert all(0 < len(text[begin:end].encode()) <= 300 for begin, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    kept = "".join(text[begin:end] for begin, end in spans)
    assert "".join(kept.split()) == "".join(text.split())


def test_a_piece_knows_the_line_of_each_of_its_sentences():
    text = "First line here.\n\nThird line is here.\nFourth."
    marks = tuple((text.index(start), number) for number, start in ((1, "First"), (3, "Third"), (4, "Fourth")))
    (one,) = passages("a.txt", [Section(text, LINE, marks, "Head")])
    assert [one.at(one.text.index(word)) for word in ("First", "line", "Third", "Fourth")] == [1, 1, 3, 4]
    assert one.whole.startswith("Head\nFirst") and one.where(one.text.index("Fourth")) == "a.txt, line 4"
    small = list(passages("a.txt", [Section(text, LINE, marks)], 20))
    assert [(p.text, p.at()) for p in small] == [("First line here.", 1), ("Third line is here.", 3), ("Fourth.", 4)]


def test_millions_of_stops_are_read_in_a_second():
    began = time.process_time()
    assert cut("." * 3_000_000 + " x. " + '."' * 500_000) and time.process_time() - began < 2


def test_chinese_is_cut_at_marks_of_half_a_width_and_a_name_is_not():
    assert cut("几点开门?九点开门!“周日呢?”不开。") == ["几点开门?", "九点开门!", "“周日呢?”不开。"]
    assert cut("Yahoo!是一家公司。") == ["Yahoo!是一家公司。"]


def test_rows_of_signs_and_many_lines_take_a_second():
    began = time.process_time()
    for row in ("|" * 60_000, "|-" * 30_000, "#" * 60_000):
        assert cut(row + "x")
    text = "a b\n" * 60_000
    marks = tuple((4 * number, number + 1) for number in range(60_000))
    found = list(passages("a.txt", [Section(text, LINE, marks)]))
    assert [one.at() for one in found[:2]] == [1, 226] and found[-1].at(len(found[-1].text)) == 60_000
    assert time.process_time() - began < 3
