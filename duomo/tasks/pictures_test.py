from random import Random

import numpy as np

from duomo.tasks import build
from duomo.tasks.media_test import TINY, TinyStore, glyph
from duomo.tasks.pictures import SIDE, Picture, beside, nearest_digits, pictures, redrawn, regressed_labels


class Doubled(TinyStore):
    def _digits(self):
        yield from super()._digits()
        yield from super()._digits()


def test_a_fifth_of_each_digit_is_held_out_and_copies_count_once():
    test, train = (pictures(split, Doubled()) for split in ("test", "train"))
    assert [sum(p.digit == digit for p in test) for digit in range(10)] == [2] * 10
    assert len(train) == 80 and not {p.id for p in train} & {p.id for p in test}
    assert [p.id for p in pictures("test", TinyStore())] == [p.id for p in test]


def test_all_tasks_hold_out_the_same_pictures():
    held = {p.id for p in pictures("test", TinyStore())}
    for name in ("digits", "motion", "two_senses"):
        task = build(name, **TINY[name])
        assert all(held & _ids(sample) for sample in task.samples("test", TinyStore()))
        assert not any(held & _ids(sample) for split in ("train", "valid") for sample in task.samples(split, TinyStore()))


def _ids(sample):
    return {part for word in sample.origin.id.split() for half in word.split("+") for part in half.split("/")}


def test_redrawing_changes_a_picture_and_keeps_it_recognisable():
    known = [Picture(glyph(digit, 0), digit, "") for digit in range(10)]
    drawn = [redrawn(picture.pixels_HW, Random(i)) for i, picture in enumerate(known)]
    assert all(d.shape == (SIDE, SIDE) and d.dtype == np.uint8 and (d != p.pixels_HW).any() for d, p in zip(drawn, known, strict=True))
    assert sum(found == digit for digit, found in enumerate(nearest_digits(known, drawn, neighbours=1))) >= 8
    shown = [p.pixels_HW for p in known]
    assert regressed_labels(shown, list(range(10)), shown) == list(range(10))


def test_wild_paper_is_sometimes_light():
    means = [redrawn(glyph(3, 0), Random(i), wild=1).mean() for i in range(20)]
    assert min(means) < 128 < max(means)


def test_beside_keeps_both():
    both = beside(glyph(1, 0), glyph(2, 0))
    assert both.shape == (SIDE, 2 * SIDE) and (both[:, SIDE:] == glyph(2, 0)).all()
