"""duomo comments TABLE: a table of dated comments, summed up by topic and week: how many, share of good, words, quotes, charts."""

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from duomo.classify import parse
from duomo.classify.telling import telling
from duomo.commands import classify
from duomo.commands.classify import LIMIT, Put, Wanted
from duomo.commands.comments_page import ALL, Cell, Quote, html
from duomo.commands.given import Given, column_of, table
from duomo.commands.show import bars, status
from duomo.commands.ways import ByVectors, about, vectors
from duomo.data.classical import word_preparer
from duomo.disk import whole_file
from duomo.report import Report

MOOD = "good=很好，很满意，值得推荐。 Very good. I am satisfied,bad=很差，很失望，不推荐。 Very bad. I am disappointed"
DAY = re.compile(r"\s*(\d{4})\D?(\d{1,2})\D?(\d{1,2})(?!\d)")  # year first, or it can not be told apart
WORDS, QUOTES, QUOTED = 6, 2, 160
LOOKED = 2_000  # characters of a comment whose words are counted
Z = 1.959964  # of 95 %
MOST_TOPICS, MOST_WEEKS = 100, 1_000  # of a page that can be read


@dataclass(frozen=True)
class Asked:
    """Which columns, which topics, what mood, where to: `duomo comments --help` says each."""

    text: str
    date: str
    topic: str | None = None
    topics: str | None = None
    labels: str | None = None
    examples: Path | None = None
    head: Path | None = None
    out: Path = Path("comments.html")
    limit: int = LIMIT


@dataclass(frozen=True)
class Comment:
    """One comment, its day and topic, and its mood."""

    put: Put
    day: date
    topic: str
    words: tuple[str, ...]

    @property
    def monday(self) -> date:
        """Of its week."""
        return _monday(self.day)


def run(folder: Path, path: Path, asked: Asked) -> Report:
    """Reads the table, labels every comment, writes the page and beside it the same as JSON.

    Raises ValueError for a column that is not there, and where hardly any date can be read.
    """
    beside = _beside(path, asked)
    given, days = read(path, asked)
    classify.bounded(given, asked.limit)
    moods, topics = labelled(folder, given, asked)
    with status("words"):
        words = [*map(segmenter(), (one.text for one in given))]
    found = [Comment(*one) for one in zip(moods, days, topics, words, strict=True)]
    good = next(iter(moods[0].shares))
    cells = summed(found, good)
    facts = {"table": path.name, "model": folder.name, "comments": len(found), "good": good, "labels": list(moods[0].shares)}
    facts |= {"from": str(min(days)), "to": str(max(days)), "topics": "column" if asked.topic else "found" if asked.topics else "none"}
    tree = facts | {"cells": [asdict(cell) for cell in cells]}
    with whole_file(beside) as part:
        part.write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", errors="replace")  # a name may be no text
    with whole_file(asked.out) as part:
        part.write_text(html(cells, facts), encoding="utf-8", errors="replace")
    lines = [_line(cell) for cell in cells if cell.week == ALL]
    return Report(f"comments {path}", facts=facts, lines=(*lines, f"{asked.out}, {beside}"))


def read(path: Path, asked: Asked) -> tuple[list[Given], list[date]]:
    """The comments with a text and a day; the others are counted on the error stream."""
    given, days, undated, empty = list[Given](), list[date](), list[int](), 0
    topics = set[str]()
    for row in table(path):
        if not isinstance(row.value, Mapping):
            raise ValueError(f"{path}:{row.number}: not an object with named fields")
        names = list(row.value)
        text = str(row.value[column_of(path, names, asked.text)] or "").strip()
        day = day_of(str(row.value[column_of(path, names, asked.date)] or ""))
        if asked.topic is not None:
            topics.add(str(row.value[column_of(path, names, asked.topic)]))
        if text and day:
            given.append(Given(text, f"{path.name}:{row.number}", row.value))
            days.append(day)
        elif text:
            undated.append(row.number)
        else:
            empty += 1
    if len(undated) > len(given):
        raise ValueError(f"{path}:{undated[0]}: no date in column {asked.date!r}; write the year first, as 2026-03-31")
    if not given:
        raise ValueError(f"{path}: holds no comment in column {asked.text!r}")
    if len(topics) > MOST_TOPICS:
        raise ValueError(f"{path}: column {asked.topic!r} holds {len(topics):,} topics; name one that holds {MOST_TOPICS} at most")
    if (weeks := len({_monday(day) for day in days})) > MOST_WEEKS:
        raise ValueError(f"{path}: column {asked.date!r} holds dates of {weeks:,} weeks; at most {MOST_WEEKS:,} fit on a page")
    if undated or empty:
        print(f"note: left out: {len(undated)} comments without a date that begins with the year, {empty} without a text", file=sys.stderr)
    return given, days


