"""Show: progress on the terminal, with time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Bars(RichProgress):
    """Rows that stay where the work ended well and vanish where it failed, so that the error stands alone."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.transient = kind is not None
        self.stop() if kind is None else self.live.stop()


def console() -> Console:
    """Where progress goes: the error stream, so that results can be piped."""
    return Console(stderr=True)


def bars() -> Bars:
    """Rows of: what, bar, count, time passed, time left."""
    times = (MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    what, note = (TextColumn(form, markup=False) for form in ("{task.description:<12}", "{task.fields[note]}"))  # "[/x]" is a file
    return Bars(what, BarColumn(), *times, note, console=console())


@contextmanager
def ticking(what: str, total: int | None) -> Iterator[Callable[[str, int], None]]:
    """A bar that moves one on at every call of what is yielded."""
    with bars() as shown:
        task = shown.add_task(what, total=total, note="")
        yield lambda name, count: shown.update(task, advance=1, note=f"{name} {count:,}")


class Progress:
    """The training bar: loss, tokens a second, share of the machine's matrix-product peak, time left.

    Where there is no terminal, a line every tenth of the run.
    """

    def __init__(self, steps: int, first: int):
        self.steps, self.first, self._bars = steps, first, bars()
        self._smooth: float | None = None
        self._seconds = 0.0

    def __enter__(self) -> "Progress":
        if self._bars.console.is_terminal:
            self._bars.start()
        self._task = self._bars.add_task("train", total=self.steps, completed=self.first, note="")
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars.console.is_terminal:
            self._bars.stop()

    def show(self, step: int, loss: float, seconds: float, speed: float, of_peak: float) -> None:
        """Moves the bar; `speed` in tokens a second, `of_peak` as a share of the machine's matrix-product peak."""
        self._smooth = loss if self._smooth is None else 0.9 * self._smooth + 0.1 * loss
        self._seconds += seconds
        note = f"loss {self._smooth:.3f}  {speed:,.0f} tokens/s  {of_peak:.0%} of peak"
        self._bars.update(self._task, completed=step, note=note)
        if not self._bars.console.is_terminal and (step % max(self.steps // 10, 1) == 0 or step == self.first + 1):
            left = (self.steps - step) * self._seconds / (step - self.first)
            self._bars.console.print(f"step {step}/{self.steps}  {note}  {left:.0f} s left", highlight=False)


def harmless(words: str) -> str:
    """The text without signs that would steer a terminal: a model says what its data taught it, a file what its writer wanted."""
    return "".join(sign for sign in words if sign.isprintable() or sign in "\n\t\u3000")


def status(message: str) -> Any:
    """A spinner with a sentence, for what has no count."""
    return console().status(message)
