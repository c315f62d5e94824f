"""Laws of the script: what may come next, where pieces end, what goes round in a loop."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.generate.script import Script, languages, looped, restrained, script_of, spans
from tests import small
from tests.hearing import VOCABULARY, tokenizer

FOUND = script_of(tokenizer())
assert FOUND is not None
SCRIPT: Script = FOUND
T0, END = SCRIPT.stamps.start, SCRIPT.end
WORDS = [id for id in range(97, 123) if id not in SCRIPT.mute]


def stamp(seconds: float) -> int:
    return T0 + round(seconds / 0.02)


def allowed(said: list[int], likely: dict[int, float] | None = None) -> set[int]:
    """Ids that may follow, where all that are not `likely` are as likely as each other and words are ahead."""
    logits = torch.zeros(1, VOCABULARY)
    logits[:, : END + 1] = 20.0
    for id, value in (likely or {}).items():
        logits[:, id] = value
    return set((restrained(logits, torch.tensor([said], dtype=torch.long), SCRIPT)[0] > -torch.inf).nonzero()[:, 0].tolist())


def test_the_script_knows_its_control_tokens() -> None:
    names = tokenizer().special
    assert SCRIPT.languages == {name: names[f"<|{name}|>"] for name in ("en", "zh", "fr")}
    assert SCRIPT.prompt("zh", translate=False) == [names["<|zh|>"], names["<|transcribe|>"]]
    assert SCRIPT.prompt("fr", translate=True) == [names["<|fr|>"], names["<|translate|>"]]
    assert SCRIPT.seconds(names["<|1.50|>"]) == 1.5 and len(SCRIPT.stamps) == 1501
    assert script_of(small.tokenizer()) is None


def test_the_first_thing_is_a_time_of_the_first_second() -> None:
    assert allowed([]) == set(range(T0, T0 + 51))


def test_after_an_opening_time_comes_a_word_and_no_time() -> None:
    found = allowed([stamp(0.5)])
    assert found and max(found) <= END and set(WORDS) <= found


def test_a_closing_time_lies_after_the_opening_one() -> None:
    found = allowed([stamp(0.5), *WORDS[:2]])
    assert {id for id in found if id >= T0} == set(range(stamp(0.52), T0 + 1501)) and set(WORDS) <= found


def test_after_a_closing_time_comes_the_next_opening_one_or_the_end() -> None:
    found = allowed([stamp(0), *WORDS[:2], stamp(1.0)], {END: 40.0})
    assert found == {END, *range(stamp(1.0), T0 + 1501)}


def test_likely_times_go_before_words_and_never_a_control_token() -> None:
    said = [stamp(0), *WORDS[:2]]
    assert min(allowed(said, {stamp(2): 30.0})) >= T0
    assert not set(SCRIPT.mute) & allowed(said)
    assert not {tokenizer().special[f"<|{name}|>"] for name in ("startoftranscript", "en", "notimestamps", "nospeech")} & allowed(said)


def test_rows_are_restrained_alone() -> None:
    logits = torch.randn(3, VOCABULARY, generator=torch.Generator().manual_seed(0))
    said = torch.tensor([[stamp(0), 97, 98], [stamp(0), 97, stamp(1)], [stamp(0), stamp(0), 99]])
    together = restrained(logits, said, SCRIPT)
    assert all(torch.equal(together[row : row + 1], restrained(logits[row : row + 1], said[row : row + 1], SCRIPT)) for row in range(3))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_drawn_is_written_in_pairs_that_never_go_back(seed: int) -> None:
    random, said = torch.Generator().manual_seed(seed), list[int]()
    for _ in range(24):
        logits = 6 * torch.randn(1, VOCABULARY, generator=random)
        scores = restrained(logits, torch.tensor([said], dtype=torch.long), SCRIPT)
        next = int(torch.multinomial(scores.softmax(-1), 1, generator=random))
        if next == END:
            break
        said.append(next)
    times = [id for id in said if id >= T0]
    assert times == sorted(times) and said[0] <= stamp(1.0)
    runs = "".join("t" if id >= T0 else "w" for id in said)
    assert "ttt" not in runs and "wtw" not in runs


def test_pieces_end_where_two_times_meet() -> None:
    a, b, c = WORDS[:3]
    said = [stamp(0), a, stamp(1), stamp(1.5), b, c, stamp(3)]
    found, advance = spans(said, SCRIPT, 10.0)
    assert [(s.begin, s.end, s.ids) for s in found] == [(0.0, 1.0, (a,)), (1.5, 3.0, (b, c))]
    assert advance == 10.0  # a single time at the end: nothing more is said


def test_what_has_no_end_is_heard_again() -> None:
    a, b = WORDS[:2]
    found, advance = spans([stamp(0), a, stamp(2), stamp(2), b], SCRIPT, 10.0)
    assert [(s.begin, s.end, s.ids) for s in found] == [(0.0, 2.0, (a,))] and advance == 2.0


def test_a_window_without_pairs_is_one_piece_to_its_end() -> None:
    found, advance = spans([stamp(0.2), *WORDS[:3]], SCRIPT, 4.0)
    assert [(s.begin, s.end) for s in found] == [(0.2, 4.0)] and advance == 4.0
    assert spans([], SCRIPT, 4.0) == ([], 4.0)
    assert spans([stamp(0), stamp(0)], SCRIPT, 4.0) == ([], 4.0)  # never stands still


@settings(deadline=None)
@given(st.lists(st.sampled_from([*WORDS[:2], stamp(0), stamp(0.5), stamp(29)]), max_size=12), st.floats(0.1, 30))
def test_every_window_moves_on_and_no_piece_leaves_it(said: list[int], seconds: float) -> None:
    found, advance = spans(said, SCRIPT, seconds)
    assert 0 < advance <= seconds
    assert all(0 <= s.begin <= s.end <= seconds and s.ids for s in found)


def test_a_loop_is_what_stands_four_times_or_more() -> None:
    a, b, c = WORDS[:3]
    once = [stamp(0), c, b, a]
    assert looped([*once, *[a, b, c] * 4], SCRIPT) == 9
    assert looped([*once, *[a, b, c] * 3], SCRIPT) == 0
    assert looped([*once, *[a] * 11], SCRIPT) == 11  # with the one before
    assert looped([*once, *[b, a] * 4], SCRIPT) == 0  # as people say no, no, no, no
    timed = [id for n in range(6) for id in (stamp(n), a, b, stamp(n + 1))]
    assert looped(timed, SCRIPT) > 0 and timed[: -looped(timed, SCRIPT)] == [stamp(0), a, b, stamp(1), stamp(1)]
    assert looped([], SCRIPT) == 0


def test_languages_stand_by_their_share() -> None:
    logits = torch.zeros(VOCABULARY)
    logits[SCRIPT.languages["zh"]], logits[0] = 3.0, 100.0
    found = list(languages(logits, SCRIPT))
    assert found[0][0] == "zh" and abs(sum(share for _, share in found) - 1) < 1e-5
