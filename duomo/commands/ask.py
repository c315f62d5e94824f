"""duomo ask MODEL: one question through any sense; and the Python face behind `duomo.load`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from duomo import generate
from duomo.checkpoint import Run, open_run
from duomo.commands.resolve import nearest, resolve_model
from duomo.modalities.audio import AUDIO
from duomo.model import cuts
from duomo.report import Example, Report
from duomo.sample import Part, Sample
from duomo.sample import ask as question_of
from duomo.tasks.speech import QUESTIONS

File = str | Path | bytes


@dataclass(frozen=True)
class Assistant:
    """A model that can be asked. What it was trained to do is what it can do: see its `report.json`."""

    run: Run

    def ask(self, question: str = "", **media: File | Sequence[File]) -> str:
        """Its answer to a question about files, each under the name of its sense: paths or a file's bytes.

        `ask("what is this?", image="x.png")`; several files of a sense as a list; a question may be spoken.
        Raises ValueError for a sense that the model does not have, and for a file that can not be read.
        """
        files = ((name, file) for name, given in media.items() for file in ([given] if isinstance(given, File) else given))
        return self.answer([compose(question, files)])[0]

    def transcribe(self, sound: File, language: str = "en") -> str:
        """What is said in a recording, in "en" or "zh". Raises ValueError as `ask` does."""
        if language not in QUESTIONS:
            raise ValueError(f"no transcription in {language!r}{nearest(language, QUESTIONS)}")
        return self.answer([compose(QUESTIONS[language], [(AUDIO.name, sound)])])[0]

    def answer(self, samples: Sequence[Sample]) -> list[str]:
        """Its answers to several samples at once; what they hold of an answer is not shown to it."""
        sizes = cuts(self.run.recipe.model)
        for name in (part.kind for sample in samples for part in sample.media()):
            if name not in sizes:
                raise ValueError(f"{self.run.folder} has no sense {name!r}{nearest(name, sizes)}")
        return generate.answer(self.run.model, self.run.tokenizer, samples, sizes, Path())


def load(path: str | Path) -> Assistant:
    """The newest checkpoint of a run, or of a fetched name. Raises ValueError with the nearest name."""
    return Assistant(open_run(resolve_model(path)))


def run(folder: Path, question: str, media: Iterable[tuple[str, str]] = ()) -> Report:
    """One question with files as (sense, path). The answer is the report's one line."""
    files = tuple(media)
    answer = Assistant(open_run(folder)).answer([compose(question, files)])[0]
    return Report(f"ask {folder}", examples=(Example("ask", question, answer, "", files),), lines=(answer,))


def compose(question: str, media: Iterable[tuple[str, File]]) -> Sample:
    """One user's turn: files first, then the words, as in training. Raises ValueError where there is neither."""
    parts: list[Part | str] = [Part(name, file if isinstance(file, bytes) else str(file)) for name, file in media]
    if not parts and not question:
        raise ValueError('ask something: a question, a file behind its sense, or both, as in "what is this?" --image x.png')
    return question_of(*parts, *([question] if question else []))