def day_of(text: str) -> date | None:
    """2026-03-31, 2026/3/31, 20260331, 2026年3月31日, each with a time behind it or none; None for anything else."""
    found = DAY.match(text)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def labelled(folder: Path, given: Sequence[Given], asked: Asked) -> tuple[list[Put], list[str]]:
    """The mood and the topic of every comment; the vectors of an encoder are made once for both."""
    wanted = Wanted(asked.labels or (None if asked.examples or asked.head else MOOD), asked.examples, asked.head)
    way, texts = classify.way_of(folder, wanted), [one.text for one in given]
    unread = classify.looked_at(way, given)
    topical = about(way, parse(asked.topics)) if asked.topics and not asked.topic else None
    with bars() as shown:
        task = shown.add_task("comments", total=len(texts) * (1 if topical is None or isinstance(way, ByVectors) else 2), note="")

        def tick(count: int) -> None:
            shown.update(task, advance=count)

        if isinstance(way, ByVectors):
            known_ND = vectors(way.encoder, texts, tick)
            moods = way.head.shares(known_ND, texts)
            subjects = topical.head.shares(known_ND) if isinstance(topical, ByVectors) else None
        else:
            moods, subjects = way.shares(texts, tick), topical.shares(texts, tick) if topical else None
    if topical is not None and subjects is not None:
        topics = [topical.labels[int(place)] for place in subjects.argmax(1)]
    else:
        topics = named(given, asked)
    return classify.placed(way.labels, moods, given, unread, 0.0), topics


def named(given: Sequence[Given], asked: Asked) -> list[str]:
    """The topics that a column names; one topic for all where there is no such column, and no other that is called so."""
    if asked.topic is None:
        return [ALL] * len(given)
    told = [str(one.row.get(asked.topic) or "–").strip() for one in given]
    return [f"{topic} (topic)" if topic == ALL else topic for topic in told]


def summed(comments: Sequence[Comment], good: str) -> list[Cell]:
    """For each topic, the largest first, one cell of all weeks and one for each week that it has comments in."""
    cells, counts = list[Cell](), Counter(comment.topic for comment in comments)
    topics = [topic for topic, _ in counts.most_common()]
    for topic in ([ALL] if len(topics) > 1 else []) + topics:
        own = [comment for comment in comments if topic in (ALL, comment.topic)]
        cells.append(_cell(topic, ALL, own, comments, good))
        for monday in sorted({comment.monday for comment in own}):
            cells.append(_cell(topic, str(monday), [comment for comment in own if comment.monday == monday], own, good))
    return cells


def wilson(good: int, n: int) -> tuple[float, float]:
    """95 % bounds of a share (Wilson 1927): they hold for few comments, too."""
    share, square = good / n, Z * Z / n
    middle, half = share + square / 2, Z * math.sqrt(share * (1 - share) / n + square / n / 4)
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def segmenter() -> Callable[[str], tuple[str, ...]]:
    """What cuts comments into words, for counting only: without stop words, and none of one sign. Of Chinese, or a language of spaces."""
    known: dict[str, Callable[[str], list[str]]] = {}

    def words(text: str) -> tuple[str, ...]:
        language = "zh" if any("\u4e00" <= sign <= "\u9fff" for sign in text) else "en"
        if language not in known:
            known[language] = word_preparer(language, stop=True, stem=False)
        return tuple(word for word in known[language](text[:LOOKED]) if len(word) > 1 and not word.isdigit())

    return words


def _beside(path: Path, asked: Asked) -> Path:
    """Where the same as JSON goes. Raises ValueError where that or the page would be written over what is read."""
    beside = asked.out.with_suffix(".json")
    if beside == asked.out:
        raise ValueError(f"{asked.out}: the page is HTML, and the same as JSON goes beside it; name it {asked.out.with_suffix('.html')}")
    for source in filter(None, (path, asked.examples, asked.head)):
        for target in (asked.out, beside):
            if target.exists() and source.exists() and target.samefile(source):
                raise ValueError(f"{target}: would be written over, and is read; choose another name by --out")
    return beside


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _cell(topic: str, week: str, own: Sequence[Comment], every: Sequence[Comment], good: str) -> Cell:
    praised, blamed = _parted(own, lambda one: one.put.label == good)
    inside = {id(one) for one in own}
    rest = [one.words for one in every if id(one) not in inside]
    words = telling([one.words for one in own], rest, WORDS) if rest else []
    return Cell(
        topic, week, len(own), len(praised), len(praised) / len(own), *wilson(len(praised), len(own)),
        praised=tuple(telling([one.words for one in praised], [one.words for one in blamed], WORDS)) if blamed else (),
        blamed=tuple(telling([one.words for one in blamed], [one.words for one in praised], WORDS)) if praised else (),
        words=tuple(words), quotes=quotes(praised, blamed),
    )  # fmt: skip


def quotes(praised: Sequence[Comment], blamed: Sequence[Comment]) -> tuple[Quote, ...]:
    """The surest good comment and the surest bad one; two of one kind where the other is not there."""
    first, second = (sorted(some, key=lambda one: (-one.put.share, one.put.given.where)) for some in (praised, blamed))
    chosen = (first[:1] + second[:1]) if first and second else (first or second)[:QUOTES]
    return tuple(Quote(_short(one.put.given.text), one.put.label, round(one.put.share, 3), one.put.given.where) for one in chosen)


def _parted(own: Sequence[Comment], is_good: Callable[[Comment], bool]) -> tuple[list[Comment], list[Comment]]:
    return [one for one in own if is_good(one)], [one for one in own if not is_good(one)]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"


def _line(cell: Cell) -> str:
    praised = f"; praised: {', '.join(cell.praised)}" if cell.praised else ""
    blamed = f"; blamed: {', '.join(cell.blamed)}" if cell.blamed else ""
    return f"{cell.topic}: {cell.n} comments, good {cell.share:.0%} [{cell.low:.0%}, {cell.high:.0%}]{praised}{blamed}"
