"""duomo ask MODEL: one question through any sense; and the Python face behind `duomo.load`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from duomo.checkpoint import Run, open_run
from duomo.commands.resolve import nearest, resolve_model
from duomo.generate import Sampling, Speaker
from duomo.modalities.audio import AUDIO
from duomo.model import cuts
from duomo.report import Example, Report
from duomo.sample import Part, Sample
from duomo.sample import ask as question_of
from duomo.tasks.speech import QUESTIONS

File = str | Path | bytes


@dataclass(frozen=True)
class Assistant:
    """A model that can be asked. What it was trained to do is what it can do: see its `report.json`.

    `sampling` says how it finds its words: the likeliest ones, if nothing else is said.
    """

    run: Run
    sampling: Sampling = Sampling()

    def ask(self, question: str = "", **media: File | Sequence[File]) -> str:
        """Its answer to a question about files, each under the name of its sense: paths or a file's bytes.

        `ask("what is this?", image="x.png")`; several files of a sense as a list; a question may be spoken.
        Raises ValueError for a sense that the model does not have, and for a file that can not be read.
        """
        return self.answer([compose(question, _files(media))])[0]

    def stream(self, question: str = "", **media: File | Sequence[File]) -> Iterator[str]:
        """The same answer as `ask` gives, piece by piece while it is found."""
        return self.speaker.stream(self._readable(compose(question, _files(media))))

    def transcribe(self, sound: File, language: str = "en") -> str:
        """What is said in a recording, in "en" or "zh". Raises ValueError as `ask` does."""
        if language not in QUESTIONS:
            raise ValueError(f"no transcription in {language!r}{nearest(language, QUESTIONS)}")
        return self.answer([compose(QUESTIONS[language], [(AUDIO.name, sound)])])[0]

    def answer(self, samples: Sequence[Sample]) -> list[str]:
        """Its answers to several samples at once; what they hold of an answer is not shown to it.

        Where a sample has choices, the likeliest of them.
        """
        known = [self._readable(sample) for sample in samples]
        picked = iter(self.speaker.rank([sample for sample in known if sample.choices]))
        written = iter(self.speaker.answer([sample for sample in known if not sample.choices]))
        return [next(picked if sample.choices else written).text for sample in known]

    def sampled(self, **changes: Any) -> "Assistant":
        """The same model with other choices of sampling: `sampled(temperature=0.8, max_tokens=200)`. Raises ValueError."""
        unknown = changes.keys() - _defaults().keys()
        if unknown:
            raise ValueError(f"no choice of sampling {min(unknown)!r}{nearest(min(unknown), _defaults())}")
        return replace(self, sampling=replace(self.sampling, **changes))

    @property
    def speaker(self) -> Speaker:
        """What turns samples into texts; media paths are as the caller's folder has them."""
        return Speaker(self.run.model, self.run.tokenizer, sampling=self.sampling)

    def _readable(self, sample: Sample) -> Sample:
        senses = cuts(self.run.recipe.model)
        for part in sample.media():
            if part.kind not in senses:
                raise ValueError(f"{self.run.folder} has no sense {part.kind!r}{nearest(part.kind, senses)}")
        return sample


def load(path: str | Path) -> Assistant:
    """The newest checkpoint of a run, or of a fetched name. Raises ValueError with the nearest name."""
    return Assistant(open_run(resolve_model(path)))


def run(folder: Path, question: str, media: Iterable[tuple[str, str]] = ()) -> Report:
    """One question with files as (sense, path); choices of sampling stand among them, as ("temperature", "0.8").

    The answer is the report's one line.
    """
    files, sampling = options(media)
    sample = compose(question, files)
    answer = Assistant(open_run(folder), sampling).answer([sample])[0]
    return Report(f"ask {folder}", examples=(Example("ask", question, answer, "", files),), lines=(answer,))


def compose(question: str, media: Iterable[tuple[str, File]]) -> Sample:
    """One user's turn: files first, then the words, as in training. Raises ValueError where there is neither."""
    parts: list[Part | str] = [Part(name, file if isinstance(file, bytes) else str(file)) for name, file in media]
    if not parts and not question:
        raise ValueError('ask something: a question, a file behind its sense, or both, as in "what is this?" --image x.png')
    return question_of(*parts, *([question] if question else []))


def options(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], Sampling]:
    """Files by sense, and the sampling, out of one list of (name, value). Raises ValueError for what is not its number."""
    defaults, media, chosen = _defaults(), list[tuple[str, str]](), dict[str, Any]()
    for name, value in pairs:
        field = name.replace("-", "_")
        if field not in defaults:
            media.append((name, value))
        elif isinstance(defaults[field], tuple):
            chosen[field] = (*chosen.get(field, ()), value)
        else:
            chosen[field] = _number(name, value, type(defaults[field]))
    return tuple(media), Sampling(**chosen)


def _number(name: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(f"--{name} needs a {'whole number' if kind is int else 'number'}, not {value!r}") from error


def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in fields(Sampling)}


def _files(media: dict[str, Any]) -> Iterator[tuple[str, File]]:
    return ((name, file) for name, given in media.items() for file in ([given] if isinstance(given, File) else given))
