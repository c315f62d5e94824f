from duomo.data.contamination import HeldOut, runs, runs_of
from duomo.data.content import fingerprint
from duomo.sample import Part, Sample, ask


def words(first: int, count: int) -> str:
    return " ".join(f"w{i}" for i in range(first, first + count))


def equals(index: HeldOut, sample: Sample) -> bool:
    return index.equals(fingerprint(sample))


def covers(index: HeldOut, sample: Sample) -> bool:
    return index.covers(runs_of(sample))


def test_found_whole_by_half_and_in_part():
    held = [ask("q", answer=words(0, 20)), ask("q", answer=words(100, 20)), ask("q", answer=words(200, 20)), ask("q", answer="short")]
    index = HeldOut(held)
    train = [
        ask("q", answer=words(0, 20).upper()),  # the whole
        ask("q", answer=words(100, 16)),  # nine of its runs
        ask("q", answer=words(200, 8)),  # one run
        ask("q", answer=words(300, 30)),  # nothing
        ask("q", answer="Short "),  # by hash, too short for runs
    ]
    assert [equals(index, s) for s in train] == [True, False, False, False, True]
    assert [covers(index, s) for s in train] == [True, True, False, False, False]
    found = index.report()
    assert (found.n, found.by_hash, found.by_runs, found.touched) == (4, 2, 2, 3)
    assert found.share == 0.5


def test_halves_add_up_over_training_samples():
    index = HeldOut([ask("q", answer=words(0, 24))])
    for first in (0, 8, 16):
        assert not covers(index, ask("q", answer=words(first, 8)))
    assert index.report().touched == 1 and index.report().by_runs == 0
    for first in range(0, 16, 2):
        covers(index, ask("q", answer=words(first, 8)))
    assert index.report().by_runs == 1


def test_phrases_of_the_format_do_not_count():
    frame = "please translate the following sentence into Chinese for me now"
    held = [ask(frame, answer=f"x{i}") for i in range(12)]
    index = HeldOut(held)
    assert not covers(index, ask(frame, answer="other"))
    assert index.report().touched == 0
    assert covers(HeldOut(held[:10]), ask(frame, answer="other"))


def test_chinese_counts_by_characters():
    held = "今天天气很好我们一起去公园散步吧"
    index = HeldOut([ask("", answer=held)])
    assert covers(index, ask("", answer="他说：" + held + "！"))
    assert not covers(index, ask("", answer=held[:7]))
    assert len(runs(held)) == len(held) - 7


def test_the_same_words_about_another_picture_are_no_contamination():
    one, two = (ask(Part("image", name), answer=words(0, 20)) for name in ("a.png", "b.png"))
    index = HeldOut([one])
    assert not covers(index, two) and not equals(index, two) and equals(index, one)


def test_nothing_held_out():
    index = HeldOut([])
    assert not equals(index, ask("a", answer="b")) and not covers(index, ask(words(0, 9), answer="b"))
    assert index.report().share == 0.0
