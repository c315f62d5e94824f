"""duomo watch CLIP: films of any length become parts, each with a key frame, what is in it and what is said."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from duomo.commands.describe import TOGETHER, Eyes, eyes
from duomo.commands.film import FOLDER, TABLE, markdown, page
from duomo.commands.given import media
from duomo.commands.models import open_model
from duomo.commands.resolve import place_of
from duomo.commands.show import bars, harmless
from duomo.commands.transcribe import Ears, ears
from duomo.disk import whole_folder
from duomo.generate.transcript import Piece, Transcript, transcribe
from duomo.modalities.image import to_jpeg
from duomo.modalities.shots import segments
from duomo.modalities.soundtrack import soundtrack
from duomo.modalities.video import VIDEO, Shot, seconds, shots
from duomo.recipe import CutRecipe
from duomo.report import Report

ENDINGS = (VIDEO.suffix, *VIDEO.suffixes, ".mov", ".mkv", ".m4v")
KEPT = CutRecipe(size=(1, 320, 320), hop=(1, 1, 1), merge=(1, 1, 1), features=3)  # key frames of 640 pixels at most
LONGEST_NAME = 200  # bytes


@dataclass(frozen=True)
class Choices:
    """Where results go (None: beside each clip), who sees, who hears ("": nobody), and in what language is told."""

    out: Path | None = None
    model: Path | None = None
    whisper: str = ""
    language: str = "en"
    lines: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a film: from when to when, its key frame and that one's second, what is in it, what is said in it."""

    begin: float
    end: float
    second: float
    frame: str  # a path inside the clip's folder
    change: str
    seen: str = ""
    said: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Film:
    """What was found in a clip. `faults`: where its pictures or its sound could not be read to their end."""

    clip: str
    seconds: float
    parts: tuple[Part, ...]
    spoken: str = ""  # the language
    faults: tuple[str, ...] = ()


@dataclass
class Whole:
    """Frames until the damage begins, and what the damage is."""

    faults: list[str] = field(default_factory=list)
    count: int = 0

    def frames(self, found: Iterable[Shot], tell: Callable[[float], None]) -> Iterator[Shot]:
        """The frames; `tell` gets the second of each. Raises ValueError where there is none at all."""
        try:
            for end, show in found:
                self.count += 1
                tell(end)
                yield end, show
        except ValueError as error:
            if not self.count:
                raise
            self.faults.append(str(error))


def run(names: Sequence[Path], choices: Choices) -> Report:
    """Watches clips: files, and folders of them. Writes a folder for each; one that can not be read is named, and the others go on.

    Raises ValueError where none can be read, and where two would be written to one place.
    """
    files = media(names, ENDINGS, "clip")
    targets = folders(files, choices.out)
    looking = eyes(open_model(choices.model), choices.language) if choices.model else None
    if looking and (known := looking.knows()):
        print(f"note: {known}", file=sys.stderr)
    hearing = _ears(choices.whisper)
    films, faults, began = dict[Path, Film](), list[str](), time.perf_counter()
    for file, target in zip(files, targets, strict=True):
        try:
            films[target] = watch(file, target, looking, hearing)
        except ValueError as error:
            faults.append(str(error))
    if len(faults) == len(files):
        raise ValueError("\n".join(faults))
    for fault in (*faults, *(fault for film in films.values() for fault in film.faults)):
        print(f"note: {fault}", file=sys.stderr)
    told = [as_dict(film) | {"folder": str(target)} for target, film in films.items()]
    lines = map(_json, told) if choices.lines else (line for target, film in films.items() for line in _shown(film, target))
    facts = {"films": told, "faults": faults, "seconds": round(time.perf_counter() - began, 2)}
    return Report("watch", facts=facts, lines=tuple(lines))


