"""The tour on a terminal: its events as lines; where there is none, plain ones, and of what is under way a line now and then."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np
from rich.console import Console
from rich.status import Status
from rich.text import Text

from duomo.commands.show import harmless
from duomo.modalities import MODALITIES
from duomo.page.events import (
    Act,
    Answered,
    Bar,
    Doing,
    Download,
    Event,
    Heard,
    Invented,
    Item,
    Killed,
    Learning,
    LeftOut,
    Resumed,
    Scores,
    Shelved,
    Told,
    Tried,
)

SELDOM = 15.0  # seconds between two lines of what is under way, where there is no terminal
WIDTH = 24  # of a bar, and of a picture
SHADES = " .:-=+*#%@"
SHORT = 100  # characters of a text
Line = tuple[str, str]  # with its style


@dataclass(eq=False)
class Printer:
    """Prints events, the passing ones on a line that goes again."""

    console: Console = field(default_factory=lambda: Console(file=sys.stdout, highlight=False, soft_wrap=True))
    seldom: float = SELDOM
    _status: Status | None = None
    _told: float = 0.0

    def show(self, event: Event) -> None:
        """One event."""
        if passing(event):
            self._pass(" ".join(text for text, _ in lines(event)))
            return
        self.close()
        for text, style in lines(event):
            self.console.print(Text(harmless(text), style=style if self.console.is_terminal else ""))

    def close(self) -> None:
        """Takes the passing line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _pass(self, text: str) -> None:
        if self.console.is_terminal:
            if self._status is None:
                self._status = self.console.status(text)
                self._status.start()
            self._status.update(harmless(text))
        elif time.monotonic() - self._told >= self.seldom:
            self._told = time.monotonic()
            self.console.print(harmless(text.strip()), markup=False)


def passing(event: Event) -> bool:
    """Whether an event tells of what is under way, and is out of date with the next."""
    if isinstance(event, Shelved):
        return 0 < event.vectors < event.passages
    return isinstance(event, Learning) or (isinstance(event, Doing) and (not event.total or event.done < event.total))


@singledispatch
def lines(event: Event) -> Iterator[Line]:
    """What is printed of an event, each line with its style."""
    raise TypeError(f"no lines for {type(event).__name__}")


@lines.register
def _act(event: Act) -> Iterator[Line]:
    yield "", ""
    yield f"── {event.number} · {event.title}", "bold"
    yield f"   {event.about}", "dim"


@lines.register
def _download(event: Download) -> Iterator[Line]:
    state = "is here" if event.here else "is fetched now"
    yield f"   {event.name}: {event.title} · {event.bytes / 1e6:.1f} MB · {event.licence} · {state}", "dim"


@lines.register
def _left_out(event: LeftOut) -> Iterator[Line]:
    yield f"   left out: {event.what}: {event.why}", "yellow"


@lines.register
def _doing(event: Doing) -> Iterator[Line]:
    count = f" {event.done}/{event.total}" if event.total > 1 else ""
    left = f" · about {event.left / 60:.0f} min left" if event.left >= 30 else ""
    yield f"   {event.what}{count}" + (f" · {event.seconds:.0f} s" if event.seconds >= 1 else "") + left, ""


@lines.register
def _heard(event: Heard) -> Iterator[Line]:
    same = plain(event.said) == plain(event.truth)
    yield f"   {event.file.name} ({event.seconds:.1f} s, heard in {event.took:.1f})", "dim"
    yield f"     heard: {event.said or '(nothing)'}", ""
    if event.truth:
        yield f"     {'truth, the same' if same else 'truth'}: {event.truth}", "green" if same else "yellow"


@lines.register
def _shelved(event: Shelved) -> Iterator[Line]:
    told = f"   {event.files} files, {event.passages:,} passages"
    if event.vectors and event.vectors == event.passages:
        yield f"{told}: can be asked by meaning, too · {event.seconds:.0f} s", "green"
    elif event.vectors:
        yield f"{told}: {event.vectors:,} of them by meaning", ""
    else:
        yield f'{told}: can be asked by words · {event.seconds:.1f} s · duomo answer "…" --in {event.name}', "green"


@lines.register
def _answered(event: Answered) -> Iterator[Line]:
    yield f"   ? {event.question}", "bold"
    if not event.quote:
        yield f"     nothing in these files answers this ({event.by}, confidence {event.confidence:.2f})", "yellow"
        return
    yield f"     “{' '.join(event.quote.split())}”", "green"
    play = f" · play {event.file} from {event.second:.1f} s" if event.second is not None else ""
    yield f"     {event.where} · {event.by}, confidence {event.confidence:.2f}{play}", "dim"


