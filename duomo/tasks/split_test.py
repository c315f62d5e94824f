"""Laws of splits."""

from random import Random

from duomo.tasks.split import deal, groups, key, shingles


def test_key_forgets_case_width_spaces_and_signs():
    assert key("Hello, World!") == key("ｈｅｌｌｏ world")
    assert key("你好，吗？") == key("你好吗")
    assert key("!!!") == "!!!" != key("???")


def test_records_that_share_a_key_through_others_are_one_group():
    a, b, c, d = groups([("x", "y"), ("p", "q"), ("y", "p"), ("z",)])
    assert a == b == c != d


def test_groups_do_not_depend_on_order():
    records = [tuple({str(random.randrange(60)), str(random.randrange(60))}) for random in map(Random, range(50))]
    named = dict(zip(records, groups(records), strict=True))
    again = dict(zip(records[::-1], groups(records[::-1]), strict=True))
    assert named == again


def test_deal_never_parts_a_group_and_keeps_its_sizes():
    group = [str(i // 3) for i in range(600)]
    place = deal(group, valid=30, test=90)
    assert all(len({place[i] for i in range(600) if group[i] == name}) == 1 for name in set(group))
    assert 90 <= place.count("test") < 93 and 30 <= place.count("valid") <= 33
    assert deal(group[::-1], 30, 90) == place[::-1]


def test_a_small_set_keeps_most_for_training():
    place = deal([str(i) for i in range(20)], valid=100, test=400)
    assert (place.count("test"), place.count("valid"), place.count("train")) == (4, 2, 14)


def test_shingles_join_edited_copies():
    one, two, other = (key(text) for text in ("the very same review of a hotel", "again: the very same review", "quite another thing"))
    a, b, c = groups(shingles(text, 16) for text in (one, two, other))
    assert a == b != c
