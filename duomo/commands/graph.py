"""duomo graph: what a Turtle file of `duomo extract` says: of a name, to a question, to a SPARQL query."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from duomo.graph.merged import Edge, Graph
from duomo.graph.questions import Pattern, matching, understood
from duomo.graph.sparql import select
from duomo.graph.triples import PREDICATES
from duomo.graph.turtle import read
from duomo.report import Report

SHOWN = 200


def run(path: Path, question: str = "", about: str = "", sparql: str = "", lines: bool = False) -> Report:
    """Answers with the sentences that say it. Raises ValueError for a file that is none, a name that is not there, and no question."""
    given = [bool(question), bool(about), bool(sparql)]
    if sum(given) != 1:
        raise ValueError('ask one thing: a question, as "who was born in Ulm", --about NAME, or --sparql QUERY')
    if sparql:
        return Report(f"graph {path}", lines=tuple(_table(*select(path, sparql), lines)))
    pattern = understood(question) if question else Pattern(about)
    graph = read(path)
    edges = matching(graph, pattern)
    told = list(_json(graph, edges) if lines else _sentences(graph, edges))
    if len(edges) > SHOWN and not lines:
        told.append(f"… and {len(edges) - SHOWN:,} more: --json gives all")
    return Report(f"graph {path}", lines=tuple(told or ([] if lines else [f"of {pattern.name}: the texts do not say it"])))


def _sentences(graph: Graph, edges: Sequence[Edge]) -> Iterator[str]:
    for edge in edges[:SHOWN]:
        subject, other = graph.nodes[edge.subject].label, graph.nodes[edge.object].label
        yield " ".join(f"{subject} — {PREDICATES.get(edge.predicate, (edge.predicate,))[0]} — {other}".split())
        for said in edge.evidence[:3]:
            yield f"    {' '.join(said.sentence.split())[:300]}  [{said.file}, {said.start}–{said.end}]"


def _json(graph: Graph, edges: Sequence[Edge]) -> Iterator[str]:
    for edge in edges:
        row = {"subject": graph.nodes[edge.subject].label, "predicate": edge.predicate, "object": graph.nodes[edge.object].label}
        yield json.dumps(row | {"evidence": [vars(said) for said in edge.evidence]}, ensure_ascii=False)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], lines: bool) -> Iterator[str]:
    if lines:
        yield from (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows)
    else:
        yield from ("\t".join(names), *("\t".join(" ".join(cell.split()) for cell in row) for row in rows))