@lines.register
def _invented(event: Invented) -> Iterator[Line]:
    yield f"     ✗ made up, no file was shown to it: {event.model} alone would have said:", "dim"
    yield f"       {short(event.said, 300)}", "dim italic"


@lines.register
def _learning(event: Learning) -> Iterator[Line]:
    planned = f"/{event.steps}" if event.steps else ""
    yield f"   step {event.step}{planned} · loss {event.loss:.3f} · about {event.left / 60:.0f} min left", ""


@lines.register
def _tried(event: Tried) -> Iterator[Line]:
    first = all(item.before is None for item in event.items)
    right = sum(item.right for item in event.items)
    yield f"   at step {event.step}: {right} of {len(event.items)} held-out items right ({event.seconds:.1f} s)", "bold"
    if first:
        yield from _drawn(event.items)
    for item in event.items:
        if first or item.right != item.was_right:
            yield from _item(item)
    for bar in event.bars:
        yield from _bar(bar)


@lines.register
def _killed(event: Killed) -> Iterator[Line]:
    yield f"   killed at step {event.step} (loss {event.loss:.6f}); the newest whole checkpoint is of step {event.kept}", "red"


@lines.register
def _resumed(event: Resumed) -> Iterator[Line]:
    yield f"   went on from step {event.first}", "green"
    for step, before, after in event.losses:
        yield f"     step {step}: loss {before:.6f} before, {after:.6f} after{'' if before == after else '  (differs)'}", ""
    if event.losses and event.exact:
        yield "     the same to the last digit: nothing was lost but time", "green"


@lines.register
def _scores(event: Scores) -> Iterator[Line]:
    yield from ((f"   {line}", "") for line in event.lines)
    yield f"   with curves and examples to see and hear: {event.report}", "bold"


@lines.register
def _told(event: Told) -> Iterator[Line]:
    yield "", ""
    yield f"   {event.title}", "bold"
    yield from ((f"     {line}" if event.code else f"   · {line}", "cyan" if event.code else "") for line in event.lines)


def _item(item: Item) -> Iterator[Line]:
    files = " ".join(path.name[:12] + path.suffix for _, path in item.media)
    asked = " ".join(part for part in (item.task + ":", short(item.question), files) if part)
    mark = "✓" if item.right else "✗"
    before = "" if item.before is None else f" (before: {short(item.before, 40) or 'nothing'})"
    yield f"     {mark} {asked}", "green" if item.right else "red"
    yield f"       says {short(item.said) or '(nothing)'} · truth {short(item.truth)}{before}", ""


def _bar(bar: Bar) -> Iterator[Line]:
    yield f"     {bar.task:<12} {filled(bar.value)} {bar.value:.2f}  of {bar.n} right", ""
    if bar.baseline is not None:
        yield f"     {'':<12} {filled(bar.baseline)} {bar.baseline:.2f}  {bar.method}", "dim"


def _drawn(items: Sequence[Item]) -> Iterator[Line]:
    """The first picture that is asked about."""
    pictures = ((item, kind, path) for item in items for kind, path in item.media if kind in MODALITIES and MODALITIES[kind].axes == 2)
    for item, kind, path in pictures:
        yield from ((f"     {row}", "") for row in shaded(MODALITIES[kind].read(path, MODALITIES[kind].default)))
        yield f"     a held-out picture: {short(item.question)} {short(item.said)} · truth {item.truth}", ""
        return


def shaded(pixels_HWC: np.ndarray, width: int = WIDTH) -> Iterator[str]:
    """A picture in letters, two columns to a row's height."""
    grey = pixels_HWC.reshape(*pixels_HWC.shape[:2], -1).mean(-1)
    rows = np.linspace(0, len(grey) - 1, max(1, round(width * len(grey) / grey.shape[1] / 2))).astype(int)
    columns = np.linspace(0, grey.shape[1] - 1, width).astype(int)
    drawn = ["".join(SHADES[int(value) * len(SHADES) // 256] for value in row).rstrip() for row in grey[rows][:, columns]]
    inked = [number for number, row in enumerate(drawn) if row]
    yield from drawn[inked[0] : inked[-1] + 1] if inked else ()


def filled(share: float) -> str:
    """A bar of a share."""
    full = round(WIDTH * max(0.0, min(1.0, share)))
    return "█" * full + "░" * (WIDTH - full)


def short(text: str, most: int = SHORT) -> str:
    """A text on one line, cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def plain(text: str) -> str:
    """A text's letters and digits alone, small."""
    return " ".join("".join(sign if sign.isalnum() or sign == "'" else " " for sign in text.lower()).split())
