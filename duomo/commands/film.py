"""Film: what was found in a clip as a Markdown table, and as one page that opens offline with its key frames."""

import base64
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from duomo.commands.board import both
from duomo.modalities.image import IMAGE, to_jpeg
from duomo.modalities.pixels import fit
from duomo.recipe import CutRecipe

FOLDER, TABLE = ".watch", "watch.json"  # the folder beside a clip, and what `duomo find` reads in it
THUMB = CutRecipe(size=(180, 320), hop=(1, 1), merge=(1, 1), features=3)
CHANGES = {"begin": "开头", "cut": "切换", "fade": "淡入淡出", "new": "新内容"}
Tree = Mapping[str, Any]  # what `watch.json` holds


def clock(second: float) -> str:
    """1:02:03.4, or 2:03.4 below an hour."""
    tenths = round(second * 10)
    minutes = f"{tenths // 600 % 60}:{tenths // 10 % 60:02d}.{tenths % 10}"
    return f"{tenths // 36000}:{minutes.zfill(7)}" if tenths >= 36000 else minutes


def markdown(film: Tree) -> str:
    """A table, one part a line; key frames are links."""
    head = "| start | end | begins with | key frame | what is seen | what is said |\n|---|---|---|---|---|---|\n"
    return f"# {_cell(film['clip'])}\n\n{head}" + "".join(
        f"| {clock(part['start'])} | {clock(part['end'])} | {part['change']} | [{clock(part['frame_second'])}]({part['frame']}) "
        f"| {_cell(part['seen'])} | {_cell(_said(part))} |\n"
        for part in film["segments"]
    )


def page(film: Tree, folder: Path) -> str:
    """The whole page. Every text that a model or a file name gave is escaped; key frames lie in `folder`."""
    parts = film["segments"]
    template = Template(resources.files("duomo.commands").joinpath("film.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(film["clip"]),
        facts=_facts(film),
        strip="".join(_stripe(part, number, film["seconds"]) for number, part in enumerate(parts, 1)),
        parts="".join(_part(part, number, folder) for number, part in enumerate(parts, 1)),
        faults="".join(f'<p class="fault">{escape(fault)}</p>' for fault in film["faults"]),
    )


def _facts(film: Tree) -> str:
    parts = film["segments"]
    shots = sum(part["change"] in ("begin", "cut", "fade") for part in parts)
    found = (
        (both("length", "时长"), clock(film["seconds"])),
        (both("shots", "镜头"), shots),
        (both("key frames", "关键帧"), len(parts)),
        (both("language heard", "听到的语言"), film["spoken"] or "–"),
    )
    return "".join(f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>" for name, value in found)


def _stripe(part: Tree, number: int, seconds: float) -> str:
    """A part as wide as it is long, in the strip of the whole film."""
    share = 100 * (part["end"] - part["start"]) / max(seconds, 1e-3)
    title = f"{number}: {clock(part['start'])}"
    return f'<a class="{escape(part["change"])}" href="#part{number}" style="flex-grow:{share:.3f}" title="{title}"></a>'


def _part(part: Tree, number: int, folder: Path) -> str:
    lines = (("seen", both("seen", "看到"), part["seen"]), ("said", both("said", "听到"), _said(part)))
    told = "".join(f'<dt>{name}</dt><dd class="{kind}">{escape(text)}</dd>' for kind, name, text in lines if text)
    label = escape(part["seen"] or f"{clock(part['frame_second'])}")
    change = both(escape(part["change"]), CHANGES.get(part["change"], escape(part["change"])))
    return (
        f'<article id="part{number}"><img src="{_data(folder / part["frame"])}" alt="{label}" loading="lazy">'
        f'<p class="when"><b>{clock(part["start"])} – {clock(part["end"])}</b> <span class="badge {escape(part["change"])}">{change}</span>'
        f'<span class="quiet">{both("key frame", "关键帧")} {clock(part["frame_second"])}</span></p>'
        + (f"<dl>{told}</dl>" if told else "")
        + "</article>"
    )


def _data(path: Path) -> str:
    small = fit(IMAGE.read(path, THUMB), THUMB.size, largest=1)
    return f"data:image/jpeg;base64,{base64.b64encode(to_jpeg(small)).decode()}"


def _said(part: Tree) -> str:
    return " ".join(piece["text"] for piece in part["said"])


def _cell(text: str) -> str:
    """On one line, nothing of it read as Markdown's own marks."""
    line = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in line)
