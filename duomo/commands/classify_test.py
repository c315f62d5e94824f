import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from duomo.classify.labels import named
from duomo.commands.classify import Wanted, run, way_of
from duomo.commands.models import keep
from duomo.commands.ways import NEUTRAL, SHOTS, ByLikelihood, few, question
from duomo.generate import Speaker
from duomo.interchange import Card
from duomo.interchange.format import Outside
from duomo.sample import Message, Sample, ask
from duomo.vectors_test import RECIPE, Model, redrawn, words
from tests.small import model, model_recipe, tokenizer
from tests.small import redrawn as drawn

ANIMALS = [("the cat sat", "cat"), ("a cat", "cat"), ("a dog", "dog"), ("the dog ran", "dog")]


@pytest.fixture
def encoder(tmp_path):
    """A small encoder as `duomo fetch` keeps one."""
    torch.manual_seed(0)
    card = Card("small", prefixes={"query": "query: ", "passage": "passage: "}, longest=12)
    return keep(Outside(RECIPE, redrawn(Model(RECIPE, {})).state_dict(), words(), "bert", card), tmp_path / "small")


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "examples.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ANIMALS), encoding="utf-8")
    return path


def test_examples_are_learned_and_kept_and_used_again(encoder, examples, tmp_path):
    texts, head = [text for text, _ in ANIMALS], tmp_path / "animals.head"
    first = run(encoder, texts, Wanted(examples=examples, save=head, lines=True)).lines
    rows = [json.loads(line) for line in first]
    assert [row["label"] for row in rows] == [label for _, label in ANIMALS]
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-3 for row in rows)
    assert all(row["probability"] == max(row["probabilities"].values()) for row in rows)
    assert run(encoder, texts, Wanted(head=head, lines=True)).lines == first


def test_many_examples_are_learned_by_words_beyond_what_an_encoder_reads(encoder, tmp_path, capsys):
    table, head, long = tmp_path / "many.csv", tmp_path / "many.head", "the cat sat on the mat " * 4
    rows = [f"{long}{'a ' * (n % 3)}{end},{label}\n" for n in range(60) for end, label in (("ran", "fast"), ("sat", "slow"))]
    table.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    texts = [f"{long}a ran", f"{long}a sat"]
    first = run(encoder, texts, Wanted(examples=table, save=head, lines=True)).lines
    assert [json.loads(line)["label"] for line in first] == ["fast", "slow"]
    assert run(encoder, texts, Wanted(head=head, lines=True)).lines == first
    assert "what is beyond counts by its words only" in capsys.readouterr().err


def test_without_examples_a_text_is_nearest_to_the_meaning_that_it_is(encoder):
    wanted = Wanted(labels="first=the cat sat,second=the dog ran on the mat", lines=True)
    rows = [json.loads(line) for line in run(encoder, ["the cat sat", "the dog ran on the mat"], wanted).lines]
    assert [row["label"] for row in rows] == ["first", "second"]


def test_what_is_unlikely_or_unreadable_is_unsure(encoder):
    wanted = Wanted(labels="first=the cat sat,second=a dog", unsure=1.0, lines=True)
    assert [json.loads(line)["unsure"] for line in run(encoder, ["the mat", "a cat"], wanted).lines] == [True, True]
    wanted = Wanted(labels="first=the cat sat,second=a dog", lines=True)
    assert [json.loads(line)["unsure"] for line in run(encoder, ["the mat", "我喜欢看书", "a cat"], wanted).lines] == [False, True, False]
    with pytest.raises(ValueError, match="letters that this model does not know"):
        run(encoder, ["我喜欢", "看书", "a cat"], wanted)


