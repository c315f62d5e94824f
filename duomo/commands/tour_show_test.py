"""Laws of the tour on a terminal: every event has its lines, and no text steers the terminal."""

from io import StringIO
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console

from duomo.commands.tour_desk import MEANING, WORDS
from duomo.commands.tour_end import LIMITS
from duomo.commands.tour_fetch import WRITER
from duomo.commands.tour_show import SHADES, Printer, filled, lines, passing, shaded
from duomo.page import events as told
from duomo.page.words import TEXTS

PIXELS = np.zeros((28, 28, 3), np.uint8)
PIXELS[4:24, 13:15] = 255
ITEM = told.Item("digits", "what is this?", (), "three", "eight", right=False)
EVENTS = (
    told.Act(1, "The shelf", "about"),
    told.Download("e5", "an encoder", 91_000_000, "MIT", here=False),
    told.LeftOut("e5", "not found"),
    told.Doing("preparing", seconds=3),
    told.Heard(Path("a.wav"), "hello", "Hello.", 1.0, 0.5),
    told.Shelved("tour", 3, 4, 0, 0.1),
    told.Answered("who?", "You are alone.", "a.wav, 0:00", Path("a.wav"), 0.0, 0.9),
    told.Invented("who?", "Napoleon", "smollm2"),
    told.Learning(3, 10, 1.5, 60),
    told.Tried(20, (ITEM,), (told.Bar("digits", 0.5, 60, 0.93, "3 nearest neighbours"),), 1.0),
    told.Killed(25, 1.25, 20),
    told.Resumed(20, ((21, 1.0, 1.0),)),
    told.Scores((), ("task  value",), Path("report.html")),
    told.Told("What this can not do", ("much",)),
)


def printed(event: told.Event) -> str:
    out = StringIO()
    Printer(Console(file=out, width=200), seldom=0).show(event)
    return out.getvalue()


def test_every_event_has_lines():
    assert {type(event) for event in EVENTS} == set(get_args(told.Event))
    for event in EVENTS:
        assert "".join(text for text, _ in lines(event)).strip(), event


def test_what_a_model_says_does_not_steer_the_terminal():
    for event in (
        told.Invented("q", "\x1b[2Jgone[/bold]", "m"),
        told.Answered("q\x1b[1m", "a\x07", by="words"),
        told.LeftOut("\x1b]0;x\x07", "y"),
    ):
        assert "\x1b" not in printed(event) and "\x07" not in printed(event)
    assert "gone[/bold]" in printed(told.Invented("q", "gone[/bold]", "m"))


def test_a_made_up_answer_is_called_so_and_an_abstention_too():
    assert "made up" in printed(told.Invented("who?", "Napoleon", "smollm2"))
    assert "nothing in these files answers this" in printed(told.Answered("who?", ""))


def test_a_lost_digit_of_a_loss_is_told():
    assert "same to the last digit" in printed(told.Resumed(20, ((21, 1.0, 1.0),)))
    assert "differs" in printed(told.Resumed(20, ((21, 1.0, 1.1),))) and "last digit" not in printed(told.Resumed(20, ((21, 1.0, 1.1),)))


def test_only_what_turned_is_told_of_a_later_exam():
    turned = told.Item("digits", "what is this?", (), "three", "three", right=True, before="eight")
    same = told.Item("digits", "name it", (), "two", "two", right=True, before="two", was_right=True)
    assert "what is this?" in printed(told.Tried(40, (turned, same), (), 1.0)) and "name it" not in printed(
        told.Tried(40, (turned, same), (), 1.0)
    )


def test_what_is_under_way_passes_and_what_came_of_it_stays():
    assert passing(told.Shelved("tour", 3, 4, 2, 0.1)) and not passing(told.Shelved("tour", 3, 4, 4, 0.1))
    assert not passing(told.Shelved("tour", 3, 4, 0, 0.1)) and passing(told.Doing("x")) and not passing(told.Doing("x", 1, 1))


def test_a_picture_in_letters_has_its_ink_where_it_was():
    rows = list(shaded(PIXELS))
    assert rows and all(row.strip() == row.strip()[0] * len(row.strip()) and row.strip()[0] == SHADES[-1] for row in rows)
    assert not list(shaded(np.zeros((8, 8, 3), np.uint8))) and filled(0.5).count("█") == filled(0.5).count("░")


def test_what_the_page_says_of_the_tour_stands_in_both_languages():
    english = {texts[0] for texts in TEXTS.values()}
    assert not set(LIMITS) - english
    assert {WORDS, MEANING, f"{MEANING}, then weighed by {WRITER}"} <= english
