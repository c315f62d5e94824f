"""Laws of the tasks of software texts: both ways hold out the same, the memory never shows the answer, figures are what they say."""

from random import Random

import pytest

from duomo.sample import Origin, ask
from duomo.tasks import build
from duomo.tasks.bitext import PROMPTS, Pair
from duomo.tasks.placeholders import found
from duomo.tasks.software import SOURCES, parts
from duomo.tasks.task import Answer

NAMES = ("software_en_zh", "software_zh_en")
SPLITS = ("train", "valid", "test")
ACTS = {"Open": "打开", "Close": "关闭", "Delete": "删除", "Print": "打印", "Search": "搜索", "Restart": "重新启动"}
THINGS = {"file": "文件", "window": "窗口", "page": "页面", "device": "设备", "message": "消息", "folder": "文件夹", "printer": "打印机"}


class Shelf:
    """Pairs in the form in which the sources give them."""

    def __init__(self):
        pairs = [
            (f"{act} the {thing} {end}", f"{ACTS[act]}{THINGS[thing]} {end}")
            for act in ACTS
            for thing in THINGS
            for end in ("{n}", "%s", "now")
        ]
        pairs += [("Close the page now!", "关闭页面"), ("Open {a}", "打开 {b}"), ("Open {name} at {time}", "{time} 时打开 {name}")]
        pairs += [("One. Two.\nThree.", "一。二。\n三。"), ("Long " * 50, "长" * 90), ("First thing. " * 20, "第一件事。" * 20)]
        every = [ask(zh, answer=en, origin=Origin("x", str(n))) for n, (en, zh) in enumerate(pairs)]
        self.sources = {name: every[place :: len(SOURCES)] for place, name in enumerate(SOURCES)}

    def open(self, source):
        return self.sources[source]


def held(name, **options):
    return {split: list(build(name, **options).samples(split, Shelf())) for split in SPLITS}


def source_of(sample, name):
    return sample.messages[0].text.removeprefix(PROMPTS[name[-2:]]).partition("\n")[0]


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_full_apart_and_share_no_side(name):
    found = held(name)
    for side in (lambda s: s.origin.group, lambda s: s.messages[0].text, lambda s: s.answer):
        sets = [set(map(side, samples)) for samples in found.values()]
        assert all(sets) and len(set.union(*sets)) == sum(map(len, sets))


def test_both_directions_hold_out_the_same_pairs_whatever_is_shown():
    there, back, shown = held(NAMES[0]), held(NAMES[1]), held(NAMES[0], memory=2)
    for split in SPLITS:
        assert [s.origin for s in there[split]] == [s.origin for s in back[split]] == [s.origin for s in shown[split]]


@pytest.mark.parametrize("name", NAMES)
def test_the_memory_shows_training_pairs_and_never_ones_own(name):
    found = held(name, memory=2)
    taught = {(source_of(s, name), s.answer): s.origin.group for s in found["train"]}
    for samples in found.values():
        for sample in samples:
            _, *lines = sample.messages[0].text.splitlines()
            shown = [taught[pair] for pair in zip(lines[::2], lines[1::2], strict=True)]  # KeyError: not of the training split
            assert sample.origin.group not in shown and len(shown) == len(set(shown))
    assert any("\n" in sample.messages[0].text for sample in found["test"])


@pytest.mark.parametrize("name", NAMES)
def test_placeholders_stand_by_number_on_both_sides_in_the_order_of_the_source(name):
    samples = [sample for split in held(name).values() for sample in split]
    for sample in samples:
        assert found(source_of(sample, name)) == found(sample.answer) and found(sample.answer).keys() <= {"{1}", "{2}"}
    (both,) = [sample for sample in samples if "{2}" in sample.answer]
    assert (source_of(both, name), both.answer) in (("Open {1} at {2}", "{2} 时打开 {1}"), ("{1} 时打开 {2}", "Open {2} at {1}"))


def test_long_pairs_part_where_both_languages_part_alike():
    both = Pair("一。二。\n三。", "One. Two.\nThree.")
    assert [(p.zh, p.en) for p in parts(both, 100)] == [("一。二。", "One. Two."), ("三。", "Three.")]
    assert [(p.zh, p.en) for p in parts(both, 9)] == [("一。", "One."), ("二。", "Two."), ("三。", "Three.")]
    assert not list(parts(Pair("一。二。", "One and two, in one sentence."), 9)) and not list(parts(Pair("一\n二", "One two"), 99))


@pytest.mark.parametrize("name", NAMES)
def test_truth_costs_no_edit_and_a_lost_placeholder_counts(name):
    task = build(name)
    test = held(name)["test"]
    figures = {metric.name: metric for metric in task.metrics}
    true = [task.score(sample, Answer(sample.answer)) for sample in test]
    said = {metric: figures[metric].of(true) for metric in figures}
    assert said == pytest.approx({"chrF": 100, "BLEU": 100, "edits per segment": 0, "placeholders kept": 1})
    lost = [task.score(sample, Answer(sample.answer.replace("{1}", ""))) for sample in test]
    holding = sum(map(figures["placeholders kept"].counts, lost))
    assert 0 < holding < len(test) and figures["placeholders kept"].of(lost) == 0
    assert figures["edits per segment"].of(lost) * len(test) >= holding and figures["chrF"].of(lost) < 100


def test_edits_are_words_in_english_and_signs_in_chinese():
    for name, answer, said, edits in (
        ("software_zh_en", "Open the file", "Close the old file", 2),
        ("software_en_zh", "打开文件", "关上文件", 2),
    ):
        assert build(name).score(ask("x", answer=answer), Answer(said))["edits"] == edits


@pytest.mark.parametrize("name", NAMES)
def test_baselines_answer_from_the_source_and_the_control_keeps_the_answers(name):
    task = build(name, memory=2)
    found = held(name, memory=2)
    copied, nearest = task.baselines(found["train"], found["test"], Shelf()).values()
    assert copied == [source_of(sample, name) for sample in found["test"]]
    assert set(nearest) <= {sample.answer for sample in found["train"]}
    assert [s.answer for s in task.control(found["test"], Random(1))] == [s.answer for s in found["test"]]
    (bare,) = task.ablations
    assert [s.messages[0].text for s in bare.alter(found["test"], Random(1))] == [s.messages[0].text for s in held(name)["test"]]


def test_options_bound_the_size_and_nonsense_is_refused():
    full, small = held(NAMES[0]), held(NAMES[0], train=9)
    assert len(small["train"]) == 9 and small["test"] == full["test"] and all(s in full["train"] for s in small["train"])
    for options in ({"train": -1}, {"longest": 1}, {"memory": -1}, {"memory": 99}):
        with pytest.raises(ValueError, match=next(iter(options))):
            build(NAMES[0], **options)
