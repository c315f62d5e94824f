"""Merged: the triples of many documents as one graph: a node per name, an edge per relation with all its evidence."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from duomo.graph.triples import Evidence, Triple


@dataclass(frozen=True)
class Node:
    """A name: `key` is what makes two the same, `label` how it is written most often, `kind` what a model took it for."""

    key: str
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Edge:
    """A relation between two nodes, by their keys, and every sentence that says it."""

    subject: str
    predicate: str
    object: str
    evidence: tuple[Evidence, ...] = field(default=())


@dataclass(frozen=True)
class Graph:
    """Nodes by key, and edges in the order in which they were first said."""

    nodes: Mapping[str, Node]
    edges: Sequence[Edge]


def same(name: str) -> str:
    """What two spellings of one name share: the compatibility form, without case, an article, and the amount of white space."""
    key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return key.removeprefix("the ") or key


def merge(triples: Iterable[Triple], kinds: Mapping[str, str] | None = None) -> Graph:
    """One graph of all; `kinds`: name -> what it is, as a model told."""
    told = {same(name): kind for name, kind in (kinds or {}).items()}
    labels: dict[str, Counter[str]] = {}
    edges: dict[tuple[str, str, str], list[Evidence]] = {}
    for triple in triples:
        keys = same(triple.subject), same(triple.object)
        if not all(keys):  # nothing but signs that stand for nothing
            continue
        for key, label in zip(keys, (triple.subject, triple.object), strict=True):
            labels.setdefault(key, Counter())[label] += 1
        edges.setdefault((keys[0], triple.predicate, keys[1]), []).append(triple.evidence)
    nodes = {key: Node(key, min(count, key=lambda label: (-count[label], label)), told.get(key, "")) for key, count in labels.items()}
    return Graph(nodes, [Edge(*parts, tuple(dict.fromkeys(evidence))) for parts, evidence in edges.items()])
