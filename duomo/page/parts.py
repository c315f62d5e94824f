"""Parts: what all tabs share: functions that never fail unseen, texts that stay text, files that the browser may play."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from duomo.page.jobs import Jobs
from duomo.page.words import TEXTS, both, say

FILES = "/gradio_api/file="
Update = Mapping[Any, Any]  # new values by component
Work = Callable[..., AsyncIterator[Update]]


class Lacking(ValueError):
    """Something that a person has still to give; `args[0]` names the text that says so."""


def safe(jobs: Jobs, work: Work, note: Any, *cleared: Any) -> Callable[..., AsyncIterator[Update]]:
    """What Gradio calls: the work, whose faults are told in `note`, an HTML component among its outputs, and never as they are.

    A ValueError is for people, one line; of anything else only the log learns where it came from. After a fault the components
    `cleared` are empty.
    """

    async def run(*values: Any) -> AsyncIterator[Update]:
        steps = work(*values)
        empty = dict.fromkeys(cleared, "")
        try:
            yield {note: ""}
            async for update in steps:
                yield update
        except Lacking as lacking:
            yield empty | {note: f'<p class="fault" role="alert">{both(str(lacking))}</p>'}
        except ValueError as error:
            yield empty | {note: fault(str(error))}
        except Exception as error:
            jobs.log(error)
            yield empty | {note: f'<p class="fault" role="alert">{both("page.failed")}</p>'}
        finally:
            await steps.aclose()  # type: ignore[attr-defined]

    return run


def fault(text: str) -> str:
    """A fault as HTML."""
    return f'<p class="fault" role="alert">{escape(text)}</p>'


def about(name: str) -> str:
    """A line that says what a tab is for."""
    return f'<p class="about">{say(name)}</p>'


def missing(name: str, get: str, serve: str) -> str:
    """What is said where no model is there for a tab, with the commands that get one and serve it."""
    told = f"{say('page.get')} <code>{escape(get)}</code> {say('page.then')} <code>{escape(serve)}</code>"
    return f'<p class="missing">{say(name)} {told}</p>'


def busy() -> str:
    """What is shown while something is worked on."""
    return f'<p class="busy" role="status">{both("page.busy")}</p>'


def notes(lines: Iterable[str]) -> str:
    """Remarks, below a result."""
    told = "".join(f"<li>{escape(line)}</li>" for line in lines if line)
    return f'<ul class="notes">{told}</ul>' if told else ""


def grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table. `head` is HTML already; cells are texts."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def view(jobs: Jobs, page: Path, name: str) -> str:
    """A page of another command in a frame of its own, which can reach nothing."""
    place = quote(page.relative_to(jobs.folder).as_posix())
    titles = " · ".join(TEXTS[name])
    return f'<iframe class="view" src="/view/{place}" sandbox="allow-scripts" title="{escape(titles)}" loading="lazy"></iframe>'


def address(path: Path | str) -> str:
    """Where the browser finds a file of the page's own folder, ready for an attribute."""
    return escape(FILES + quote(str(path)))


def written(jobs: Jobs, files: Mapping[str, str | bytes]) -> list[str]:
    """Puts files where they can be fetched; gives their paths."""
    folder = jobs.folder / secrets.token_hex(16)
    folder.mkdir()
    for name, body in files.items():
        data = body.encode("utf-8", "replace") if isinstance(body, str) else body
        (folder / plain(name)).write_bytes(data)
    return [str(folder / plain(name)) for name in files]


def plain(name: str) -> str:
    """A file's name without what systems and addresses trip over."""
    kept = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in Path(name).name)
    return kept.strip(".")[-100:] or "file"


def clock(second: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    whole = int(second)
    minutes = f"{whole // 60 % 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes.zfill(5)}" if whole >= 3600 else minutes


def timeline(sound: str, pieces: Iterable[tuple[float, str]], label: str) -> str:
    """A player, and below it a line for each (second, text): its button plays from there. `sound` and `label` are HTML already."""
    lines = "".join(
        f'<li><button type="button" data-second="{second:.2f}" aria-label="▶ {clock(second)}">▶ {clock(second)}</button>'
        f"<span>{escape(text)}</span></li>"
        for second, text in pieces
    )
    player = f'<audio controls preload="metadata" src="{sound}" aria-label="{label}"></audio>'
    return f'<div class="timeline">{player}<ol>{lines}</ol></div>'
