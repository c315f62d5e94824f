"""Use a model: ask it, talk with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from duomo.cli.program import EngineName, Int8, ModelName, Panel, grouped, show
from duomo.cli.serving import Serving, wait_briefly
from duomo.commands.resolve import resolve_model

PANEL = Panel("Use a model")


@PANEL.verb('duomo ask runs/four-senses "what is this?" --image x.png', context_settings={"ignore_unknown_options": True})
def ask(
    model: ModelName,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION --SENSE FILE", show_default=False, help="The question, and files by their sense."),
    ] = None,
    int8: Int8 = False,
    engine: EngineName = "torch",
) -> None:
    """Ask one question about text, pictures, sound or video.

    Files stand behind the name of their sense: --image x.png, --audio x.wav, --video x.mp4; each may be repeated. A question may be spoken.

    Sampling, too: --max-tokens 200, --temperature 0.8, --top-k 40, --top-p 0.9, --min-p 0.05, --seed 1, --beams 4, --stop TEXT.
    And --system TEXT: what the system says first, "" for nothing.
    """
    path, (question, media) = resolve_model(model), read_question(words or [])
    from duomo.commands import ask as command
    from duomo.commands.engines import Speed

    show(command.run(path, question, media, Speed(int8, engine)))


def read_question(words: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """`["what?", "--image", "x.png"]` gives the question and the files by sense, in their order.

    Raises ValueError for a sense without its file.
    """
    rest, question, media = list(words), list[str](), list[tuple[str, str]]()
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            question.append(word)
            continue
        name, equals, path = word[2:].partition("=")
        if not equals and not rest:
            raise ValueError(f"{word} needs a file, as in {word} FILE")
        media.append((name, path if equals else rest.pop(0)))
    return " ".join(question), media


@PANEL.verb("duomo chat smollm2")
def chat(
    model: ModelName,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", show_default=False, help='What the system says first; "" for nothing.')
    ] = None,
    int8: Int8 = False,
    engine: EngineName = "torch",
) -> None:
    """Talk with a model, in several turns."""
    path = resolve_model(model)
    from duomo.commands import chat as command
    from duomo.commands.engines import Speed

    show(command.run(path, system, Speed(int8, engine)))


@PANEL.verb('duomo embed e5 "我喜欢看书" "I love reading"')
def embed(
    model: ModelName,
    words: Annotated[
        list[str], typer.Argument(metavar="TEXT…|FILE", show_default=False, help="Texts, or a file of one text a line; - reads the input.")
    ],
    kind: Annotated[str, typer.Option(help="What the texts are, where the model tells them apart: query or passage.")] = "passage",
    out: Annotated[Path | None, typer.Option(show_default=False, help="Where they go; vectors.npy, or the screen for JSON lines.")] = None,
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines, each with its text.")] = False,
    unknown: Annotated[float, typer.Option(min=0, max=1, help="Refuse a text with a larger share of unknown tokens.")] = 0.2,
) -> None:
    """Turn texts into vectors: the closer two are, the more alike the texts."""
    path = resolve_model(model)
    from duomo.commands import embed as command

    show(command.run(path, words, kind, out, lines, unknown))


@PANEL.verb("duomo serve smollm2 e5 whisper-base")
@grouped
def serve(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", show_default=False, help="Run folders, or names of fetched models.")],
    serving: Serving,
) -> None:
    """Serve models to programs that speak OpenAI's API, and to people by a page.

    The API is at /v1; the page, where its package is installed, at /. A model is opened when it is first asked for. Only this machine
    can reach the server, if no other --host is given with a key.
    """
    paths = [resolve_model(model) for model in models]
    wait_briefly()
    from duomo.commands import serve as command

    said = {name: value for name, value in vars(serving).items() if value is not None}
    told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    show(command.run(paths, command.Settings(**told)))


@PANEL.verb("duomo export runs/mine --to hf", name="export")
def send(
    model: ModelName,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", show_default=False, help="hf, gguf, gguf-q8_0, or peft: adapters alone.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT", show_default=False, help="Where to; NAME-FORMAT here if not said.")] = None,
) -> None:
    """Write a model for another program, proven to compute the same."""
    from duomo.commands import interchange as command

    show(command.send(model, to, out))


@PANEL.verb("duomo transcribe speech.wav --to srt")
def transcribe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", show_default=False, help="Recordings (WAV, FLAC, OGG, MP3), or folders.")],
    model: Annotated[str, typer.Option(help="A fetched Whisper, or a run that hears.")] = "whisper-base",
    language: Annotated[str | None, typer.Option(show_default=False, help="What is spoken, as zh; found if not said.")] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Write English, whatever is spoken.")] = False,
    to: Annotated[list[str] | None, typer.Option("--to", show_default=False, help="txt, srt, vtt or json; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", show_default=False, help="Write files there, not to the screen.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="How many recordings are heard at once.")] = 4,
) -> None:
    """Write down recordings of any length, with times.

    `duomo fetch whisper-base` gets the model: 99 languages; whisper-tiny.en is for English alone, and faster.
    """
    path = resolve_model(model)
    from duomo.commands import transcribe as command

    show(command.run(path, files, command.Choices(language, translate, tuple(to or ["txt"]), out, batch)))
