"""The tour in a browser, without network: ask, teach, draw, speak, kill, as a person would; nothing from elsewhere, no fault."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from duomo.commands.rooms import House
from duomo.commands.rooms.tour import Stage, tour
from duomo.commands.tour import Wanted
from duomo.commands.tour_teach import Control
from duomo.commands.tour_test import POOL, away, lesson  # noqa: F401  a fixture
from duomo.page.events import Answered, Invented, Tour
from duomo.serve.limits import Limits
from tests import served
from tests.paged import CHROMIUM, browser, nameless, opened, paged

for library in ("fastapi", "uvicorn", "gradio", "playwright"):
    pytest.importorskip(library)
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; apt-get install chromium")


def test_a_person_takes_the_tour(away):  # noqa: F811
    stages = []

    def change(made):
        house = House(served.state().models, Limits(), made.folder, {}, {})
        stages.append(Stage(Wanted(lesson(4000), Path("mine")), house, control=Control(alone=False, look=0.05, every=0.5)))
        return replace(made, more={"tour": tour(stages[0])})

    with paged(change=change) as (port, _), browser() as chromium, opened(chromium, port, "/?tab=tour&lang=en") as (page, seen):
        stages[0].begin()
        try:
            walk(page)
        finally:
            stages[0].end()
        assert not nameless(page)
        assert (seen.faults, seen.outside, seen.dialogs, seen.refused) == ([], [], [], [])


def test_what_is_made_up_follows_the_answer_and_gives_way_to_the_next_question():
    begun, pieces = [], threading.Semaphore(0)

    def ask(question):
        return Answered(question, "The pool closes at six." if "pool" in question else "", "house.txt, line 1")

    def invent(question):
        begun.append(question)
        for number in range(1, 100):
            pieces.acquire()
            yield Invented(question, f"{question} {number}", "small")

    made_up = Tour(lambda known: None, ask, invent, nothing, nothing, nothing, nothing, nothing, nothing)
    with paged(change=lambda made: replace(made, more={"tour": made_up})) as (port, _), browser() as chromium:
        with opened(chromium, port, "/?tab=tour&lang=en") as (page, seen):
            field = page.get_by_label("Question").first
            put(field, "who?")
            page.get_by_text("Nothing in these files answers this.").wait_for()
            page.locator("p.busy").nth(1).wait_for()  # the first says that the shelf is being read
            pieces.release(2)
            page.get_by_text("who? 2").wait_for()
            put(field, "when does the pool close?")
            page.get_by_text("The pool closes at six.").wait_for()
            assert not page.locator(".invented").count(), "what was made up went with its question"
            put(field, "where?")
            page.get_by_text("Nothing in these files answers this.").wait_for()
            pieces.release(3)
            page.get_by_text("where? ").last.wait_for()
            assert begun == ["who?", "where?"], "what is answered is not made up"
            assert (seen.faults, seen.outside, seen.refused) == ([], [], [])
        pieces.release(200)


def nothing(*values):
    """What is not asked for here."""


def put(field, question):
    field.fill(question)
    field.press("Enter")


def walk(page):
    page.get_by_text("1 files, 1 passages").wait_for()
    page.locator(".invented, .abstained").first.wait_for()
    page.get_by_label("Question").first.fill("when does the pool close?")
    page.get_by_label("Question").first.press("Enter")
    assert page.locator(".passage mark").first.inner_text() == POOL.strip()
    page.get_by_role("button", name="What is this?").click()
    page.get_by_text("Draw a digit first.").wait_for()
    page.get_by_role("button", name="Kill the training").click()
    page.get_by_text("no training is under way").wait_for()
    page.get_by_role("button", name="Teach it").click()
    page.get_by_text("Held-out items, answered by the weights of step").wait_for(timeout=180_000)  # its process gives way to others
    draw(page)
    page.get_by_role("button", name="What is this?").click()
    page.locator(".said").first.wait_for()
    page.get_by_role("button", name="What did I say?").click()
    page.get_by_text("Speak, or choose a recording first.").wait_for()
    speak(page)
    page.get_by_role("button", name="What did I say?").click()
    page.locator(".said").nth(1).wait_for()
    page.get_by_role("button", name="Kill the training").click()
    page.get_by_text("It went on from step").wait_for()


def speak(page):
    """A second of what the browser's microphone sounds like."""
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Play").first.wait_for()
    page.wait_for_timeout(1000)  # until it is sent


def draw(page):
    """A stroke on the sheet."""
    sheet = page.locator("canvas.sketch")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 230, steps=8)
    page.mouse.up()
