"""duomo describe MODEL: what is in pictures, by a run that sees. Films are described through the same eyes."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from duomo.batch import Patches
from duomo.checkpoint import Run
from duomo.commands.given import pictures
from duomo.commands.models import open_model
from duomo.commands.resolve import nearest
from duomo.commands.show import bars
from duomo.commands.transcribe import refuse_whisper
from duomo.generate import Speaker
from duomo.modalities.image import IMAGE
from duomo.model import cuts
from duomo.report import Report
from duomo.sample import Part
from duomo.sample import ask as question_of
from duomo.tasks import TASKS, build
from duomo.tasks.task import Task
from duomo.tasks.words import LANGUAGES

QUESTIONS: Mapping[str, str] = {"en": "what is this?", "zh": "这是什么？"}  # what every task with pictures asks first
TOGETHER = 32  # pictures that are held and asked at once


@dataclass(frozen=True)
class Seen:
    """What was said of one picture, or why it could not be read."""

    text: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Eyes:
    """A model that sees, and what it is asked."""

    run: Run
    question: str

    def see(self, pictures: Sequence[Path | bytes]) -> list[Seen]:
        """What is in each picture; a picture that can not be read has its fault, and the others are answered."""
        recipe, known, faults = cuts(self.run.recipe.model)[IMAGE.name], dict[str, Patches](), dict[str, str]()
        for number, picture in enumerate(pictures):
            try:
                known[str(number)] = IMAGE.cut(IMAGE.read(picture, recipe), recipe)
            except ValueError as error:
                faults[str(number)] = str(error)
        speaker = Speaker(self.run.model, self.run.tokenizer, cutter=lambda part, *_: known[str(part.value)])
        said = iter(speaker.answer([question_of(Part(IMAGE.name, number), self.question) for number in known]))
        names = map(str, range(len(pictures)))
        return [Seen(fault=faults[name]) if name in faults else Seen(next(said).text.strip()) for name in names]

    def knows(self) -> str:
        """One line on what it can name; "" where that is not known."""
        told = "; ".join(task.knows for task in _taught(self.run) if task.knows)
        return f"{self.run.folder} was taught {told}; whatever else it is shown, it calls one of these" if told else ""


def run(folder: Path, names: Sequence[Path], language: str, question: str | None, lines: bool) -> Report:
    """Says what is in pictures: files, and folders of them. A picture that can not be read is named, and the others go on.

    Raises ValueError where none can be read, and as `eyes` does.
    """
    files = pictures(names)
    looking = eyes(open_model(folder), language, question)
    if told := looking.knows():
        print(f"note: {told}", file=sys.stderr)
    with bars() as shown:
        task = shown.add_task("describe", total=len(files), note="")
        seen = list[Seen]()
        for start in range(0, len(files), TOGETHER):
            seen += looking.see(files[start : start + TOGETHER])
            shown.update(task, completed=len(seen))
    faults = [one.fault for one in seen if one.fault]
    if len(faults) == len(files):
        raise ValueError("\n".join(faults))
    told_of = [
        {"file": str(file), "language": language, "question": looking.question, "answer": one.text}
        for file, one in zip(files, seen, strict=True)
        if not one.fault
    ]
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    written = (json.dumps(row, ensure_ascii=False) if lines else f"{row['file']}: {row['answer']}" for row in told_of)
    return Report(f"describe {folder}", facts={"pictures": told_of, "faults": faults}, lines=tuple(written))


def eyes(run: Run, language: str, question: str | None = None) -> Eyes:
    """How this model sees; it is asked `question`, or else what is there, in that language.

    Raises ValueError for a model without the sense, and for a language that it was not taught.
    """
    if IMAGE.name not in cuts(run.recipe.model):
        raise ValueError(f"{run.folder}: sees nothing; name a run that does, as `duomo demo describe` trains one")
    refuse_whisper(run)
    known = languages(run)
    if question is None and language not in known:
        raise ValueError(f"{run.folder}: was taught no answer in {language!r}{nearest(language, known)}")
    return Eyes(run, question or QUESTIONS[language])


def languages(run: Run) -> tuple[str, ...]:
    """Those that it was asked about pictures in; all that there are where only its own data shows pictures."""
    found = {one for name in _named(run) for one in run.recipe.data.options.get(name, {}).get("languages", LANGUAGES)}
    return tuple(one for one in LANGUAGES if one in found or not found)


def _named(run: Run) -> list[str]:
    """The tasks that taught it to answer about pictures alone."""
    return [task.name for task in _taught(run) if task.knows]


def _taught(run: Run) -> list[Task]:
    known = run.recipe.data
    return [build(name, **known.options.get(name, {})) for name in known.tasks if name in TASKS]
