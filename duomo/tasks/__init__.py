"""The table of tasks: name -> factory, so that a recipe's options reach a task: `TASKS["digits"](variants=3)`.

A task file offers one factory per task, a function whose keyword arguments all have defaults and are the options of
`data.options.NAME`; it returns a `Task`. A row here is all that a new task needs. `build` is the way in: it refuses
unknown names and options in one line.
"""

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from duomo.tasks.continuation import reviews, text
from duomo.tasks.digits import digits
from duomo.tasks.emoji import emoji
from duomo.tasks.entities import entities
from duomo.tasks.facts import facts
from duomo.tasks.motion import motion
from duomo.tasks.passages import description, topic
from duomo.tasks.photos import photos
from duomo.tasks.prompts import prompts
from duomo.tasks.recordings import recordings, recordings_zh
from duomo.tasks.scenes import scenes
from duomo.tasks.sentiment import sentiment
from duomo.tasks.software import software_en_zh, software_zh_en
from duomo.tasks.speech import speech
from duomo.tasks.task import Task
from duomo.tasks.translation import translation_en_zh, translation_zh_en
from duomo.tasks.tweets import tweets
from duomo.tasks.two_senses import two_senses

TASKS: dict[str, Callable[..., Task]] = {
    # media
    "digits": digits,
    "photos": photos,
    "scenes": scenes,
    "emoji": emoji,
    "speech": speech,
    "prompts": prompts,
    "recordings": recordings,
    "recordings_zh": recordings_zh,
    "motion": motion,
    "two_senses": two_senses,
    "translation_en_zh": translation_en_zh,
    "translation_zh_en": translation_zh_en,
    "software_en_zh": software_en_zh,
    "software_zh_en": software_zh_en,
    "sentiment": sentiment,
    "tweets": tweets,
    "text": text,
    "reviews": reviews,
    "topic": topic,
    "description": description,
    "entities": entities,
    "facts": facts,
}


def build(name: str, **options: Any) -> Task:
    """The task of that name with its options. Raises ValueError naming the nearest task or option for anything unknown."""
    if name not in TASKS:
        raise ValueError(f"no task {name!r}{_nearest(name, list(TASKS))}")
    known = list(inspect.signature(TASKS[name]).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"task {name} has no option {option!r}{_nearest(option, known)}")
    return TASKS[name](**options)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
