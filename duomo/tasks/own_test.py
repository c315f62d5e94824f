"""Laws of a user's own data set as a task."""

from random import Random

import pytest

from duomo.evaluate.run_test import Empty
from duomo.sample import Message, Sample, ask, text
from duomo.tasks.own import own
from duomo.tasks.task import Answer

PAIRS = {"train": [ask(f"what is {i}?", answer=f"It is {i}.") for i in range(8)] + [ask("what is 1?", answer="It is 1.")]}
PAIRS["test"] = [ask("what is 3", answer="It is 3."), ask("who?", answer="他来了。")]
DOCUMENTS = {
    split: [Sample((Message("assistant", (text(f"{split} {i} of many words"),)),)) for i in range(5)] for split in ("train", "test")
}


def test_questions_are_scored_by_exact_match_and_overlap():
    task = own("mine", PAIRS.__getitem__)
    said = ["it is 3", "他走了"]
    rows = [task.score(sample, Answer(answer)) for sample, answer in zip(PAIRS["test"], said, strict=True)]
    assert [row["right"] for row in rows] == [True, False]
    exact, chrf = (metric.of(rows) for metric in task.metrics)
    assert exact == 0.5 and 20 < chrf < 100
    assert task.metrics[1].of([task.score(s, Answer(s.answer)) for s in PAIRS["test"]]) == pytest.approx(100)


def test_baselines_are_the_most_frequent_and_the_nearest_answer():
    task = own("mine", PAIRS.__getitem__)
    found = task.baselines(PAIRS["train"], PAIRS["test"], Empty())
    assert found["most frequent answer"] == ["It is 1.", "It is 1."]
    assert found["nearest training question"][0] == "It is 3."
    wordless = [ask(answer=sample.answer) for sample in PAIRS["train"]]
    assert list(task.baselines(wordless, wordless[:2], Empty())) == ["most frequent answer"]


def test_the_control_asks_what_another_sample_asks():
    task = own("mine", PAIRS.__getitem__)
    assert [sample.messages[0] for sample in task.control(PAIRS["test"], Random(0))] == [s.messages[0] for s in reversed(PAIRS["test"])]


def test_documents_are_foreseen_and_questions_among_them_are_asked():
    task = own("mine", DOCUMENTS.__getitem__)
    assert task.ask == "likelihood" and task.metrics[0].of([{"nats": 8.0, "bytes": 1}]) == pytest.approx(8 / 0.6931, rel=1e-3)
    assert list(task.baselines(DOCUMENTS["train"], DOCUMENTS["test"], Empty())) == ["byte 5-gram"]
    shuffled = task.control(DOCUMENTS["test"], Random(0))[0].answer
    assert shuffled != "test 0 of many words" and sorted(shuffled.split()) == sorted("test 0 of many words".split())
    mixed = own("mine", lambda split: DOCUMENTS[split] + PAIRS[split])
    assert mixed.ask == "answer" and list(mixed.samples("test", Empty())) == PAIRS["test"]
