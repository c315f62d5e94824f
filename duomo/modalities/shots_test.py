"""Laws of shots, on films of a few seconds that are made here."""

import numpy as np
import pytest

from duomo.modalities.shots import RATE, REACH, Look, changes, distance, segments
from duomo.modalities.video import VIDEO, Clip, shots
from duomo.recipe import CutRecipe

KEPT = CutRecipe(size=(1, 48, 48), hop=(1, 1, 1), merge=(1, 1, 1), features=3)


def scene(seed):
    """A picture of coloured blocks."""
    return np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(12, 0).repeat(12, 1)


def found(frames, rate=RATE):
    """The parts of a film that is shown frame by frame, never encoded."""
    return list(segments(((number + 1) / rate, lambda shown=shown: shown) for number, shown in enumerate(frames)))


def told(frames):
    return [(part.change, round(part.begin * RATE)) for part in found(frames)]


def still(seed, length):
    return [scene(seed)] * length


def blend(one, other, length):
    shares = (np.arange(length) + 0.5) / length
    return [(scene(one) * (1 - share) + scene(other) * share).astype(np.uint8) for share in shares]


def test_cuts_are_found_where_they_are():
    assert told(still(1, 30) + still(2, 9) + still(3, 40)) == [("begin", 0), ("cut", 30), ("cut", 39)]


def test_a_still_film_is_one_part_and_its_noise_no_change():
    random = np.random.default_rng(0)
    noisy = [np.clip(scene(1) + random.normal(0, 6, scene(1).shape), 0, 255).astype(np.uint8) for _ in range(60)]
    assert told(noisy) == [("begin", 0)]


@pytest.mark.parametrize("length", [4, 8, 12])
def test_a_dissolve_is_one_change_in_its_middle(length):
    (begin, fade) = told(still(1, 40) + blend(1, 2, length) + still(2, 40))
    assert begin == ("begin", 0) and fade[0] in ("fade", "cut") and abs(fade[1] - 40 - length / 2) <= 2


def test_a_fade_through_black_is_one_change():
    dark = [(scene(1) * (1 - share)).astype(np.uint8) for share in (np.arange(6) + 0.5) / 6]
    light = [(scene(2) * share).astype(np.uint8) for share in (np.arange(6) + 0.5) / 6]
    (_, fade) = told(still(1, 40) + dark + light + still(2, 40))
    assert abs(fade[1] - 46) <= 2


def test_a_pan_is_no_change_of_shot():
    wide = np.concatenate([scene(seed) for seed in range(6)], 1)
    pan = [wide[:, start : start + 96] for start in range(0, wide.shape[1] - 96, 8)]
    assert {change for change, _ in told(pan)} <= {"begin", "new"}


def test_a_flash_is_no_cut():
    frames = still(1, 60)
    frames[30] = np.full_like(scene(1), 255)
    assert told(frames) == [("begin", 0)]


def test_a_long_shot_that_shows_something_new_has_a_further_part():
    def shown(number):
        frame = np.zeros((72, 96, 3), np.uint8)
        frame[:, : min(96, number)] = scene(1)[:, : min(96, number)]
        return frame

    parts = [change for change, _ in told([shown(number) for number in range(120)])]
    assert parts[0] == "begin" and set(parts[1:]) == {"new"}


def test_parts_follow_each_other_and_hold_their_key_frames():
    parts = found(still(1, 30) + blend(1, 2, 10) + still(2, 30) + still(3, 20), rate=10)
    assert parts[0].begin == 0 and parts[-1].end == pytest.approx(9.0)
    assert all(one.end == other.begin for one, other in zip(parts, parts[1:], strict=False))
    assert all(part.begin <= part.second < part.end for part in parts)
    assert [min((np.abs(part.pixels_HWC.astype(int) - scene(seed)).mean(), seed) for seed in (1, 2, 3))[1] for part in parts] == [1, 2, 3]


def test_black_belongs_to_what_it_leads_to():
    black = [np.zeros((72, 96, 3), np.uint8)] * 20
    assert len(found(black + still(1, 40))) == 1
    assert len(found(still(1, 40) + black + still(2, 40))) == 2


def test_of_a_long_film_only_seconds_are_held():
    ahead = 0

    def looks():
        nonlocal ahead
        for number in range(600):
            ahead += 1
            yield Look(number / RATE, scene(number // 50))

    furthest = 0
    for _ in changes(looks()):
        ahead -= 1
        furthest = max(furthest, ahead)
    assert furthest <= 2 * REACH + 1 and ahead == 0


def test_distance_is_nothing_to_itself_and_large_to_another():
    one, other, black = Look(0, scene(1)), Look(0, scene(2)), Look(0, np.zeros((10, 20, 3), np.uint8))
    assert distance(one, one) == 0 and 0.2 < distance(one, other) <= 1 and distance(one, black) == distance(black, one)


def test_a_film_from_a_file_has_the_same_parts():
    frames = np.stack(still(1, 24) + still(2, 36))
    film = VIDEO.write(Clip(frames, np.arange(60) / 12))
    parts = list(segments(shots(film, KEPT)))
    assert [part.change for part in parts] == ["begin", "cut"] and parts[1].begin == pytest.approx(2.0, abs=0.1)
