"""The tour's events as HTML: what files and models say is escaped, and what was made up looks so."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from duomo.page.events import (
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
from duomo.page.parts import address, clock
from duomo.page.runs import table
from duomo.page.words import TEXTS, both

Play = Callable[[Path], Path | None]
SOUND, FILM, PICTURE = (".wav", ".flac", ".ogg", ".mp3"), (".mp4", ".webm"), (".png", ".jpg", ".webp", ".gif")
HALF_A_MINUTE = 30.0  # seconds: less is not told as minutes
PLAIN = 'controlslist="nodownload nofullscreen noplaybackrate"'  # without a menu there is room for the button that plays it
RIGHT, WRONG = "✓", "✗"


def shelf(events: Sequence[Event], play: Play) -> str:
    """Act 1: downloads, and recordings with their truth."""
    heard = [event for event in events if isinstance(event, Heard)]
    rows = "".join(_heard(event, play) for event in heard)
    names = ("tour.recording", "tour.heard", "tour.truth")
    table = _table(names, rows, "heard") if rows else ""
    return f"{downloads(events)}{table}"


def growth(events: Sequence[Event]) -> str:
    """How much of the shelf can be asked. It changes often, and so stands apart from recordings that somebody plays."""
    grown = [event for event in events if isinstance(event, Shelved)]
    return f"{_grown(grown[-1]) if grown else ''}{_left(events)}{_doing(events)}"


def downloads(events: Sequence[Event]) -> str:
    """What is wanted, with sizes and licences."""
    rows = "".join(
        f"<tr><td>{escape(one.title)}</td><td>{one.bytes / 1e6:.1f} MB</td><td>{escape(one.licence)}</td>"
        f"<td>{both('tour.here' if one.here else 'tour.fetching')}</td></tr>"
        for one in events
        if isinstance(one, Download)
    )
    if not rows:
        return ""
    table = _table(("tour.source", "tour.size", "tour.licence", "tour.state"), rows)
    return f"<details><summary>{both('tour.downloads')}</summary>{table}</details>"


def answers(events: Iterable[Event], play: Play) -> str:
    """Act 2, and what people asked: quotes with their places; what a language model made up, greyed and called so."""
    found = []
    for event in events:
        if isinstance(event, Answered):
            found.append(_answered(event, play))
        elif isinstance(event, Invented):
            found.append(_invented(event))
    return "".join(found)


def pulse(events: Sequence[Event]) -> str:
    """How far training is."""
    last = events[-1] if events else None
    if isinstance(last, Doing):
        return _doing(events)
    known = [event for event in events if isinstance(event, Learning)]
    if not known:
        return _left(events)
    one = known[-1]
    told = both("tour.step", step=one.step, steps=one.steps or "?", loss=f"{one.loss:.3f}", left=f"{one.left / 60:.0f}")
    return f"<p>{told}</p>{meter(one.step / one.steps if one.steps else 0.0, 'main')}{_left(events)}"


def lesson(events: Sequence[Event], play: Play) -> str:
    """Act 3: bars against methods that learn nothing, and held-out items as they turn right."""
    tried = [event for event in events if isinstance(event, Tried)]
    if not tried:
        return ""
    bars = "".join(map(_bar, tried[-1].bars))
    past = [[one.items[place].right for one in tried if place < len(one.items)] for place in range(len(tried[-1].items))]
    rows = "".join(_item(item, marks, play) for item, marks in zip(tried[-1].items, past, strict=True))
    head = f"<h3>{both('tour.at', step=tried[-1].step)}</h3>"
    return f'{head}<div class="bars">{bars}</div>{_table(("tour.item", "tour.says", "tour.truth", "tour.turned"), rows, "items")}'


def plug(events: Iterable[Event]) -> str:
    """Act 4: killed, and gone on."""
    found = []
    for event in events:
        if isinstance(event, Killed):
            told = both("tour.killed", step=event.step, kept=event.kept, loss=f"{event.loss:.6f}")
            found.append(f'<p class="killed" role="status">{told}</p>')
        elif isinstance(event, Resumed):
            found.append(_resumed(event))
    return "".join(found)


def end(events: Iterable[Event], page: Callable[[Path], str]) -> str:
    """Act 5: the scoreboard, its report, what all this can not do, and how a program asks."""
    found = []
    for event in events:
        if isinstance(event, Scores):
            found.append(f"{table(event.cells) or _lines(event.lines)}{page(event.report)}")
        elif isinstance(event, Told):
            points = "".join(f"<li>{text(line)}</li>" for line in event.lines)
            found.append(f"<h3>{text(event.title)}</h3>{_lines(event.lines) if event.code else f'<ul>{points}</ul>'}")
    return "".join(found)


def _lines(lines: Sequence[str]) -> str:
    """Lines as a terminal has them."""
    return f'<div class="wide" tabindex="0"><pre>{escape(chr(10).join(lines))}</pre></div>'


def meter(share: float, kind: str) -> str:
    """A bar of a share."""
    percent = 100 * max(0.0, min(1.0, share))
    values = f'aria-valuenow="{percent:.0f}" aria-valuemin="0" aria-valuemax="100"'
    return f'<div class="meter {kind}" role="progressbar" {values}><span style="width: {percent:.1f}%"></span></div>'


def media(file: Path, play: Play) -> str:
    """A file that can be looked at or played; its name where it can not."""
    there, ending = play(file), file.suffix.lower()
    if there is None:
        return escape(file.name)
    place, name = address(there), escape(file.name[:24])
    if ending in PICTURE:
        return f'<img class="small" src="{place}" alt="{name}">'
    if ending in SOUND:
        return f'<audio controls {PLAIN} preload="none" src="{place}" aria-label="{name}"></audio>'
    if ending not in FILM:
        return name
    return f'<video controls {PLAIN} disablepictureinpicture muted preload="metadata" src="{place}" aria-label="{name}"></video>'


def _heard(event: Heard, play: Play) -> str:
    same = _plain(event.said) == _plain(event.truth)
    sound = media(event.file, play)
    truth = escape(event.truth) if event.truth else "–"
    mark = f'<span class="right">{RIGHT}</span> ' if same and event.truth else ""
    return f"<tr><td>{escape(event.file.stem)}<br>{sound}</td><td>{escape(event.said)}</td><td>{mark}{truth}</td></tr>"


def _grown(event: Shelved) -> str:
    told = both("tour.shelved", files=event.files, passages=f"{event.passages:,}", vectors=f"{event.vectors:,}")
    return f"<p>{told}</p>{meter(event.vectors / max(1, event.passages), 'main')}"


def _answered(event: Answered, play: Play) -> str:
    asked = f'<p class="where">{escape(event.question)}</p>'
    if not event.quote:
        return f'<article class="passage">{asked}<p class="abstained">{both("shelf.abstained")}</p></article>'
    there = play(event.file) if event.file is not None and event.second is not None else None
    player = ""
    if there is not None and event.second is not None:
        at = clock(event.second)
        button = f'<button type="button" data-second="{event.second:.2f}" aria-label="▶ {at} {escape(event.where)}">▶ {at}</button>'
        player = f'<p>{button}</p><audio controls preload="metadata" src="{address(there)}" aria-label="{escape(event.where)}"></audio>'
    told = f"{escape(event.where)} · {text(event.by)} · {both('tour.sure', share=f'{event.confidence:.2f}')}"
    quote = f"<blockquote><mark>{escape(event.quote)}</mark></blockquote>"
    return f'<article class="passage timeline">{asked}{quote}<p class="quiet">{told}</p>{player}</article>'


def _invented(event: Invented) -> str:
    return (
        f'<article class="passage greyed invented"><p>{WRONG} {both("tour.invented", model=event.model)}</p>'
        f"<blockquote>{escape(event.said)}</blockquote></article>"
    )


def _item(item: Item, marks: Sequence[bool], play: Play) -> str:
    shown = " ".join(media(file, play) for _, file in item.media)
    question = escape(item.question if len(item.question) < 160 else item.question[:159] + "…")
    history = "".join(f'<span class="{"right" if mark else "wrong"}">{RIGHT if mark else WRONG}</span>' for mark in marks)
    kind = "right" if item.right else "wrong"
    said = escape(item.said) or "–"
    return (
        f'<tr class="{kind}"><td><span class="quiet">{escape(item.task)}</span> {question} {shown}</td><td>{said}</td>'
        f'<td>{escape(item.truth)}</td><td class="marks">{history}</td></tr>'
    )


def _bar(bar: Bar) -> str:
    own = f"<dt>{escape(bar.task)} · {both('tour.model')}</dt><dd>{meter(bar.value, 'main')}<span>{bar.value:.2f}</span></dd>"
    if bar.baseline is None:
        return f"<dl>{own}</dl>"
    other = f"<dt>{escape(bar.method)}</dt><dd>{meter(bar.baseline, 'other')}<span>{bar.baseline:.2f}</span></dd>"
    return f"<dl>{own}{other}</dl>"


def _resumed(event: Resumed) -> str:
    rows = "".join(f"<tr><td>{step}</td><td>{before:.6f}</td><td>{after:.6f}</td></tr>" for step, before, after in event.losses)
    same = f'<p class="right">{RIGHT} {both("tour.same")}</p>' if event.losses and event.exact else ""
    table = _table(("tour.number", "tour.before", "tour.after"), rows) if rows else ""
    return f"<p>{both('tour.resumed', step=event.first)}</p>{table}{same}"


def _left(events: Iterable[Event]) -> str:
    found = [f"<li>{both('tour.left', what=event.what)} {escape(event.why)}</li>" for event in events if isinstance(event, LeftOut)]
    return f'<ul class="notes">{"".join(found)}</ul>' if found else ""


def _doing(events: Sequence[Event]) -> str:
    last = events[-1] if events else None
    if not isinstance(last, Doing) or (last.total and last.done >= last.total):
        return ""
    left = f" · {both('tour.to_come', left=f'{last.left / 60:.0f}')}" if last.left >= HALF_A_MINUTE else ""
    bar = meter(last.done / last.total, "main") if last.total > 1 else ""
    return f'<p class="busy" role="status">{text(last.what)} · {last.seconds:.0f} s{left}</p>{bar}'


def text(english: str) -> str:
    """A text in both languages, where it stands among the page's own."""
    name = next((name for name, texts in TEXTS.items() if texts[0] == english), "")
    return both(name) if name else escape(english)


def _table(names: Iterable[str], rows: str, kind: str = "") -> str:
    head = "".join(f'<th scope="col">{both(name)}</th>' for name in names)
    return f'<div class="wide {kind}" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _plain(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() or sign == "'" else " " for sign in text.lower()).split()


def acts(events: Sequence[Event], numbers: Iterable[int]) -> list[Event]:
    """The events of some acts; the shelf grows on in the second, and is told in the first."""
    return [event for number, event in _numbered(events) if (1 if isinstance(event, Shelved) else number) in set(numbers)]


def _numbered(events: Iterable[Event]) -> Iterator[tuple[int, Event]]:
    number = 0
    for event in events:
        number = getattr(event, "number", number)
        yield number, event
