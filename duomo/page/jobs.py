"""Jobs: all that the page can do, as functions that `commands` puts together. Whoever adds a tab adds its functions here.

Every function raises ValueError, one line for people, for what can not be done; the page shows it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Ability = Literal["write", "hear", "see", "embed", "names"]


@dataclass(frozen=True)
class Turn:
    """What somebody said in a talk, with files."""

    role: Literal["user", "assistant"]
    text: str
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Talk:
    """A talk to go on with, and how."""

    model: str
    turns: tuple[Turn, ...]
    max_tokens: int = 256
    temperature: float = 0.0


@dataclass(frozen=True)
class Spoken:
    """A stretch of a recording: seconds, and what is said."""

    begin: float
    end: float
    text: str


@dataclass(frozen=True)
class Heard:
    """A recording, written down; `forms`: the same as files of the forms srt, vtt, txt."""

    language: str
    seconds: float
    pieces: tuple[Spoken, ...]
    forms: Mapping[str, str]


@dataclass(frozen=True)
class Passage:
    """A stretch of a file that was found: `where` it stands, its text as (before, quoted, after), the second and the file to play."""

    file: str
    where: str
    head: str
    text: tuple[str, str, str]
    second: float | None = None
    media: Path | None = None
    film: bool = False


@dataclass(frozen=True)
class Found:
    """What files say to a question; no `quotes` where they do not answer it, then `nearest` is what came closest.

    `by_meaning`: whether meanings were compared, or words alone.
    """

    quotes: tuple[Passage, ...]
    confidence: float
    nearest: tuple[Passage, ...]
    notes: tuple[str, ...] = ()
    by_meaning: bool = False


@dataclass(frozen=True)
class Shelf:
    """Files that were read, under a key by which they are asked."""

    key: str
    files: int
    passages: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """A part of a film: from when to when, its key frame and that one's second, what is seen, what is said."""

    begin: float
    end: float
    frame: Path
    second: float
    seen: str
    said: str


@dataclass(frozen=True)
class Watched:
    """A film that was watched; `folder` names it when something is looked for in it, `table` holds all of it as JSON."""

    folder: str
    seconds: float
    spoken: str
    moments: tuple[Moment, ...]
    table: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """Comments of one topic: how many, the share of good ones with its 95 % interval."""

    topic: str
    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Summed:
    """Comments that were classified: by topic; the first rows (day, topic, label, share, text); a page of charts; files to keep."""

    cells: tuple[Cell, ...]
    rows: tuple[tuple[str, str, str, str, str], ...]
    count: int
    page: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Names (text, kind, file) and relations (subject, predicate, object, sentence) of texts; a page to look around in; Turtle."""

    names: tuple[tuple[str, str, str], ...]
    triples: tuple[tuple[str, str, str, str], ...]
    page: Path
    turtle: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How a run goes. `size`: of its files, by which one sees whether they grew; `curves`: (label, SVG); `page`: its report, if any."""

    name: str
    size: int
    step: int
    loss: float | None
    held_out: Mapping[str, float]
    curves: tuple[tuple[str, str], ...]
    page: Path | None


@dataclass(frozen=True)
class Jobs:
    """The page's abilities. `able`: names of models that can do something; `log` notes a fault of ours, without its text.

    `folder`: where files may be put that the page serves; it is this server's own and goes with it. `logout`: whether there are keys.
    """

    folder: Path
    able: Callable[[Ability], Sequence[str]]
    log: Callable[[BaseException], None]
    logout: bool
    chat: Callable[[Talk], AsyncIterator[str]]
    transcribe: Callable[[str, Path, str | None, bool], Awaitable[Heard]]  # model, file, language, whether English is wanted
    describe: Callable[[str, Path], Awaitable[Mapping[str, str]]]  # model, picture; what is said by language
    shelves: Callable[[], str | None]  # the name of the shelf that is there already
    lay: Callable[[Sequence[Path]], Awaitable[Shelf]]
    answer: Callable[[str, str], Awaitable[Found]]  # the key of a shelf, "" for the one that is there; the question
    watch: Callable[[Path, str | None, str], Awaitable[Watched]]  # clip, model that sees, language
    find: Callable[[str, str], Awaitable[Sequence[tuple[float, str, str]]]]  # folder of a film, question; second, kind, text
    columns: Callable[[Path], Sequence[str]]
    comments: Callable[[str, Path, Mapping[str, str]], Awaitable[Summed]]  # model, table; text, date, topic, topics, labels
    graph: Callable[[str, Sequence[Path], str | None], Awaitable[Graph]]  # a text, files, a model that has learned names
    runs: Callable[[], Sequence[str]]
    run: Callable[[str, int], Progress | None]  # a name, the size that is known; None: nothing new
    scoreboard: Callable[[], Sequence[Sequence[Sequence[str]]]]
    more: Mapping[str, Any] = field(default_factory=dict)  # of tabs that others add
