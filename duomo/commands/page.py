"""Page: report.html, one file that opens offline: what was learned, how, how well, with examples to see and hear."""

import base64
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from duomo.commands.board import ablations, board, both
from duomo.commands.curves import drawings, picture
from duomo.data.lineage import Lineage
from duomo.evaluate.scoreboard import beaten_by, looked
from duomo.modalities import MODALITIES
from duomo.modalities.audio import AUDIO
from duomo.modalities.image import IMAGE
from duomo.modalities.video import VIDEO
from duomo.report import Example, Report
from duomo.train import log

LARGE = 100_000  # bytes of a file, above which it is shown as the model read it: smaller
ROOM = 3_500_000  # bytes of files in one page
SHOWN = {
    IMAGE.name: '<img src="{data}" alt="{label}">',
    AUDIO.name: '<audio controls preload="auto" src="{data}" aria-label="{label}"></audio>',
    VIDEO.name: '<video controls loop muted playsinline preload="auto" src="{data}" aria-label="{label}"></video>',
}


@dataclass
class Media:
    """Files as data URLs, until the page is full."""

    root: Path
    room: int = ROOM

    def show(self, kind: str, path: str, label: str) -> str:
        """An element that shows or plays the file; its name where that can not be."""
        data = self._read(kind, path)
        if data is None or kind not in SHOWN or len(data) > self.room:
            return f'<code class="file">{escape(path)}</code>'
        self.room -= len(data)
        kind_of = mimetypes.guess_type(path)[0] or "application/octet-stream"
        url = f"data:{kind_of};base64,{base64.b64encode(data).decode()}"
        return SHOWN[kind].format(data=url, label=escape(label))

    def _read(self, kind: str, path: str) -> bytes | None:
        try:
            data = (self.root / path).read_bytes()
            modality = MODALITIES.get(kind)
            if len(data) <= LARGE or modality is None:
                return data
            return min(data, modality.write(modality.read(data, modality.default)), key=len)
        except (OSError, ValueError):  # gone since, or damaged: the page still stands
            return None


def write(report: Report, folder: Path, root: Path, sources: Sequence[Lineage]) -> Path:
    """Writes report.html and curve.svg into a run's folder, from its report, its log and what it learned from; media lie in `root`."""
    lines, target = log.read(folder), folder / "report.html"
    if lines:
        (folder / "curve.svg").write_text(picture(lines), encoding="utf-8")
    target.write_text(html(report, lines, sources, root), encoding="utf-8")
    return target


def html(report: Report, lines: Sequence[Mapping[str, Any]], sources: Sequence[Lineage], root: Path) -> str:
    """The whole page. Every text that a model or a data set gave is escaped."""
    curves = "".join(f'<figure role="img" aria-label="{escape(label)}">{svg}</figure>' for label, svg in drawings(lines))
    template = Template(resources.files("duomo.commands").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(report.title),
        about=escape(str(report.facts.get("about", ""))),
        facts=_facts(report.facts),
        curves=curves,
        board=board(report.rows),
        ablations=ablations(report.rows),
        examples=_examples(report.examples, Media(root)),
        lineage=_lineage(sources),
        limits=_limits(report),
        details=_details(report.facts),
    )


