"""Laws of the tour's sections: what files and models say is text, and what was made up is called so."""

from pathlib import Path

from duomo.page import tour_view as view
from duomo.page.events import (
    Act,
    Answered,
    Bar,
    Doing,
    Event,
    Heard,
    Invented,
    Item,
    Killed,
    Learning,
    LeftOut,
    Resumed,
    Scores,
    Shelved,
    Told,
    Tried,
)

BAD = "<img src=x onerror=alert(1)>\"'{x}"
FILE = Path(f"{BAD}.wav")


def nowhere(file: Path) -> None:
    return None


def here(file: Path) -> Path:
    return Path("/page") / file


def item(right: bool, said: str = BAD) -> Item:
    return Item(BAD, BAD, (("picture", Path(f"{BAD}.png")),), BAD, said, right)


HOSTILE: tuple[Event, ...] = (
    Act(1, BAD, BAD),
    LeftOut(BAD, BAD),
    Heard(FILE, BAD, BAD, 1.0, 1.0),
    Act(2, BAD, BAD),
    Answered(BAD, BAD, BAD, FILE, 1.0, 0.5, BAD),
    Invented(BAD, BAD, BAD),
    Act(3, BAD, BAD),
    Tried(1, (item(False),), (Bar(BAD, 0.5, 10, 0.4, BAD),), 1.0),
    Doing(BAD),
    Act(5, BAD, BAD),
    Scores((), (BAD,), FILE),
    Scores((), (BAD,), FILE, cells=(((BAD,),), ((BAD, BAD),))),
    Told(BAD, (BAD,)),
    Told(BAD, (BAD,), code=True),
)


def test_no_text_of_an_event_is_html():
    for play in (nowhere, here):
        drawn = [
            view.shelf(HOSTILE, play), view.answers(HOSTILE, play), view.pulse(HOSTILE[:9]), view.lesson(HOSTILE, play),
            view.plug(HOSTILE), view.end(HOSTILE, lambda file: ""), view.growth(HOSTILE), view.growth(HOSTILE[:9]),
        ]  # fmt: skip
        assert not any("<img src=x" in html or 'alert(1)>"' in html for html in drawn)
        assert sum("&lt;img src=x" in html for html in drawn) >= 4


def test_what_was_made_up_is_greyed_and_called_so():
    html = view.answers((Answered("who?", ""), Invented("who?", "Napoleon", "smollm2")), nowhere)
    assert "greyed" in html and "Made up" in html and html.index("abstained") < html.index("Napoleon")


def test_a_recording_plays_from_its_second():
    html = view.answers((Answered("who?", "You are alone.", "a.wav, 0:02", Path("a.wav"), 2.5),), here)
    assert 'data-second="2.50"' in html and "/page/a.wav" in html
    assert "data-second" not in view.answers((Answered("who?", "x", "a.txt, line 1", Path("a.txt")),), here)


def test_the_table_tells_how_an_item_turned_right():
    html = view.lesson([Tried(step, (item(right, "3"),), (), 1.0) for step, right in ((20, False), (40, False), (60, True))], nowhere)
    marks = html[html.index('class="marks"') :]
    assert [sign for sign in marks if sign in view.RIGHT + view.WRONG] == [view.WRONG, view.WRONG, view.RIGHT]


def test_the_last_state_of_what_is_under_way_is_shown():
    assert "Step 7 of 10" in view.pulse([Learning(3, 10, 1.0, 1.0), Learning(7, 10, 1.0, 1.0)])
    assert 'role="status"' in view.pulse([Learning(3, 10, 1.0, 1.0), Doing("going on", seconds=2)])
    grown = view.growth([Shelved("tour", 2, 4, 0, 0.1), Shelved("tour", 2, 4, 3, 0.1)])
    assert 'aria-valuenow="75"' in grown


def test_losses_that_differ_are_not_called_the_same():
    same, other = (view.plug([Killed(25, 1.0, 20), Resumed(20, ((21, 1.0, after),))]) for after in (1.0, 1.1))
    assert "last digit" in same and "last digit" not in other


def test_the_shelf_grows_in_its_own_section_whenever_it_does():
    events = [Act(1, "", ""), Act(2, "", ""), Shelved("tour", 1, 2, 2, 0.1), LeftOut("a", "b")]
    assert view.acts(events, (1,)) == [events[0], events[2]] and view.acts(events, (2,)) == [events[1], events[3]]


def test_what_is_made_shows_how_much_and_for_how_long():
    drawn = view.pulse([Doing("preparing the data", 5, 20, 60.0, 180.0)])
    assert 'aria-valuenow="25"' in drawn and "about 3 minutes left" in drawn and "60 s" in drawn
    untold = view.pulse([Doing("preparing the data", 0, 20, 4.0)])
    assert "minutes left" not in untold and "4 s" in untold
    assert "progressbar" not in view.pulse([Doing("the training process begins", seconds=4.0)])


def test_a_recording_that_plays_is_left_alone_while_the_shelf_grows():
    heard = Heard(Path("a.wav"), "one", "one", 1.0, 0.1)
    drawn = [view.shelf([heard, *(Shelved("tour", 2, 4, count, 0.1) for count in range(some))], here) for some in (1, 4)]
    assert drawn[0] == drawn[1] and "/page/a.wav" in drawn[0]
