"""duomo serve MODEL…: models behind the API that existing clients speak."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from duomo import checkpoint
from duomo.commands.models import embedder, open_with_card
from duomo.commands.subtitles import FORMATS
from duomo.commands.transcribe import ears
from duomo.generate import Speaker
from duomo.generate.continued import continuing
from duomo.generate.script import script_of
from duomo.generate.transcript import Transcript, transcribe
from duomo.modalities.audio import AUDIO, blocks
from duomo.model import cuts
from duomo.report import Report

if TYPE_CHECKING:
    from duomo.checkpoint import Run
    from duomo.serve.models import Hear, Offer, Served, Tell

GIB = 2**30
PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
SUFFIXES = (".safetensors", ".gguf", ".bin")  # of files that hold weights


@dataclass(frozen=True)
class Settings:
    """Where a server listens, whom it lets in, how much it holds. `memory`: GiB of open weights; None: half of the machine's."""

    host: str = "127.0.0.1"
    port: int = 8000
    key: tuple[str, ...] = ()
    key_file: Path | None = None
    host_name: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    memory: float | None = None
    rows: int = 16
    waiting: int = 64
    tokens: int = 32_768
    drain: float = 10.0


def run(folders: Sequence[Path], settings: Settings) -> Report:
    """Serves until SIGTERM or Ctrl-C. Raises ValueError before anything listens: for a door that stands open, a port that is taken."""
    _need()
    from duomo.serve.access import door, hashed, read_keys
    from duomo.serve.guard import logged
    from duomo.serve.limits import Limits
    from duomo.serve.live import listening, live
    from duomo.serve.metrics import metrics
    from duomo.serve.models import models
    from duomo.serve.state import State

    keys = [hashed(key, "--key") for key in settings.key] + (read_keys(settings.key_file) if settings.key_file else [])
    entrance = door(settings.host, keys, settings.host_name, settings.origin)
    budget = round(settings.memory * GIB) if settings.memory else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    known = models([offer(folder, name, settings) for folder, name in named(folders)], budget, settings.drain)
    at = listening(settings.host, settings.port)
    logged()
    names, began = ", ".join(known.offers), _url(settings.host)

    def started(port: int) -> None:
        print(f"serving {names} at {began}:{port}/v1 ({'with a key' if keys else 'without a key, for this machine alone'})", flush=True)

    live(State(known, Limits(), metrics(), {name: FORMATS[name] for name in ("srt", "vtt")}), entrance, at, started)
    return Report(f"serve {names}", lines=("ended",))


def _need() -> None:
    """Raises ValueError where the extra is not installed."""
    try:
        for name in PACKAGES:
            import_module(name)
    except ImportError as error:
        raise ValueError(f"serve needs {error.name}: pip install 'duomo[serve]'") from error


def named(folders: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each model with the name that requests call it by: its folder's; the whole path where two folders are called alike."""
    short = [folder.resolve().name for folder in folders]
    return ((folder, name if short.count(name) == 1 else str(folder)) for folder, name in zip(folders, short, strict=True))


def offer(folder: Path, name: str, settings: Settings) -> "Offer":
    """A model that is opened when it is first asked for."""
    from duomo.serve.models import Offer

    return Offer(name, weight(folder), lambda: opened(folder, settings))


def weight(folder: Path) -> int:
    """The bytes of a model's weights, as they lie on disk."""
    if folder.is_file():
        return folder.stat().st_size
    place = checkpoint.latest(folder) or folder
    return sum(path.stat().st_size for path in place.iterdir() if path.suffix in SUFFIXES and path.name != "optimizer.safetensors")


def opened(folder: Path, settings: Settings) -> "Served":
    """A model of a folder, with all that it can do."""
    from duomo.serve.models import Served

    run, card = open_with_card(folder)
    return Served(embedder=embedder(run, card)) if run.model.decoder is None else served(run, settings)


def served(run: "Run", settings: Settings) -> "Served":
    """A model with a decoder: it writes or hears, or both."""
    from duomo.serve.models import Served

    hear = _hearing(run) if AUDIO.name in cuts(run.recipe.model) else None
    if script_of(run.tokenizer) is not None:
        return Served(hear=hear)
    return _writing(run, settings, hear)


def _writing(run: "Run", settings: Settings, hear: "Hear | None") -> "Served":
    from duomo.serve.models import Served
    from duomo.serve.queue import Queue
    from duomo.serve.structured import Guides

    tokenizer, vocab_size = run.tokenizer, run.recipe.model.vocab_size
    going, control = continuing(tokenizer), frozenset(tokenizer.special.values())
    marks = list(going.pieces(going.chat.begin))
    return Served(
        Queue(Speaker(run.model, tokenizer), settings.rows, settings.waiting, settings.tokens),
        Guides(tokenizer, vocab_size),
        lambda text: marks + going.encode(text),
        lambda id: 0 <= id < tokenizer.vocab_size and id not in control,
        hear=hear,
    )


def _hearing(run: "Run") -> "Hear":
    """How a model writes down a file's bytes."""

    def hear(sound: bytes, language: str | None, translate: bool, tell: "Tell") -> Transcript:
        made = ears(run, language, translate)
        ((_, found),) = transcribe([blocks(sound)], made.hear, made.longest, made.language, 1, tell)
        return found

    return hear


def _url(host: str) -> str:
    return f"http://[{host}]" if ":" in host else f"http://{host}"