def _facts(facts: Mapping[str, Any]) -> str:
    """The few numbers that a reader wants first."""
    training, machine = facts.get("training", {}), facts.get("machine", {})
    found = [
        (both("parameters", "参数"), f"{facts['parameters']:,}" if "parameters" in facts else None),
        (both("trained for", "训练时间"), f"{training['seconds'] / 60:.1f} min" if "seconds" in training else None),
        (both("tokens read", "读过的词元"), f"{training['tokens']:,}" if "tokens" in training else None),
        (both("tokens per second", "每秒词元"), f"{training['tokens_per_second']:,}" if "tokens_per_second" in training else None),
        (both("machine", "机器"), f"{machine['cores']} cores, {machine['device']}" if "cores" in machine else None),
        (both("seed", "随机种子"), facts.get("seed")),
    ]
    return "".join(f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>" for name, value in found if value is not None)


def _examples(examples: Iterable[Example], media: Media) -> str:
    by_task: dict[str, list[Example]] = {}
    for example in examples:
        by_task.setdefault(example.task, []).append(example)
    return "".join(
        f'<h3>{escape(task)}</h3><div class="examples">{"".join(_example(one, place, media) for place, one in enumerate(shown, 1))}</div>'
        for task, shown in by_task.items()
    )


def _example(example: Example, place: int, media: Media) -> str:
    same = example.answer.strip() == example.truth.strip()
    right = example.right if example.right is not None else (True if same else None)
    mark = {True: ("right", both("✓ right", "✓ 对")), False: ("wrong", both("✗ wrong", "✗ 错")), None: ("", "")}[right]
    shown = "".join(media.show(kind, path, f"{example.task}, {kind} {place}") for kind, path in example.media)
    lines = (("question", "问题", example.question), ("answer", "回答", example.answer), ("truth", "真值", example.truth))
    told = "".join(
        f'<dt>{both(name, chinese)}</dt><dd class="{name}">{escape(text)}</dd>' for name, chinese, text in lines if text or name == "answer"
    )
    return f'<article class="{mark[0]}">{shown}<dl>{told}</dl><p class="mark">{mark[1]}</p></article>'


def _lineage(sources: Iterable[Lineage]) -> str:
    lines = "".join(
        f"<tr><th scope=row>{escape(one.name)}</th><td>{escape(p.source)}</td><td>{p.samples:,}</td>"
        f"<td>{escape(p.licence or 'not stated')}{_share_alike() if p.share_alike else ''}</td>"
        f"<td>{both('yes', '是') if p.synthetic else ''}</td></tr>"
        for one in sources
        for p in one.provenance
    )
    names = (("data", "数据"), ("source", "来源"), ("samples", "样本"), ("licence", "许可"), ("synthetic", "合成"))
    head = "".join(f"<th scope=col>{both(*name)}</th>" for name in names)
    return f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>' if lines else ""


def _share_alike() -> str:
    return f' <span class="badge warn">{both("share-alike", "相同方式共享")}</span>'


def _limits(report: Report) -> str:
    """What the figures themselves forbid to believe."""

    def names(rows: Iterable[str]) -> str:
        return escape(", ".join(dict.fromkeys(rows)))

    blind = names(f"{row.task} ({row.metric})" for row in report.rows if not looked(row))
    worse = names(f"{row.task} ({row.metric}: {one.name})" for row in report.rows if (one := beaten_by(row)))
    made = names(row.task for row in report.rows if row.synthetic)
    found = (
        (blind, f"These do not depend on the input, so they show no skill: {blind}.", f"这些分数与输入无关，不说明能力：{blind}。"),
        (worse, f"A simpler method is better here: {worse}.", f"更简单的方法在这里更好：{worse}。"),
        (
            made,
            f"Made inputs: {made}. These figures say nothing about human voices or filmed scenes.",
            f"合成的输入：{made}。这些分数不能说明真人语音或实拍视频上的表现。",
        ),
    )
    return "".join(f"<li>{both(english, chinese)}</li>" for any_, english, chinese in found if any_)


def _details(facts: Mapping[str, Any]) -> str:
    """All facts, for whoever wants to repeat them."""
    flat = {key: ", ".join(map(_plain, value.items())) if isinstance(value, Mapping) else value for key, value in facts.items()}
    flat = {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in flat.items()}
    return "".join(f"<tr><th scope=row>{escape(key)}</th><td>{escape(str(value))}</td></tr>" for key, value in flat.items())


def _plain(pair: tuple[str, Any]) -> str:
    key, value = pair
    inner = "; ".join(map(_plain, value.items())) if isinstance(value, Mapping) else value
    return f"{key}: {inner}"