def test_a_table_keeps_its_columns(encoder, examples, tmp_path):
    table, out = tmp_path / "t.csv", tmp_path / "out.csv"
    table.write_text('id,text,label\n7,"a cat, the cat",x\n8,a dog,y\n', encoding="utf-8")
    told = run(encoder, [str(table)], Wanted(examples=examples, out=out)).lines
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["text"], row["label (input)"], row["label"]) for row in rows] == [
        ("7", "a cat, the cat", "x", "cat"), ("8", "a dog", "y", "dog"),
    ]  # fmt: skip
    assert "2 texts: cat 1 (50%), dog 1 (50%)" in told[0]
    run(encoder, [str(table)], Wanted(examples=examples, out=tmp_path / "out.jsonl"))
    assert [json.loads(line)["where"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["t.csv:2", "t.csv:3"]


FAULTS = {
    "a label of no example": ("cat,dog,horse", ANIMALS, "no example of the label 'horse'"),
    "an example of no label": ("cat,horse", ANIMALS, "example 3 has the label 'dog', which is not in --labels"),
    "one label": (None, ANIMALS[:2], "1 label"),
    "no text": (None, [*ANIMALS, ("", "cat")], "examples.csv:6: an example needs a text"),
    "no example": (None, [], "holds no example"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_examples_that_do_not_fit_are_refused_before_a_model_is_opened(fault, tmp_path):
    labels, given, told = FAULTS[fault]
    path = tmp_path / "examples.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in given), encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        way_of(Path("no-such-model"), Wanted(labels, path))


def test_what_can_not_go_together_is_refused(encoder, examples, tmp_path):
    head = tmp_path / "h"
    for wanted, told in (
        (Wanted(), "which labels"),
        (Wanted("a,b", head=head), "has its own labels"),
        (Wanted("a,b", save=head), "give --examples too"),
        (Wanted("a,b", prompt="? {text}"), "is asked nothing"),
        (Wanted("a,b", prompt="good or bad?"), "write {text} there"),
        (Wanted("a,b", limit=4), "1 texts of 5 characters are many for a model; allow them with --limit 5"),
        (Wanted(head=head), "no such file"),
    ):
        with pytest.raises(ValueError, match=told):
            run(encoder, ["a cat"], wanted)


def likelihood(**how):
    torch.set_num_threads(1)
    return ByLikelihood(Speaker(drawn(model(model_recipe("decoder", ()))), tokenizer()), ("a cat", "books"), **{"prompt": "{text}?"} | how)


def test_a_language_models_shares_follow_what_the_labels_cost():
    way, texts = likelihood(), ["the cat sat on the mat", "I love to read books.", "窗前明月光"]
    shares, costs = way.shares(texts), way.costs(texts)
    assert np.allclose(shares.sum(1), 1) and (shares.argmax(1) == costs.argmin(1)).all()
    answered = [Sample((*way.sample(texts[0]).messages, *ask("", answer=label).messages[1:])) for label in way.labels]
    said = [way.speaker.likelihood([one])[0] for one in answered]
    assert np.allclose(costs[0], [one.nats for one in said], atol=1e-3)


def test_calibrated_it_has_no_opinion_about_nothing():
    way = likelihood().calibrated()
    raw = likelihood().shares(NEUTRAL)
    assert np.abs(np.log(way.shares(NEUTRAL)).mean(0)[0] - np.log(way.shares(NEUTRAL)).mean(0)[1]) < 1e-3
    assert np.abs(np.log(raw).mean(0)[0] - np.log(raw).mean(0)[1]) > 1e-2


def test_examples_are_shown_as_a_conversation_as_many_of_each_label():
    shown = few([("x" * 900, "a")] + [(str(n), "b") for n in range(40)] + [("y", "a")])
    assert len(shown) <= SHOTS and [label for _, label in shown[:4]] == ["a", "b", "a", "b"]
    messages = likelihood(shown=shown).sample("z").messages
    assert [message.role for message in messages] == ["user", "assistant"] * len(shown) + ["user"]
    assert len(messages[0].text) < 500 and isinstance(messages[-1], Message)


def test_of_a_text_that_is_too_long_the_beginning_is_read():
    way, long = likelihood(), "the cat sat on the mat. 我喜欢看书。" * 60
    assert way.is_cut(long) and not way.is_cut(long[:40])
    assert long.startswith(way.sample(long).messages[0].text.removesuffix("?")) and way.shares([long, "a"]).shape == (2, 2)


def test_the_question_is_in_the_language_of_the_labels():
    assert question(named(["好评", "差评"])).format(text="x") == "好评还是差评？x"
    assert "Is this a, b (it breaks) or c?" in question(named(["a", "b=it breaks", "c"]))
    assert likelihood().asked("{text}") == "{text}?"


@pytest.mark.skipif(not Path("cache/models/e5").is_dir(), reason="e5 is not in the cache: duomo fetch e5")
def test_the_real_e5_knows_late_from_broken_in_two_languages():
    wanted = Wanted("late=the delivery took too long,broken=the product does not work", lines=True)
    texts = [
        "快递等了两个星期才到",
        "屏幕打不开，开机就死机",
        "It arrived ten days after the promised date.",
        "It does not switch on, the screen stays black.",
    ]
    assert [json.loads(line)["label"] for line in run(Path("cache/models/e5"), texts, wanted).lines] == ["late", "broken"] * 2
