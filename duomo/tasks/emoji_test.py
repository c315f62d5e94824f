"""Laws of emoji, on drawings that are made here."""

import json
from random import Random

import numpy as np
import pytest

from duomo.modalities.image import IMAGE, to_png
from duomo.sample import Origin, Part, ask, to_json
from duomo.tasks import build
from duomo.tasks.emoji import QUESTIONS, SIDE, colours, concepts, dealt, family, redrawn
from duomo.tasks.task import Answer
from tests.memory import Memory

COUNT = 30
FEW = {"variants": 3, "valid": 3, "unseen": 6}


def drawing(number: int, style: str) -> bytes:
    """Coloured blocks on nothing; the other style has the same blocks, paler."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 4), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    pixels[..., 3] = 255
    pixels[:8, :, 3] = pixels[-8:, :, 3] = 0
    if style == "google":
        pixels[..., :3] = pixels[..., :3] // 2 + 100
    return to_png(pixels)


class Drawings(Memory):
    """A store in memory: one more drawing with a name that is taken, one with a picture that is taken, one in a single style."""

    def open(self, source):
        style = source.removeprefix("emoji_")
        for number in range(COUNT):
            yield self._one(source, f"{number:04x}", {"en": f"thing {number}", "zh": f"东西{number}号"}, drawing(number, style))
        yield self._one(source, "aaaa", {"en": "thing 1", "zh": "别的"}, drawing(901, style))
        yield self._one(source, "bbbb", {"en": "copy", "zh": "副本"}, drawing(2, style) if style == "google" else drawing(902, style))
        yield self._one(source, style.encode().hex(), {"en": "single", "zh": "单个"}, drawing(903, style))
        yield self._one(source, "cccc", {"en": "nameless"}, drawing(904, style))
        yield self._one(source, "dddd", {"en": "same", "zh": "一样"}, drawing(905, "twitter"))

    @staticmethod
    def _one(source, id, names, png):
        return ask(Part("image", png), answer=json.dumps(names), origin=Origin(source, id, "CC-BY-4.0"))


@pytest.fixture(scope="module")
def splits():
    store, task = Drawings(), build("emoji", **FEW)
    return task, store, {split: list(task.samples(split, store)) for split in ("train", "valid", "test")}


def test_of_what_shares_a_name_or_a_picture_one_is_left_and_no_concept_is_in_two_splits():
    found = concepts(Drawings())
    ids = {one.id for one in found}
    assert len(ids & {"0001", "aaaa"}) == 1 and len(ids & {"0002", "bbbb"}) == 1 and not ids & {"cccc", "dddd"}
    assert len(ids) == COUNT and all(set(one.names) == {"en", "zh"} and len(one.pictures) == 2 for one in found)
    places = dealt(found, 3, 6)
    assert [len(places[split]) for split in ("train", "valid", "test")] == [COUNT - 9, 3, 6]
    assert sorted(one.id for some in places.values() for one in some) == sorted(ids)

    assert len({family(id) for id in ("1f9d1-200d-1f373", "1f468-200d-1f373", "1f469-200d-1f373")}) == 1
    assert len({family(id) for id in ("1f937", "1f937-200d-2640", "1f937-200d-2642", "1f438")}) == 2


def test_the_test_shows_known_concepts_in_a_style_that_training_never_does(splits):
    _, store, made = splits
    known = {one.id for one in dealt(concepts(store), FEW["valid"], FEW["unseen"])["train"]}
    for split, style in (("train", "twitter"), ("valid", "twitter"), ("test", "google")):
        assert {sample.origin.source for sample in made[split]} == {f"emoji_{style}"}
    assert {sample.origin.id for sample in made["test"]} == {sample.origin.id for sample in made["train"]} == known
    assert not {sample.origin.id for sample in made["valid"]} & known
    shown = {split: {part.value for sample in some for part in sample.media()} for split, some in made.items()}
    assert not shown["train"] & shown["test"] and not shown["train"] & shown["valid"]
    assert not {s.origin.group for s in made["train"]} & {s.origin.group for split in ("valid", "test") for s in made[split]}


def test_every_known_concept_is_drawn_alike_often_and_named_in_both_languages(splits):
    _, _, made = splits
    counts = {id: [s.answer for s in made["train"] if s.origin.id == id] for id in {s.origin.id for s in made["train"]}}
    assert {len(answers) for answers in counts.values()} == {FEW["variants"]}
    assert all({answer.isascii() for answer in answers} == {True, False} for answers in counts.values())
    asked = {(s.messages[0].text in QUESTIONS["en"], s.answer.isascii()) for some in made.values() for s in some}
    assert asked == {(True, True), (False, False)}, "the answer's language is the question's"


def test_drawn_anew_is_another_picture_of_the_same_size_on_white():
    plain, random = colours(drawing(1, "twitter")), Random(0)
    others = [redrawn(drawing(1, "twitter"), random) for _ in range(20)]
    assert all(one.shape == plain.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8 for one in others)
    assert len({one.tobytes() for one in [plain, *others]}) == 21
    far = [np.abs(one.astype(float) - plain).mean() for one in others]
    strange = np.abs(colours(drawing(2, "twitter")).astype(float) - plain).mean()
    assert max(far) < 0.8 * strange, "it is still nearer to itself than to another"
    assert np.median([one[0].min() for one in others]) > 240


def test_a_seed_gives_the_same_samples_again(splits):
    _, _, made = splits
    again, other = (build("emoji", **FEW, seed=seed).samples("train", Drawings()) for seed in (0, 1))
    assert [to_json(s) for s in again] == [to_json(s) for s in made["train"]] != [to_json(s) for s in other]


def test_the_truth_scores_full_the_control_swaps_pictures_and_the_nearest_picture_names_them(splits):
    task, store, made = splits
    test = made["test"]
    for said, value in ((lambda s: s.answer.upper(), 1), (lambda s: "", 0)):
        assert task.metrics[0].of([task.score(s, Answer(said(s))) for s in test]) == value
    changed = task.control(test, Random(0))
    assert all(list(a.media()) != list(b.media()) and a.answer == b.answer for a, b in zip(test, changed, strict=True))
    (answers,) = task.baselines(made["train"], test, store).values()
    assert task.metrics[0].of([task.score(s, Answer(a)) for s, a in zip(test, answers, strict=True)]) > 0.8


def test_pictures_are_files_of_their_own_and_styles_are_checked(splits):
    _, store, made = splits
    part = next(made["test"][0].media())
    assert IMAGE.read(store.bytes(part.value), IMAGE.default).shape == (SIDE, SIDE, 3)
    for styles in ({"style": "google"}, {"other": "apple"}):
        with pytest.raises(ValueError, match="give two of twitter, google"):
            build("emoji", **styles)