def watch(file: Path, target: Path, looking: Eyes | None, hearing: Ears | None) -> Film:
    """Writes a clip's folder: key frames, `watch.json`, a table in Markdown, one page. Raises ValueError for a clip without frames."""
    length, whole = seconds(file), Whole()
    with bars() as shown:
        bar = shown.add_task("watch", total=round(length) or None, note=harmless(file.name))
        frames = whole.frames(shots(file, KEPT), lambda second: shown.update(bar, completed=int(second)))
        with whole_folder(target) as made:
            parts = [_kept(segment, number, made) for number, segment in enumerate(segments(frames), 1)]
            if not parts:
                raise ValueError(f"{file}: no pictures in it; export the clip again")
            if looking:
                parts = _described(parts, made, looking)
            ear = shown.add_task("listen", total=round(length), note=harmless(file.name), visible=hearing is not None)
            heard = _heard(file, hearing, ear, shown) if hearing else Transcript()
            faults = (*whole.faults, *filter(None, [heard.fault]))
            found = Film(file.name, parts[-1].end, tuple(_spoken(parts, heard)), heard.language, faults)
            tree = as_dict(found)
            for name, text in ((TABLE, _json(tree) + "\n"), ("watch.md", markdown(tree)), ("watch.html", page(tree, made))):
                (made / name).write_text(text, encoding="utf-8", errors="replace")  # a name may be no text
    return found


def folders(files: Sequence[Path], out: Path | None) -> list[Path]:
    """Where each clip's results go. Raises ValueError where two would go to one place, or over what is no result of ours."""
    taken: dict[Path, Path] = {}
    for file in files:
        name = os.fsencode(file.name)[:LONGEST_NAME].decode(errors="ignore")
        target = (out or file.parent) / f"{name}{FOLDER}"
        other = taken.setdefault(target, file)
        if other != file:
            raise ValueError(f"{other} and {file} would both be written to {target}; watch them apart")
        if target.exists() and not (target / TABLE).is_file():
            raise ValueError(f"{target}: holds something else than a watched film; choose another place by --out")
    return list(taken)


def as_dict(film: Film) -> dict[str, Any]:
    """What `watch.json` holds; times in seconds."""
    parts = [
        {
            "start": round(part.begin, 3),
            "end": round(part.end, 3),
            "change": part.change,
            "frame": part.frame,
            "frame_second": round(part.second, 3),
            "seen": part.seen,
            "said": [{"start": round(p.begin, 2), "end": round(p.end, 2), "text": p.text.strip()} for p in part.said],
        }
        for part in film.parts
    ]
    return {"clip": film.clip, "seconds": round(film.seconds, 3), "spoken": film.spoken, "faults": list(film.faults), "segments": parts}


def _kept(segment: Any, number: int, folder: Path) -> Part:
    name = f"frames/{number:04d}.jpg"
    (folder / "frames").mkdir(exist_ok=True)
    (folder / name).write_bytes(to_jpeg(segment.pixels_HWC))
    return Part(segment.begin, segment.end, segment.second, name, segment.change)


def _described(parts: Sequence[Part], folder: Path, looking: Eyes) -> list[Part]:
    found = list[Part]()
    for start in range(0, len(parts), TOGETHER):
        batch = parts[start : start + TOGETHER]
        seen = looking.see([folder / part.frame for part in batch])
        found += [replace(part, seen=one.text) for part, one in zip(batch, seen, strict=True)]
    return found


def _ears(name: str) -> Ears | None:
    """Who hears; nobody where it was not fetched, which is told."""
    if not name:
        return None
    if place_of(name) is None and not Path(name).exists():
        print(f"note: nothing is heard: `duomo fetch {name}` gets a model that writes down speech", file=sys.stderr)
        return None
    return ears(open_model(name))


def _heard(file: Path, hearing: Ears, bar: Any, shown: Any) -> Transcript:
    sound = soundtrack(file)
    ((_, found),) = transcribe([sound], hearing.hear, hearing.longest, hearing.language, 1, lambda gone: shown.advance(bar, gone))
    return found


def _spoken(parts: Sequence[Part], heard: Transcript) -> Iterator[Part]:
    """Each part with what begins to be said in it; what begins after the last picture belongs to the last."""
    for number, part in enumerate(parts):
        until = parts[number + 1].begin if number + 1 < len(parts) else float("inf")
        yield replace(part, said=tuple(piece for piece in heard.pieces if part.begin <= piece.begin < until))


def _shown(film: Film, target: Path) -> Iterator[str]:
    yield f"{film.clip}: {len(film.parts)} parts in {film.seconds:.1f} s -> {target / 'watch.html'}"
    for part in film.parts:
        said = " ".join(piece.text.strip() for piece in part.said)
        told = "  ".join(filter(None, (part.seen, f"“{said}”" if said else "")))
        yield f"  {part.begin:8.2f} – {part.end:8.2f}  {part.change:5}  {part.frame}  {told}".rstrip()


def _json(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)
