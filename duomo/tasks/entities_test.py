"""Laws of entities: marks lose nothing, scores equal seqeval's, splits share nothing."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duomo.sample import Origin, ask
from duomo.tasks.entities import QUESTION, SIGNS, entities, found, marked, pieces, question, unmarked
from duomo.tasks.split import key
from duomo.tasks.taggers import Gazetteer, Markov, RandomField, features, spans_of, tags_of
from duomo.tasks.task import Answer

WORDS = {"林阿土": "person", "王小明": "person", "云溪": "place", "北岭": "place", "云溪大学": "organisation"}
REST = ["在", "说", "会见", "去了", "，", "昨天", "的学生", "很高兴", "今年", "云", "溪水"]


def drawn(seed):
    """A sentence of known names and other words, with its spans."""
    random, text, spans = Random(seed), "", []
    for _ in range(random.randint(2, 6)):
        word = random.choice([*WORDS, *REST])
        if word in WORDS:
            spans.append((len(text), len(text) + len(word), WORDS[word]))
        text += word
    return text + f"{seed}。", spans


class Shelf:
    def __init__(self, lines):
        self.lines = [
            ask(text, answer=json.dumps(spans), origin=Origin("s", str(n), "", f"day {n // 20}")) for n, (text, spans) in enumerate(lines)
        ]

    def open(self, source):
        return self.lines


SHELF = Shelf([drawn(seed) for seed in range(800)])


@given(st.integers(0, 10_000))
def test_an_answer_tells_its_spans_exactly(seed):
    text, spans = drawn(seed)
    assert found(text, marked(text, spans)) == spans and unmarked(marked(text, spans)) == (text, spans)
    assert spans_of(tags_of(len(text), spans)) == spans or any(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))


def test_of_equal_strings_the_marked_one_is_found():
    text, spans = "云溪的云溪大学在云溪", [(8, 10, "place")]
    assert found(text, marked(text, spans)) == spans
    assert found(text, "云溪的云溪大在【地云溪】") == spans  # a character was lost on the way


def test_what_the_text_does_not_hold_is_no_span():
    assert found("他去了北岭", "他去了【地云溪】") == [] and found("", "【人】") == [] and found("a", "【地【地【地a") == []


def test_brackets_of_the_user_are_no_marks():
    asked = question("他说【地云溪】好").messages[0].text
    assert "【" not in asked and len(asked) == len(QUESTION + "他说[地云溪]好")


@given(st.text(st.sampled_from("云溪，。；a "), max_size=300), st.integers(8, 40))
def test_pieces_are_short_and_lose_nothing(text, limit):
    cut = list(pieces(text, limit))
    assert all(len(piece) <= limit and text[start : start + len(piece)] == piece for start, piece in cut)
    assert "".join(piece for _, piece in cut).strip() == text.strip() or not text.strip() or " " * (limit // 4) in text


def test_no_sentence_and_no_day_is_in_two_splits():
    task, seen = entities(), {}
    for split in ("train", "valid", "test"):
        for sample in task.samples(split, SHELF):
            assert seen.setdefault(key(sample.messages[0].text), split) == split
            assert seen.setdefault(sample.origin.group, split) == split
    assert set(seen.values()) == {"train", "valid", "test"}


def figures(pairs):
    task = entities()
    rows = [task.score(ask(QUESTION + text, answer=marked(text, true)), Answer(marked(text, said))) for text, true, said in pairs]
    return {metric.name: metric.of(rows) for metric in task.metrics}


def test_the_score_is_that_of_seqeval():
    metrics, scheme = pytest.importorskip("seqeval.metrics"), pytest.importorskip("seqeval.scheme")
    random, pairs = Random(0), []
    for seed in range(200):
        text, true = drawn(seed)
        said = [(a, b, random.choice(list(SIGNS))) if random.random() < 0.3 else (a, b, k) for a, b, k in true if random.random() < 0.8]
        pairs.append((text, true, said + ([(len(text) - 1, len(text), "place")] if random.random() < 0.3 else [])))
    true, said = ([tags_of(len(pair[0]), pair[side]) for pair in pairs] for side in (1, 2))
    report = metrics.classification_report(true, said, mode="strict", scheme=scheme.IOB2, output_dict=True)
    ours = figures(pairs)
    assert ours["F1"] == pytest.approx(metrics.f1_score(true, said, mode="strict", scheme=scheme.IOB2)) and 0.3 < ours["F1"] < 0.9
    assert all(ours[f"F1 {kind}"] == pytest.approx(report[kind]["f1-score"]) for kind in SIGNS)


def test_the_truth_scores_one_and_another_sentence_nothing():
    task, test = entities(), list(entities().samples("test", SHELF))
    rows = [task.score(sample, Answer(sample.answer)) for sample in test]
    assert task.metrics[0].of(rows) == 1
    told = {sample.messages[0].text: sample.answer for sample in test}
    rows = [task.score(sample, Answer(told[sample.messages[0].text])) for sample in task.control(test, Random(0))]
    assert task.metrics[0].of(rows) < 0.3


@pytest.mark.parametrize("tagger", [Gazetteer, Markov, RandomField], ids=lambda tagger: tagger.__name__)
def test_a_tagger_learns_names(tagger):
    if tagger is RandomField:
        pytest.importorskip("pycrfsuite")
    lines = [drawn(seed) for seed in range(300)]
    model = tagger([text for text, _ in lines], [tags_of(len(text), spans) for text, spans in lines])
    text = "王小明昨天去了云溪大学，很高兴"
    assert spans_of(model.tag(text)) == [(0, 3, "person"), (7, 11, "organisation")] and model.tag("") == []


def test_features_tell_each_character():
    assert len(list(features("云溪"))) == 2 and list(features("")) == []
