"""What happens on the tour of `duomo demo`, as records that `commands` makes: the terminal prints them, the page draws them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from duomo.report import ReportRow


@dataclass(frozen=True)
class Act:
    """An act begins."""

    number: int
    title: str
    about: str


@dataclass(frozen=True)
class Download:
    """A source that is wanted: its size and licence are told before it is fetched. `here`: nothing is to be fetched."""

    name: str
    title: str
    bytes: int
    licence: str
    here: bool


@dataclass(frozen=True)
class LeftOut:
    """A part that can not be shown here, and why, in one line."""

    what: str
    why: str


@dataclass(frozen=True)
class Doing:
    """What is under way; `total` 0: nobody knows how much it will be. `seconds`: since it began. `left`: seconds to come, if foretold."""

    what: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    left: float = 0.0


@dataclass(frozen=True)
class Heard:
    """A recording, written down. `truth`: what is said in it, "" where nobody knows; `took`: seconds."""

    file: Path
    said: str
    truth: str
    seconds: float
    took: float


@dataclass(frozen=True)
class Shelved:
    """The shelf can be asked: by words, and by meaning where `vectors` equals `passages`."""

    name: str
    files: int
    passages: int
    vectors: int
    seconds: float


@dataclass(frozen=True)
class Answered:
    """What the shelf says to a question; `quote` "": nothing answers it. `second`: where to play `file` from, if it can be played."""

    question: str
    quote: str
    where: str = ""
    file: Path | None = None
    second: float | None = None
    confidence: float = 0.0
    by: str = "by meaning"


@dataclass(frozen=True)
class Invented:
    """What a language model says that was shown no file: a warning, and no answer."""

    question: str
    said: str
    model: str


@dataclass(frozen=True)
class Learning:
    """How far training is; `left`: seconds, as the pace so far foretells it."""

    step: int
    steps: int
    loss: float
    left: float


@dataclass(frozen=True)
class Item:
    """A held-out question with what the newest weights say, and what older ones said (None: not asked); `media` as (sense, file)."""

    task: str
    question: str
    media: tuple[tuple[str, Path], ...]
    truth: str
    said: str
    right: bool
    before: str | None = None
    was_right: bool = False


@dataclass(frozen=True)
class Bar:
    """A share of right answers beside that of a method without learning; None: not yet computed. `n`: how many were asked."""

    task: str
    value: float
    n: int
    baseline: float | None = None
    method: str = ""


@dataclass(frozen=True)
class Tried:
    """Held-out items, answered by the weights of a step."""

    step: int
    items: tuple[Item, ...]
    bars: tuple[Bar, ...]
    seconds: float


@dataclass(frozen=True)
class Killed:
    """The training process was killed at a step; `kept`: the step of the newest whole checkpoint."""

    step: int
    loss: float
    kept: int


@dataclass(frozen=True)
class Resumed:
    """It went on from a step; `losses` as (step, before it was killed, after it went on)."""

    first: int
    losses: tuple[tuple[int, float, float], ...]

    @property
    def exact(self) -> bool:
        """Whether every step that was done twice came out the same."""
        return all(before == after for _, before, after in self.losses)


@dataclass(frozen=True)
class Scores:
    """The scoreboard of the run, as rows, as lines for a terminal, and as cells of lines; `question`: one of words alone that was asked."""

    rows: tuple[ReportRow, ...]
    lines: tuple[str, ...]
    report: Path
    question: str = ""
    cells: tuple[tuple[tuple[str, ...], ...], ...] = ()


@dataclass(frozen=True)
class Told:
    """Some lines under a title; `code`: they are a program."""

    title: str
    lines: tuple[str, ...]
    code: bool = False


@dataclass(frozen=True)
class Tour:
    """What the page's tab of the tour can do. All of them but `look` and `kill` may take a while, and raise ValueError for people.

    `invent` takes longer than the others: it is for what the shelf does not answer, and gives what is made up as it grows.
    """

    look: Callable[[int], tuple[int, Sequence["Event"]] | None]  # the version that is known; None: nothing new
    ask: Callable[[str], Answered]
    invent: Callable[[str], Iterator[Invented]]
    teach: Callable[[float | None], None]  # minutes
    kill: Callable[[], None]
    drawn: Callable[[bytes], str]  # a picture's file, dark on white
    spoken: Callable[[Path], str]
    play: Callable[[Path], Path | None]  # a file where the browser may have it
    page: Callable[[Path], Path | None]


Event = (
    Act | Download | LeftOut | Doing | Heard | Shelved | Answered | Invented | Learning | Tried | Killed | Resumed | Scores | Told
)  # fmt: skip
