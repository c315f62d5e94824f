"""Facts: twenty questions of general knowledge, for open weights that were trained elsewhere. Nothing of it is for training."""

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.task import Metric, Row, Split, Store, Task

FACTS: tuple[tuple[str, tuple[str, ...]], ...] = (  # a question, and what counts as its answer
    ("What is the capital of France?", ("Paris",)),
    ("What is the capital of Japan?", ("Tokyo",)),
    ("On which continent is Egypt?", ("Africa",)),
    ("Which river flows through Cairo?", ("Nile",)),
    ("What is the largest ocean on Earth?", ("Pacific",)),
    ("Which planet is the largest of the solar system?", ("Jupiter",)),
    ("Which language do most people in Brazil speak?", ("Portuguese",)),
    ("What is the currency of the United Kingdom?", ("pound", "pounds", "sterling", "GBP")),
    ("Who wrote the play Hamlet?", ("Shakespeare",)),
    ("Who painted the Mona Lisa?", ("Leonardo", "da Vinci")),
    ("Who was the first person to walk on the Moon?", ("Armstrong",)),
    ("In which year did the Second World War end?", ("1945",)),
    ("What is the chemical symbol of gold?", ("Au",)),
    ("Which metal is liquid at room temperature?", ("mercury", "gallium")),
    ("Which gas do plants take from the air to grow?", ("carbon dioxide", "CO2", "CO₂")),
    ("What is frozen water called?", ("ice",)),
    ("How many legs does a spider have?", ("8", "eight")),
    ("How many sides does a hexagon have?", ("6", "six")),
    ("How many days are there in a leap year?", ("366",)),
    ("What is the square root of 81?", ("9", "nine")),
)
ACCEPTED: Mapping[str, tuple[str, ...]] = {answers[0]: answers for _, answers in FACTS}


def facts() -> Task:
    """Answer twenty short questions of general knowledge in English."""
    return Task(
        name="facts",
        samples=_samples,
        score=lambda sample, answer: {"right": right(sample.answer, answer.text)},
        metrics=(Metric("accuracy", _accuracy),),
        baselines=_baselines,
        control=_control,
        max_tokens=64,
        about="share of twenty questions of general knowledge whose answer is said",
    )


def right(truth: str, said: str) -> bool:
    """Whether the truth, or what counts as the same, stands among what was said, as whole words, in whatever case."""
    return any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", said, re.IGNORECASE) for one in ACCEPTED[truth])


def _samples(split: Split, store: Store) -> Iterator[Sample]:
    for place, (question, answers) in enumerate(FACTS if split == "test" else ()):
        yield ask(question, answer=answers[0], origin=Origin("facts", f"facts/{place + 1}", "Apache-2.0"))


def _accuracy(rows: Sequence[Row]) -> float:
    return sum(row["right"] for row in rows) / len(rows)


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> dict[str, list[str]]:
    """There is nothing to learn from: what is said is the question itself, or one answer to all."""
    return {"the question": [sample.messages[0].text for sample in test], "one answer to all": [test[0].answer] * len(test)}


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each truth, with another's question."""
    return [
        Sample((test[donor].messages[0], sample.messages[-1]), origin=sample.origin)
        for sample, donor in zip(test, donors([sample.answer for sample in test], random), strict=True)
    ]
