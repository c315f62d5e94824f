from random import Random

import numpy as np
import pytest

from duomo.modalities.video import VIDEO
from duomo.tasks.media_test import TINY, TinyStore, made
from duomo.tasks.motion import END, OPPOSITE, SIDE, Motion, key_frame, motion, say, understand
from duomo.tasks.pictures import pictures
from duomo.tasks.task import Answer
from duomo.tasks.tracking import track


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_said_is_understood(language):
    for seen in (Motion(7, "left", "up", 1.5), Motion(0, "down", "left", 0.7, still=3), Motion(9, "right", "left", 2.0, still=9)):
        assert understand(say(seen, language)) == seen


def test_the_words_are_as_documented():
    assert say(Motion(7, "left", "up", 1.5, 3), "en") == "seven: left, then up at 1.5 s; three: still"
    assert say(Motion(7, "left", "up", 1.5, 3), "zh") == "七：左，1.5 秒后上；三：静止"


@pytest.mark.parametrize(
    "said", ["Seven LEFT then up at 1.5s ; Three still.", "three: still; 7: left, up at 1.5 s", "7 left, then up at 1.5 seconds; 3 still"]
)
def test_other_ways_to_say_it_are_understood(said):
    assert understand(said) == Motion(7, "left", "up", 1.5, 3)


@pytest.mark.parametrize("said", ["", "?", "s at s", "：；", "left", "9" * 50])
def test_nonsense_is_no_motion(said):
    found = understand(said)
    assert (found.second, found.turn, found.still) == ("", None, None)


def test_metrics_are_apart():
    task, (sample, *_) = motion(**TINY["motion"]), made("motion", "test")
    true = understand(sample.answer)
    late = Motion(true.digit, true.first, true.second, true.turn + 0.31, true.still)
    other = Motion((true.digit + 1) % 10, true.second, true.first, true.turn - 0.29, true.still)
    assert task.score(sample, Answer(say(late, "en"))) == {"direction": True, "digit": True, "turn": True}  # told in tenths: 0.3
    assert task.score(sample, Answer(say(other, "zh"))) == {"direction": False, "digit": False, "turn": True}


def test_clips_show_what_their_answers_say():
    store = TinyStore()
    test = list(motion(test=30, pairs=0.5).samples("test", store))
    clips = [VIDEO.read(store.bytes(next(sample.media()).value), VIDEO.default) for sample in test]
    assert all(clip.frames_LHWC.shape[1:3] == (SIDE, SIDE) for clip in clips)
    found = track(clips, pictures("train", store))
    for (_, first, second, turn, _), sample in zip(found, test, strict=True):
        true = understand(sample.answer)
        assert (first, second) == (true.first, true.second) and abs(turn - true.turn) < 0.3
    assert np.mean([f[0] == understand(s.answer).digit for f, s in zip(found, test, strict=True)]) > 0.8


def test_half_of_the_test_runs_backwards():
    test = made("motion", "test")
    for forwards, backwards in zip(test[::2], test[1::2], strict=True):
        before, after = understand(forwards.answer), understand(backwards.answer)
        assert (after.first, after.second) == (OPPOSITE[before.second], OPPOSITE[before.first])
        assert after.turn == pytest.approx(END - before.turn, abs=0.11)
        assert (after.digit, after.still, backwards.origin.group) == (before.digit, before.still, forwards.origin.group)


def test_a_reversed_clip_never_shows_its_sample_s_directions():
    task, test = motion(**TINY["motion"]), made("motion", "test")
    shown = {next(s.media()).value: understand(s.answer) for s in test}
    altered = task.ablations[0].alter(test, Random(0))
    assert altered
    for sample in altered:
        seen, told = shown[next(sample.media()).value], understand(sample.answer)
        assert (seen.first, seen.second) != (told.first, told.second) and seen.digit == told.digit


def test_the_key_frame_is_at_the_turn():
    store = TinyStore()
    (sample, *_) = motion(test=2).samples("test", store)
    clip = VIDEO.read(store.bytes(next(sample.media()).value), VIDEO.default)
    assert abs(clip.seconds_L[key_frame("七：左，1.5 秒后上", clip)] - 1.5) <= 1 / 8
    with pytest.raises(ValueError, match="no second"):
        key_frame("seven", clip)


def test_the_best_constant_turn_is_the_stated_chance():
    random = Random(0)
    task = motion()
    turns = [float(f"{random.uniform(0.7, END - 0.7):.1f}") for _ in range(20000)]
    best = max(np.mean([abs(t - guess) < 0.31 for t in turns]) for guess in np.arange(0.7, 2.2, 0.1))
    assert task.metrics[2].chance == pytest.approx(best, abs=0.015)
