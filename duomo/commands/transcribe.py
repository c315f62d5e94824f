"""duomo transcribe: recordings of any length become texts or subtitles."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from duomo.checkpoint import Run
from duomo.commands.models import open_model
from duomo.commands.resolve import nearest
from duomo.commands.subtitles import FORMATS
from duomo.disk import whole_file
from duomo.generate import Sampling, Speaker
from duomo.generate.listen import Listener
from duomo.generate.script import script_of
from duomo.generate.transcript import Hear, Passage, Piece, Transcript, transcribe, whisper
from duomo.modalities.audio import AUDIO, RATE, blocks, seconds
from duomo.model import cuts
from duomo.report import Report
from duomo.sample import Part
from duomo.sample import ask as question
from duomo.tasks.speech import QUESTIONS

SAID_AT_ONCE = 8  # seconds of a recording from which a progress bar is shown


@dataclass(frozen=True)
class Choices:
    """What is wanted: the language that is spoken (None: found), English instead of it, forms of the output, where it goes."""

    language: str | None = None
    translate: bool = False
    forms: tuple[str, ...] = ("txt",)
    out: Path | None = None
    batch: int = 4


@dataclass(frozen=True)
class Ears:
    """A model that writes down sound, by windows of at most `longest` seconds."""

    hear: Hear
    longest: float
    language: str | None


def run(folder: Path, names: Sequence[Path], choices: Choices) -> Report:
    """Writes down recordings: files, and folders of them. Texts are the report's lines, or files in `choices.out`.

    A recording that can not be read is told, and the others go on. Raises ValueError where none can be read.
    """
    files = recordings(names)
    for form in choices.forms:
        if form not in FORMATS:
            raise ValueError(f"no output form {form!r}{nearest(form, FORMATS)}")
    targets = outputs(files, choices)
    hearing, began = ears(open_model(folder), choices.language, choices.translate), time.perf_counter()
    done = dict(_heard(list(files), hearing, choices.batch))
    transcripts = [done[number] for number in range(len(files))]
    faults = tuple(one.fault for one in transcripts if one.fault)
    if len(faults) == len(files):
        raise ValueError("\n".join(faults))
    lines = _written(transcripts, targets, list(files), choices)
    length, took = sum(one.seconds for one in transcripts), time.perf_counter() - began
    facts = {"files": len(files), "seconds": round(took, 2), "sound": round(length, 2), "retried": sum(one.retried for one in transcripts)}
    told = [{"file": str(file), "language": one.language, "text": one.text} for file, one in zip(files, transcripts, strict=True)]
    return Report(f"transcribe {folder}", facts=facts | {"recordings": told}, lines=(*lines, *faults))


def ears(run: Run, language: str | None = None, translate: bool = False, sampling: Sampling = Sampling()) -> Ears:
    """How this model hears; `sampling` is of one that was trained here.

    Raises ValueError for one without the sense, and for a language that it does not know.
    """
    recipe = cuts(run.recipe.model)
    if AUDIO.name not in recipe:
        raise ValueError(f"{run.folder}: hears nothing; `duomo fetch whisper-base` gets a model that does")
    script = script_of(run.tokenizer)
    if script is None:
        return _own(run, language or "en", translate, sampling)
    if translate and not script.languages:
        raise ValueError(f"{run.folder}: knows English only, so there is nothing to translate; use whisper-base")
    if language and language not in (script.languages or ("en",)):
        mend = nearest(language, script.languages) if script.languages else ": it knows English only; use whisper-base"
        raise ValueError(f"{run.folder}: no language {language!r}{mend}")
    listener = Listener(run.model, run.tokenizer, script)
    return Ears(whisper(listener, translate), listener.seconds, language if script.languages else "en")


def text_of(run: Run, sound: Path | bytes, language: str | None, sampling: Sampling) -> str:
    """What is said in one recording. Raises ValueError as `ears` does, and for a file that can not be read."""
    hearing = ears(run, language, sampling=sampling)
    ((_, found),) = transcribe([blocks(sound)], hearing.hear, hearing.longest, hearing.language, 1)
    if found.fault:
        raise ValueError(found.fault)
    return found.text


def refuse_whisper(run: Run) -> None:
    """Raises ValueError for a model that answers no questions: it writes down what it hears, and nothing else."""
    if script_of(run.tokenizer) is not None:
        raise ValueError(f"{run.folder}: answers no questions, it writes down sound; use `duomo transcribe --model {run.folder.name}`")


def refuse_silent(run: Run) -> None:
    """Raises ValueError for a model that writes no text of its own: an encoder, or a Whisper."""
    if run.model.decoder is None:
        raise ValueError(f"{run.folder}: is an encoder and writes no text; name a model that does, such as smollm2")
    refuse_whisper(run)


def recordings(names: Sequence[Path]) -> dict[Path, Path]:
    """Recordings, each with its name inside the folder that was given. Raises ValueError for a path that is none, and an empty folder."""
    found, known = dict[Path, Path](), (AUDIO.suffix, *AUDIO.suffixes)
    for name in names:
        inside = sorted(path for path in name.rglob("*") if path.suffix.lower() in known and path.is_file()) if name.is_dir() else [name]
        if not inside:
            raise ValueError(f"{name}: holds no recording ({', '.join(known)})")
        found |= {path: path.relative_to(name) if name.is_dir() else Path(path.name) for path in inside}
    for path in found:
        if not path.is_file():
            raise ValueError(f"{path}: no such file or folder; name a recording, or a folder of them")
    return found


def outputs(files: dict[Path, Path], choices: Choices) -> list[dict[str, Path]]:
    """Where each recording goes in each form; nowhere without `out`. Raises ValueError where two would go to one place."""
    if choices.out is None:
        return [{} for _ in files]
    taken: dict[Path, Path] = {}
    for file, name in files.items():
        other = taken.setdefault(name.with_suffix(""), file)
        if other != file:
            raise ValueError(f"{other} and {file} would both be written as {choices.out / name.with_suffix('')}; transcribe them apart")
    return [{form: (choices.out / name).with_suffix(f".{form}") for form in choices.forms} for name in files.values()]


def _own(run: Run, language: str, translate: bool, sampling: Sampling) -> Ears:
    """A model that was trained here: each window is a question of its own."""
    if translate or language not in QUESTIONS:
        told = "it translates no speech" if translate else f"no transcription in {language!r}{nearest(language, QUESTIONS)}"
        raise ValueError(f"{run.folder}: {told}; or use whisper-base")
    recipe = cuts(run.recipe.model)[AUDIO.name]

    def hear(windows: Sequence[np.ndarray], spoken: Sequence[str | None]) -> list[Passage]:
        asked = [question(Part(AUDIO.name, str(number)), QUESTIONS[language]) for number in range(len(windows))]
        lengths = [len(window) / RATE for window in windows]
        speaker = Speaker(run.model, run.tokenizer, sampling=sampling, cutter=lambda part, *_: AUDIO.cut(windows[int(part.value)], recipe))
        said = zip(speaker.answer(asked), lengths, strict=True)
        return [Passage((Piece(0.0, length, f" {one.text}"),) if one.text else (), length, language) for one, length in said]

    return Ears(hear, recipe.size[0] / recipe.rate, language)


def _heard(files: Sequence[Path], hearing: Ears, batch: int) -> Iterator[tuple[int, Transcript]]:
    lengths = [_length(file) for file in files]
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=sum(lengths) < SAID_AT_ONCE, transient=True) as progress:
        bar = progress.add_task(f"{len(files)} recordings" if len(files) > 1 else files[0].name, total=sum(lengths))
        sounds, tell = [blocks(file) for file in files], partial(progress.advance, bar)
        yield from transcribe(sounds, hearing.hear, hearing.longest, hearing.language, batch, tell)


def _length(file: Path) -> float:
    try:
        return seconds(file)
    except ValueError:  # told when it is heard
        return 0.0


def _written(
    transcripts: Sequence[Transcript], targets: Sequence[dict[str, Path]], files: Sequence[Path], choices: Choices
) -> Iterator[str]:  # fmt: skip
    for transcript, target, file in zip(transcripts, targets, files, strict=True):
        if transcript.fault and not transcript.pieces:
            continue
        for form in choices.forms:
            text = FORMATS[form](transcript)
            if form in target:
                with whole_file(target[form]) as made:
                    made.write_text(text, encoding="utf-8")
                yield str(target[form])
            else:
                yield from ([f"{file}:"] if len(files) > 1 else [])
                yield text.removesuffix("\n")
