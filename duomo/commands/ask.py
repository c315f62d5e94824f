"""duomo ask MODEL: one question through any sense; and the Python face behind `duomo.load`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duomo.checkpoint import Run
from duomo.classify.labels import named
from duomo.commands.engines import Speed, placed
from duomo.commands.models import embedder, open_model, open_with_card
from duomo.commands.resolve import nearest
from duomo.commands.transcribe import refuse_whisper, text_of
from duomo.commands.ways import Example as Labelled
from duomo.commands.ways import way
from duomo.generate import Sampling, Speaker
from duomo.generate.continued import Continuer, continuing
from duomo.interchange import Card
from duomo.model import cuts
from duomo.report import Example, Report
from duomo.sample import Part, Sample
from duomo.sample import ask as question_of

File = str | Path | bytes
SYSTEM = "system"  # the option that says what the system says


@dataclass(frozen=True)
class Assistant:
    """A model that can be asked. What it was trained to do is what it can do: see its `report.json`.

    `sampling` says how it finds its words: the likeliest ones, if nothing else is said.
    """

    run: Run
    sampling: Sampling = Sampling()
    card: Card = Card("")  # of an imported model: how its sentence vectors are made

    def ask(self, question: str = "", **media: File | Sequence[File]) -> str:
        """Its answer to a question about files, each under the name of its sense: paths or a file's bytes.

        `ask("what is this?", image="x.png")`; several files of a sense as a list; a question may be spoken.
        Raises ValueError for a sense that the model does not have, and for a file that can not be read.
        """
        return self.answer([compose(question, _files(media))])[0]

    def stream(self, question: str = "", **media: File | Sequence[File]) -> Iterator[str]:
        """The same answer as `ask` gives, piece by piece while it is found."""
        return self.speaker.stream(self._readable(compose(question, _files(media))))

    def transcribe(self, sound: File, language: str | None = None) -> str:
        """What is said in a recording of any length, in this language; a Whisper finds it where it is not given.

        Raises ValueError as `ask` does.
        """
        return text_of(self.run, sound if isinstance(sound, bytes) else Path(sound), language, self.sampling)

    def answer(self, samples: Sequence[Sample]) -> list[str]:
        """Its answers to several samples at once; what they hold of an answer is not shown to it.

        Where a sample has choices, the likeliest of them.
        """
        known = [self._readable(sample) for sample in samples]
        picked = iter(self.speaker.rank([sample for sample in known if sample.choices]))
        written = iter(self.speaker.answer([sample for sample in known if not sample.choices]))
        return [next(picked if sample.choices else written).text for sample in known]

    def embed(self, texts: str | Sequence[str], kind: str = "passage") -> NDArray[np.float32]:
        """Sentence vectors, (N, D), each of length 1: the dot product of two says how alike their texts are. Of an encoder.

        `kind`: "query" or "passage", where the model tells them apart. Raises ValueError for a text in a language that it does not know.
        """
        return embedder(self.run, self.card).embed([texts] if isinstance(texts, str) else list(texts), kind)

    def classify(self, texts: Sequence[str], labels: Sequence[str], examples: Sequence[Labelled] = ()) -> list[dict[str, float]]:
        """How likely each label is of each text, the likeliest first: by sentence vectors of an encoder, else as the answer.

        A label is a name, or "name=what it means"; an example is a text with its label. Raises ValueError as `duomo classify` does.
        """
        shares_NL = way(self.run, self.card, named(labels), examples).shares(texts)
        found = (dict(zip((label.partition("=")[0].strip() for label in labels), map(float, row), strict=True)) for row in shares_NL)
        return [dict(sorted(one.items(), key=lambda pair: -pair[1])) for one in found]

    def generate(self, beginning: str) -> str:
        """How a text goes on, without a conversation. Raises ValueError for a model that writes no text, and for an empty beginning."""
        if not beginning.strip():
            raise ValueError('begin with something, as in generate("Once upon a time")')
        refuse_whisper(self.run)
        return Continuer(self.run.model, continuing(self.run.tokenizer), self.sampling).write(beginning.rstrip())[0].text

    def sampled(self, **changes: Any) -> "Assistant":
        """The same model with other choices of sampling: `sampled(temperature=0.8, max_tokens=200)`. Raises ValueError."""
        unknown = changes.keys() - _defaults().keys()
        if unknown:
            raise ValueError(f"no choice of sampling {min(unknown)!r}{nearest(min(unknown), _defaults())}")
        return replace(self, sampling=replace(self.sampling, **changes))

    def introduced(self, system: str) -> "Assistant":
        """The same model, told this by the system in place of its own default; told nothing where it is empty."""
        return replace(self, run=replace(self.run, tokenizer=self.run.tokenizer.introduced(system)))

    @property
    def speaker(self) -> Speaker:
        """What turns samples into texts; media paths are as the caller's folder has them."""
        refuse_whisper(self.run)
        return Speaker(self.run.model, self.run.tokenizer, sampling=self.sampling)

    def _readable(self, sample: Sample) -> Sample:
        senses = cuts(self.run.recipe.model)
        for part in sample.media():
            if part.kind not in senses:
                raise ValueError(f"{self.run.folder} has no sense {part.kind!r}{nearest(part.kind, senses)}")
        return sample


def load(path: str | Path, speed: Speed = Speed()) -> Assistant:
    """The newest checkpoint of a run, of a fetched name, or of an outside file or folder. Raises ValueError with the nearest name.

    `speed`: words may be said by weights of 8 bits, on the processor, sooner and nearly as well; and by llama.cpp.
    """
    opened, card = open_with_card(path)
    return Assistant(placed(opened, speed), card=card)


def run(folder: Path, question: str, media: Iterable[tuple[str, str]] = (), speed: Speed = Speed()) -> Report:
    """One question with files as (sense, path); choices of sampling stand among them, as ("temperature", "0.8").

    ("system", TEXT) stands for what the system says first. The answer is the report's one line.
    """
    given = list(media)
    files, sampling = options(pair for pair in given if pair[0] != SYSTEM)
    sample = compose(question, files)
    assistant = Assistant(placed(open_model(folder), speed), sampling)
    for text in (value for name, value in given if name == SYSTEM):
        assistant = assistant.introduced(text)
    answer = assistant.answer([sample])[0]
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
