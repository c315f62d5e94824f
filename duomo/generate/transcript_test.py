"""Laws of transcripts: every second is heard once, whatever the windows and the batches."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.generate.transcript import Hear, Passage, Piece, Tape, transcribe
from duomo.modalities.audio import RATE


def counted(seconds: float, chunk: int = 5000) -> Iterator[np.ndarray]:
    """Sound whose every sample is its own number."""
    samples = np.arange(round(seconds * RATE), dtype=np.float32)
    return (samples[start : start + chunk] for start in range(0, len(samples), chunk))


def listening(advance: Callable[[float], float], heard: list[np.ndarray] | None = None) -> Hear:
    """Says the first sample of every window, for as long as the window goes on."""

    def hear(windows: Sequence[np.ndarray], spoken: Sequence[str | None]) -> list[Passage]:
        if heard is not None:
            heard.extend(windows)
        lengths = [len(window) / RATE for window in windows]
        return [
            Passage((Piece(0.0, advance(length), f" {window[0]:.0f}", -0.5),), advance(length), language or "xx")
            for window, length, language in zip(windows, lengths, spoken, strict=True)
        ]

    return hear


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 9.0), min_size=1, max_size=5), st.integers(1, 3), st.floats(0.3, 4.0), st.floats(0.2, 1.0))
def test_every_second_is_heard_once(lengths: list[float], batch: int, longest: float, share: float) -> None:
    hear = listening(lambda seconds: max(seconds * share, 0.1))
    found = dict(transcribe([counted(length) for length in lengths], hear, longest, batch=batch))
    assert sorted(found) == list(range(len(lengths)))
    for number, length in enumerate(lengths):
        transcript = found[number]
        assert abs(transcript.seconds - length) <= 0.11
        times = [(piece.begin, piece.end) for piece in transcript.pieces]
        assert all(abs(end - begin) < 1e-3 for (_, end), (begin, _) in zip(times, times[1:], strict=False))
        starts = [int(piece.text) for piece in transcript.pieces]
        assert starts == pytest.approx([begin * RATE for begin, _ in times], abs=1.1)


def test_batches_change_nothing_and_the_quick_are_done_first() -> None:
    lengths = (3.0, 1.0, 2.0, 0.5)
    runs = [list(transcribe([counted(s) for s in lengths], listening(lambda s: s), 1.0, batch=n)) for n in (1, 4)]
    assert dict(runs[0]) == dict(runs[1])
    assert [number for number, _ in runs[1]] == [1, 3, 2, 0]


def test_a_recording_is_never_held_as_a_whole() -> None:
    tape = Tape(counted(60.0), 0)
    for _ in range(20):
        assert len(tape.window(1.0)) == RATE and len(tape.held_L) < RATE + 5000
        tape.add(Passage((), 1.0))


def test_the_language_of_the_first_words_stays() -> None:
    asked: list[str | None] = []

    def hear(windows: Sequence[np.ndarray], spoken: Sequence[str | None]) -> list[Passage]:
        asked.extend(spoken)
        silent = len(asked) == 1
        return [Passage(() if silent else (Piece(0, 1, " a"),), 1.0, "ja" if silent else "zh") for _ in windows]

    ((_, found),) = transcribe([counted(3.0)], hear, 1.0)
    assert asked == [None, None, "zh"] and found.language == "zh" and found.text == "a a"


def test_a_damaged_recording_ends_with_its_fault_and_the_others_go_on() -> None:
    def damaged() -> Iterator[np.ndarray]:
        yield np.ones(RATE, np.float32)
        raise ValueError("x.wav: damaged")

    found = dict(transcribe([damaged(), counted(1.0)], listening(lambda s: s), 0.5, batch=2))
    assert found[0].fault == "x.wav: damaged" and found[0].seconds == 1.0 and len(found[0].pieces) == 2
    assert found[1].fault == "" and found[1].seconds == 1.0


def test_what_was_heard_before_the_damage_is_kept() -> None:
    def damaged() -> Iterator[np.ndarray]:
        yield from counted(2.0)
        raise ValueError("x.wav: damaged")

    ((_, found),) = transcribe([damaged()], listening(lambda s: s), 30.0)
    assert (found.fault, found.seconds, len(found.pieces)) == ("x.wav: damaged", 2.0, 1)


def test_what_is_gone_is_told() -> None:
    told: list[float] = []
    list(transcribe([counted(2.5), counted(1.0)], listening(lambda s: s), 1.0, tell=told.append))
    assert sum(told) == pytest.approx(3.5)
