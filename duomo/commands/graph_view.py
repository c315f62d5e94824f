"""Graph view: one HTML file that opens offline: names as points, relations as arrows, a click tells the sentences."""

import base64
import hashlib
import json
from collections import Counter
from html import escape
from importlib import resources
from string import Template

from duomo.graph.merged import Graph
from duomo.graph.triples import PREDICATES

MOST_NODES, MOST_SENTENCES = 300, 5


def html(graph: Graph, title: str) -> str:
    """The whole page: the 300 best connected names at most, five sentences of each relation. What texts say stays text in it."""
    degree = Counter(key for edge in graph.edges for key in {edge.subject, edge.object})
    shown = [key for key, _ in sorted(degree.items(), key=lambda pair: -pair[1])[:MOST_NODES]]
    place = {key: number for number, key in enumerate(shown)}
    kept = [edge for edge in graph.edges if edge.subject in place and edge.object in place]
    files = {file: number for number, file in enumerate(dict.fromkeys(said.file for edge in kept for said in edge.evidence))}
    names, left = list(PREDICATES), len(graph.nodes) - len(shown)
    tree = {
        "nodes": [{"label": graph.nodes[key].label, "kind": graph.nodes[key].kind} for key in shown],
        "edges": [
            {
                "s": place[edge.subject],
                "o": place[edge.object],
                "p": names.index(edge.predicate),
                "e": [[files[said.file], said.start, said.end, said.sentence] for said in edge.evidence[:MOST_SENTENCES]],
                "more": max(0, len(edge.evidence) - MOST_SENTENCES),
            }
            for edge in kept
        ],
        "predicates": [PREDICATES[name] for name in names],
        "files": list(files),
        "start": None,
    }
    room = resources.files("duomo.commands")
    script = room.joinpath("graph_view.js").read_text(encoding="utf-8")
    also_en, also_zh = (f"; the {len(shown)} best connected are shown", f"；图中是联系最多的 {len(shown)} 个") if left else ("", "")
    return Template(room.joinpath("graph_view.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        about_en=f"{len(graph.nodes):,} names, {len(graph.edges):,} relations{also_en}",
        about_zh=f"{len(graph.nodes):,} 个名字，{len(graph.edges):,} 条关系{also_zh}",
        data=_inert(tree),
        script=script,
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _inert(tree: object) -> str:
    """JSON in which no sign can end the element that holds it."""
    text = json.dumps(tree, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode(errors="replace").decode()
