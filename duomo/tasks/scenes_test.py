"""Laws of scenes, on cut-outs that are made here."""

import json
from random import Random

import numpy as np
import pytest

from duomo.modalities.image import IMAGE, to_png
from duomo.sample import Origin, Part, ask, to_json
from duomo.tasks import build
from duomo.tasks.composing import PLACES, Cutout, compose, cut_out, cutouts, named
from duomo.tasks.scenes import KNOWN, UNSEEN, held_out, parsed, sentence, vocabulary
from duomo.tasks.task import Answer
from tests.memory import Memory

THINGS = {"A lion.": "一头狮子。", "An apple.": "苹果", "A tree.": "一棵树。", "The moon.": "月亮。", "A red car.": "一辆红色汽车"}
FEW = {"scenes": 60, "valid": 10, "test": 40}


def stamp(seed: int, clear: bool = True) -> bytes:
    """A PNG of coloured blocks, its border transparent."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    pixels[..., 3] = 255
    if clear:
        pixels[:8, :, 3] = pixels[:, :8, 3] = 0
    return to_png(pixels)


class Stamps(Memory):
    """A store in memory: three pictures of each thing, one of the last, and what can not be used."""

    def open(self, source):
        assert source == "tuxpaint"
        for number, (english, chinese) in enumerate(THINGS.items()):
            for take in range(1 if "car" in english else 3):
                told = json.dumps({"en": english, "zh": chinese})
                origin = Origin("tuxpaint", f"{english} {take}", "GPL-2")
                yield ask(Part("image", stamp(10 * number + take)), answer=told, origin=origin)
        yield ask(Part("image", stamp(99, clear=False)), answer=json.dumps({"en": "A view.", "zh": "景色"}))
        yield ask(Part("image", b"no picture"), answer=json.dumps({"en": "A ghost.", "zh": "鬼"}))
        yield ask(Part("image", stamp(98)), answer=json.dumps({"en": "A fox."}))


@pytest.fixture(scope="module")
def splits():
    store = Stamps()
    task = build("scenes", **FEW)
    return task, store, {split: list(task.samples(split, store)) for split in ("train", "valid", "test")}


def shown(sample):
    return set(sample.origin.id.split()[1].split("+"))


def test_only_what_is_cut_out_and_named_in_both_languages_is_shown():
    found = cutouts(Stamps(), "tuxpaint")
    assert len(found) == 13 and {one.names["en"] for one in found} == {"lion", "apple", "tree", "moon", "red car"}
    assert {one.names["zh"] for one in found} == {"狮子", "苹果", "树", "月亮", "红色汽车"}
    assert cut_out(stamp(1)).shape == (48, 48, 4) and cut_out(stamp(1, clear=False)) is None and cut_out(b"x") is None
    assert named({"en": "Somewhere in the far north of the country.", "zh": "北方"}) is None


def test_unseen_pictures_are_in_no_training_and_known_ones_are(splits):
    _, _, made = splits
    taught = set().union(*(shown(sample) for sample in made["train"]))
    for sample in made["test"]:
        new = sample.origin.id.startswith(UNSEEN)
        assert not shown(sample) & taught if new else shown(sample) <= taught | set().union(*map(shown, made["valid"]))
    assert {sample.origin.id.split()[0] for sample in made["test"]} == {KNOWN, UNSEEN}


def test_a_combination_of_the_test_is_in_no_training(splits):
    _, _, made = splits
    taught = {sample.origin.group for sample in made["train"]}
    assert not taught & {sample.origin.group for sample in made["test"]}
    asked = [shown(sample) for sample in made["test"] if sample.origin.id.startswith(KNOWN)]
    assert all(len(pictures) > 1 for pictures in asked)
    assert not {frozenset(pictures) for pictures in asked} & {frozenset(shown(sample)) for sample in made["train"]}


def test_a_thing_with_one_picture_is_never_asked_unseen():
    known, unseen = held_out(vocabulary(cutouts(Stamps(), "tuxpaint"), 5))
    assert "red car" in known and "red car" not in unseen
    assert all(len(known[name]) == 2 and len(unseen[name]) == 1 for name in unseen)
    assert not {one.id for all in known.values() for one in all} & {one.id for all in unseen.values() for one in all}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_a_sentence_says_is_read_back(language, place, count):
    names = {"en": ["lion", "red apple", "tree"], "zh": ["狮子", "红苹果", "树"]}[language][:count]
    text = sentence(names, place, language)
    said = parsed(text.upper() + " !", language)
    assert said[1] == tuple(name.replace(" ", " ") for name in names) and said[2] == (place if count == 2 else "")
    assert said[0] == parsed(text, language)[0]
    assert parsed("gibberish", language)[2] == ""


@pytest.mark.parametrize("place", PLACES)
def test_things_stand_where_the_sentence_says(place):
    def thing(*colour):
        return Cutout(np.full((30, 30, 4), (*colour, 255), np.uint8), {}, "")

    for seed in range(20):
        picture = compose([thing(255, 0, 0), thing(0, 255, 0)], place, Random(seed), vary=False).astype(int)
        middles, sizes = [], []
        for channel, other in ((0, 1), (1, 0)):
            inside = np.argwhere((picture[..., channel] > 235) & (picture[..., other] < 20) & (picture[..., 2] < 20))
            middles.append(inside.mean(0))
            sizes.append(len(inside))
        (row, column), (row2, column2) = middles
        found = {"left": column2 - column, "right": column - column2, "above": row2 - row, "below": row - row2}[place]
        assert found > 12 and sizes[0] > 1.2 * sizes[1]


def test_the_truth_scores_full_and_nothing_scores_nothing(splits):
    task, _, made = splits
    for said, share in ((lambda s: s.answer.upper() + " !", 1.0), (lambda s: "", 0.0)):
        rows = [task.score(sample, Answer(said(sample))) for sample in made["test"]]
        *figures, cider = (round(metric.of(rows), 6) for metric in task.metrics)
        assert figures == [share, share, share, share, 100 * share]
        assert 5 < cider < 10 if share else cider == 0
        assert all(sum(map(metric.counts, rows)) for metric in task.metrics)


def test_half_a_truth_scores_half(splits):
    task, _, made = splits
    sample = ask("", answer=sentence(["lion", "tree"], "left", "en"))
    row = task.score(sample, Answer(sentence(["lion", "moon"], "right", "en")))
    assert (row["named"], row["count"], row["place"], row["right"]) == (0.5, True, False, False)
    assert task.score(sample, Answer(sentence(["lion"], "left", "en")))["named"] == 0.5


def test_the_control_changes_the_picture_alone_and_baselines_answer_all(splits):
    task, store, made = splits
    for before, after in zip(made["test"], task.control(made["test"], Random(0)), strict=True):
        assert (before.answer, before.messages[0].text) == (after.answer, after.messages[0].text)
        assert [part.value for part in before.media()] != [part.value for part in after.media()]
    for answers in task.baselines(made["train"], made["test"], store).values():
        pairs = zip(answers, made["test"], strict=True)
        assert all(parsed(answer, "en" if sample.answer.isascii() else "zh")[1] for answer, sample in pairs)


def test_a_seed_gives_the_same_scenes_and_languages_are_kept(splits):
    task, store, made = splits
    assert [to_json(sample) for sample in task.samples("test", store)] == [to_json(sample) for sample in made["test"]]
    assert all(sample.answer.isascii() for sample in build("scenes", **FEW, languages=["en"]).samples("test", store))
    assert {sample.answer.isascii() for sample in made["test"]} == {True, False}
    assert IMAGE.read(store.bytes(next(made["test"][0].media()).value), IMAGE.default).shape == (48, 72, 3)
