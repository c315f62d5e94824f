"""What is asked of a shelf: titles and descriptions of articles, Chinese sentences for their translation, real questions to manuals."""

import json
from collections import Counter
from dataclasses import dataclass
from random import Random

from duomo.data.store import Store
from duomo.retrieve.words import SAY_NOTHING, searcher
from duomo.tasks.passages import articles
from duomo.tasks.task import Split

SEED = 0
ASKED = 1_000  # questions of each kind and split


@dataclass(frozen=True)
class Question:
    """A question, the file that answers it, and the answer where it is known."""

    text: str
    file: str
    truth: str = ""


def encyclopedia(store: Store, split: Split, most: int | None = ASKED) -> tuple[list[Question], list[Question]]:
    """Questions by title and by description, one of each for an article; descriptions that stand once and name no word of the title."""
    told = [json.loads(sample.answer)["description"] for sample in store.open("wiki")]
    counts = Counter(told)
    here = [one for one in articles(split, store) if one.description and counts[one.description] == 1]
    Random(SEED).shuffle(here)
    titles = [Question(f"{'Who' if one.topic == 'People' else 'What'} is {one.title}?", one.title, one.description) for one in here]
    words = searcher(SAY_NOTHING)
    apart = [one for one in here if not {word for word in words(one.title) if len(word) > 2} & set(words(one.description))]
    free = [Question(one.description, one.title, one.description) for one in apart]
    return titles[:most], free[:most]


def chinese(store: Store) -> tuple[list[tuple[str, str]], list[Question], list[Question], list[Question]]:
    """English sentences as files, and Chinese ones that ask for their translation, to fit by, to test, to learn from; each stands once."""
    pairs = [(sample.messages[0].text, sample.answer, sample.origin.id) for sample in store.open("hsk")]
    counts = [Counter(pair[side] for pair in pairs) for side in (0, 1)]
    kept = [pair for pair in pairs if counts[0][pair[0]] == counts[1][pair[1]] == 1]
    drawn = [Question(asked, name) for asked, _, name in Random(SEED).sample(kept, 2 * ASKED)]
    known = {question.file for question in drawn}
    others = [Question(asked, name) for asked, _, name in kept if name not in known]
    return [(name, text) for _, text, name in kept], drawn[:ASKED], drawn[ASKED:], others


def manuals(store: Store, source: str) -> dict[str, tuple[list[tuple[str, str]], list[Question]]]:
    """The sections of FAQs as files, without their titles, and these as questions; by program or language."""
    made = dict[str, tuple[list[tuple[str, str]], list[Question]]]()
    for sample in store.open(source):
        name, _, number = sample.origin.id.partition("/")
        files, questions = made.setdefault(name, ([], []))
        files.append((number, sample.answer))
        questions.append(Question(sample.messages[0].text, number))
    return made
