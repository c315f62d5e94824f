"""Laws of listening: windows alone and together, silence, limits, and one more try at most."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from duomo.generate.listen import TOKENS, Guard, Heard, Listener, drawn, most_tokens
from duomo.generate.script import script_of
from duomo.modalities.audio import RATE
from tests.hearing import tokenizer, whisper

NEVER = Guard(sure=1.1, doubtful=1.1)


@pytest.fixture(scope="module")
def listener() -> Listener:
    torch.set_num_threads(1)
    script = script_of(tokenizer())
    assert script is not None
    return Listener(whisper(), tokenizer(), script, NEVER)


def sound(number: int, seconds: float = 0.2) -> np.ndarray:
    return np.random.default_rng(number).normal(0, 0.1, round(RATE * seconds)).astype(np.float32)


def windows() -> list[np.ndarray]:
    return [sound(1), sound(2, 0.05), sound(3, 0.24)]


def same(one: Heard, other: Heard) -> bool:
    return (one.ids, one.language) == (other.ids, other.language) and one.nats == pytest.approx(other.nats, abs=1e-3)


def test_windows_together_say_what_they_say_alone(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duomo.generate.listen.LEAST_NATS", -1e9)  # no second try: it draws
    together = listener.hear(windows(), ["en", "zh", None])
    assert len({one.ids for one in together}) == 3
    for window, language, one in zip(windows(), ("en", "zh", None), together, strict=True):
        assert same(one, listener.hear([window], [language])[0])


def test_the_language_is_found_or_given(listener: Listener) -> None:
    found = listener.detect(sound(1))
    assert {name for name, _ in found} == {"en", "zh", "fr"} and found == sorted(found, key=lambda pair: -pair[1])
    assert listener.hear([sound(1)], [None])[0].language == found[0][0]
    said = {language: listener.hear([sound(1)], [language])[0].ids for language in ("en", "zh")}
    assert said["en"] != said["zh"]
    assert listener.hear([sound(1)], ["zh"], translate=True)[0].ids != said["zh"]


def test_silence_is_found_before_anything_is_written(listener: Listener) -> None:
    nothing, empty = listener.hear([np.zeros(3200, np.float32), sound(1)[:0]], [None, "zh"])
    assert (nothing.ids, nothing.silence, empty.ids, empty.language) == ((), 1.0, (), "zh")
    deaf = replace(listener, guard=Guard(sure=0.0))
    assert deaf.hear([sound(1)], ["en"])[0].ids == ()


def test_no_window_says_more_than_anyone_can(listener: Listener) -> None:
    for window in windows():
        heard = listener.hear([window], ["en"])[0]
        assert len(heard.ids) <= most_tokens(len(window) / RATE) and heard.tries <= 2
    assert most_tokens(0.0) == TOKENS and most_tokens(30) == 224


def test_a_doubtful_text_is_tried_once_more_and_the_same_again_by_its_seed(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duomo.generate.listen.LEAST_NATS", 1.0)  # nothing is believed
    first, again = (listener.hear([sound(1)], ["en"], seed=3)[0] for _ in range(2))
    assert first == again and first.tries == 2


def test_a_second_try_does_not_hear_of_its_neighbours(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duomo.generate.listen.LEAST_NATS", 1.0)
    together = listener.hear(windows(), ["en", "zh", "en"])
    for window, language, one in zip(windows(), ("en", "zh", "en"), together, strict=True):
        assert one.tries == 2 and same(one, listener.hear([window], [language])[0])


def test_a_loop_ends_where_it_is_seen(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listener.script.languages
    word, first = 97, listener.script.stamps.start
    logits = torch.full((whisper().recipe.vocab_size,), -30.0)
    logits[word], logits[first] = 30.0, 10.0
    monkeypatch.setattr(type(listener.model), "logits", lambda self, hidden: logits.to(hidden).expand(*hidden.shape[:-1], -1).clone())
    heard = listener.hear([sound(1, 0.24)], ["en"])[0]
    assert heard.ids == (first, word) and heard.tries == 2


def test_rows_draw_at_their_own_temperature() -> None:
    scores = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    found = drawn(scores.expand(4, 50), torch.tensor([0.0, 0.0, 1e-3, 1.0]), torch.Generator().manual_seed(1))
    assert found[:3].tolist() == scores[:3].argmax(-1).tolist()
