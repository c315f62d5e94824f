"""duomo serve MODEL…: models behind the API that existing clients speak."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from duomo.commands.engines import halved, placed
from duomo.commands.models import embedder, open_with_card
from duomo.commands.subtitles import FORMATS
from duomo.commands.transcribe import ears
from duomo.commands.weighing import weigh
from duomo.generate import Speaker
from duomo.generate.continued import continuing
from duomo.generate.script import script_of
from duomo.generate.transcript import Transcript, transcribe
from duomo.modalities.audio import AUDIO, blocks
from duomo.model import cuts
from duomo.report import Report

if TYPE_CHECKING:
    from duomo.checkpoint import Run
    from duomo.commands.rooms import House
    from duomo.serve.limits import Limits
    from duomo.serve.models import Hear, Models, Offer, Served, Tell
    from duomo.serve.state import Page

GIB = 2**30
PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


@dataclass(frozen=True)
class Settings:
    """Where a server listens, whom it lets in, how much it holds. `memory`: GiB of open models; None: half of the machine's."""

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
    page: bool = True
    shelf: Path | None = None
    runs: Path = Path("runs")


@dataclass(frozen=True)
class Beside:
    """What another command adds: functions for a tab of its own, by the tab's name, made in the page's house; who is told its address."""

    more: Callable[["House"], Mapping[str, Any]]
    started: Callable[[str], None]


def run(folders: Sequence[Path], settings: Settings, beside: Beside | None = None) -> Report:
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
    budget = round(settings.memory * GIB) if settings.memory else _memory() // 2
    known = models([offer(folder, name, settings) for folder, name in named(folders)], budget, settings.drain)
    at = listening(settings.host, settings.port)
    logged()
    names, began = ", ".join(known.offers), _url(settings.host)

    def started(port: int) -> None:
        who, where = "with a key" if keys else "without a key, for this machine alone", f"{began}:{port}"
        print(f"serving {names} at {where}/v1 ({who}){f'; the page: {where}/' if _wanted(settings) else ''}", flush=True)
        if beside is not None:
            beside.started(f"{began}:{port}/")

    with TemporaryDirectory(prefix="duomo-page-") as folder:
        limits, forms = Limits(), {name: FORMATS[name] for name in ("srt", "vtt")}
        places = {name: path for path, name in named(folders)}
        page = _page(known, limits, places, settings, Path(folder), beside) if _wanted(settings) else None
        live(State(known, limits, metrics(), forms, page, settings.page and page is None), entrance, at, started)
    return Report(f"serve {names}", lines=("ended",))


def _memory() -> int:
    """Bytes that the machine has where models are placed: of its GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _wanted(settings: Settings) -> bool:
    """Whether there is a page: it is wanted, and its package is installed."""
    return settings.page and find_spec("gradio") is not None


def _page(
    known: "Models", limits: "Limits", places: Mapping[str, Path], settings: Settings, folder: Path, beside: Beside | None
) -> "Page":  # fmt: skip
    """The page. Raises ValueError for a shelf that is not there."""
    if settings.shelf is not None and not settings.shelf.exists() and not (Path("shelves") / settings.shelf).exists():
        raise ValueError(f"--shelf {settings.shelf}: no such folder, and no index of this name; `duomo index FOLDER` makes one")
    from duomo.commands.rooms import House, abilities, jobs
    from duomo.page.hall import hall
    from duomo.serve.guard import noted
    from duomo.serve.state import Page

    able = {name: abilities(place) for name, place in places.items()}
    house = House(known, limits, folder.resolve(), able, places, settings.shelf, settings.runs)
    made = jobs(house, noted, bool(settings.key or settings.key_file))
    front = hall(replace(made, more=beside.more(house)) if beside else made, upload_bytes=limits.body_bytes)
    return Page(front, house.folder, front.end)


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

    weight = weigh(folder, settings.rows, settings.tokens, halved)
    return Offer(name, weight.weights + weight.caches, lambda: opened(folder, settings), weight.caches)


def opened(folder: Path, settings: Settings) -> "Served":
    """A model of a folder, with all that it can do."""
    from duomo.serve.models import Served

    run, card = open_with_card(folder)
    return Served(embedder=embedder(run, card)) if run.model.decoder is None else served(run, settings)


def served(run: "Run", settings: Settings) -> "Served":
    """A model with a decoder: it writes or hears, or both; on the GPU, if there is one."""
    from duomo.serve.models import Served

    run = placed(run)
    hear = _hearing(run) if AUDIO.name in cuts(run.recipe.model) else None
    if script_of(run.tokenizer) is not None:
        return Served(hear=hear, run=run)
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
        run=run,
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
