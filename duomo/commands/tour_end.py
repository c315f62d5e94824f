"""Act 5 of the tour: the scoreboard with its controls, what all this can not do, and how a program asks it."""

import json
from collections.abc import Iterator
from pathlib import Path

from duomo import report as reports
from duomo.commands.tour_process import Worker
from duomo.commands.tour_teach import Control, Lesson, waiting
from duomo.evaluate.scoreboard import merge, text
from duomo.page.events import Act, Event, LeftOut, Scores, Told

ERRORS = Path("tour") / "evaluate.log"  # inside the cache
LIMITS = (
    "The shelf quotes; it does not reason. It misses much that is said in other words, and refuses some that it could answer.",
    "Where the language model speaks alone, it makes things up: here it is shown as a warning.",
    "The model of this hour knows what it was taught and nothing else: it is no assistant. Its speech and its clips are synthetic.",
    'Where a row says "did not look", nothing was learned; where it says "below …", a simple method does better.',
    "Recordings were of one speaker; names and numbers come out wrong at times.",
)


def measuring(lesson: Lesson, control: Control) -> Iterator[Event]:
    """Scores the run on held-out data in a process of its own."""
    yield Act(5, "What it can do", "Figures on held-out data, beside baselines and a control: the same questions with another's input.")
    worker = Worker(("evaluate", str(lesson.folder)), lesson.cache / ERRORS, control.behind)
    worker.start()
    try:
        yield from waiting("measuring on held-out data", worker, control)
    finally:
        worker.end()
    if worker.code or control.stop.is_set():
        yield LeftOut("the scoreboard", worker.last_words() if worker.code else f"stopped; `duomo evaluate {lesson.folder}` measures")
        return
    found = reports.load(lesson.folder / "report.json")
    cells = tuple(map(tuple, merge({lesson.recipe.name: found})))
    question = min((example.question for example in found.examples if example.question and not example.media), key=len, default="")
    yield Scores(found.rows, tuple(text(cells).splitlines()), lesson.folder / "report.html", question, cells)


def closing(model: str, question: str, learned: bool) -> Iterator[Event]:
    """What this can not do; and three lines of a client, for a model that is served."""
    yield Told("What this can not do", LIMITS if learned else LIMITS[:2])
    yield Told("From a program", (f"# while this runs: duomo serve {model}", *client(model, question)), code=True)


def client(model: str, question: str) -> Iterator[str]:
    """Three lines of the OpenAI client."""
    name = Path(model).name
    yield "from openai import OpenAI"
    yield 'client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")'
    asked = json.dumps([{"role": "user", "content": question}], ensure_ascii=False)
    yield f'print(client.chat.completions.create(model="{name}", messages={asked}).choices[0].message.content)'
