"""Turtle: a graph as RDF. Names are in a namespace of our own; each relation is a statement with its sentence as provenance (PROV-O)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from duomo.graph.merged import Edge, Graph, Node
from duomo.graph.triples import PREDICATES, Evidence

NAMES, TERMS, FILES = "urn:duomo:name:", "urn:duomo:term:", "urn:duomo:file:"
PREFIXES = {
    "duomo": TERMS,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
MOST = 30_000_000  # bytes of a file that is read
PLAIN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def turtle(graph: Graph) -> str:
    """The whole graph. No name can leave its place: in names all but letters and digits is percent-encoded, in texts signs are escaped."""
    return "\n".join([*(f"@prefix {short}: <{name}> ." for short, name in PREFIXES.items()), "", *_lines(graph)]) + "\n"


def read(path: Path) -> Graph:
    """The graph of a file that `turtle` wrote. Raises ValueError for what is none, and for more than 30 MB."""
    return graph_of(parsed(path), path)


def parsed(path: Path) -> Any:
    """The file as an rdflib graph. Raises ValueError as `read` does, and where rdflib is missing."""
    try:
        import rdflib
    except ImportError as error:
        raise ValueError("graphs are read with rdflib: pip install 'duomo[graph]'") from error
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `duomo extract FILES --graph {path}` writes one")
    if path.stat().st_size > MOST:
        raise ValueError(f"{path}: larger than the {MOST // 1_000_000} MB that are read; extract fewer texts at a time")
    try:
        return rdflib.Graph().parse(data=path.read_text(encoding="utf-8"), format="turtle")
    except Exception as error:  # rdflib raises what it likes
        raise ValueError(f"{path}: not Turtle ({' '.join(str(error).split())[:120]}); `duomo extract --graph` writes it") from error


def graph_of(held: Any, path: Path) -> Graph:
    """What an rdflib graph holds of ours."""
    from rdflib import RDF, RDFS, Namespace

    ours, prov = Namespace(TERMS), Namespace(PREFIXES["prov"])
    nodes: dict[str, Node] = {}
    for subject, label in held.subject_objects(RDFS.label):
        if (key := _key(subject)) is not None:
            nodes[key] = Node(key, str(label), str(held.value(subject, ours.kind) or ""))
    told: dict[tuple[str, str, str], list[Evidence]] = {}
    for statement in held.subjects(RDF.type, RDF.Statement):
        subject, predicate, other = (held.value(statement, part) for part in (RDF.subject, RDF.predicate, RDF.object))
        start, end = (_number(held.value(statement, part)) for part in (ours.start, ours.end))
        file = unquote(str(held.value(statement, prov.wasQuotedFrom) or "").removeprefix(FILES))
        evidence = Evidence(file, start, end, str(held.value(statement, prov.value) or ""))
        keys = _key(subject), _key(other)
        if keys[0] in nodes and keys[1] in nodes:
            told.setdefault((str(keys[0]), str(predicate).removeprefix(TERMS), str(keys[1])), []).append(evidence)
    if not nodes:
        raise ValueError(f"{path}: holds none of our names; `duomo extract --graph` writes such a file")
    order = sorted(told.items(), key=lambda pair: (min((e.file, e.start) for e in pair[1]), pair[0]))
    return Graph(nodes, [Edge(*parts, tuple(sorted(set(evidence), key=_place))) for parts, evidence in order])


def _lines(graph: Graph) -> Iterator[str]:
    for predicate, (english, chinese) in PREDICATES.items():
        yield f"duomo:{predicate} rdfs:label {_text(english)}@en, {_text(chinese)}@zh ."
    yield ""
    for node in graph.nodes.values():
        kind = f" ; duomo:kind {_text(node.kind)}" if node.kind else ""
        yield f"{_iri(NAMES, node.key)} rdfs:label {_text(node.label)}{kind} ."
    yield ""
    for edge in graph.edges:
        subject, predicate, other = _iri(NAMES, edge.subject), f"duomo:{edge.predicate}", _iri(NAMES, edge.object)
        yield f"{subject} {predicate} {other} ."
        for said in edge.evidence:
            yield f"[] a rdf:Statement ; rdf:subject {subject} ; rdf:predicate {predicate} ; rdf:object {other} ;"
            where = f"prov:wasQuotedFrom {_iri(FILES, said.file)} ; duomo:start {said.start} ; duomo:end {said.end}"
            yield f"  prov:value {_text(said.sentence)} ; {where} ."


def _iri(space: str, name: str) -> str:
    return f"<{space}{quote(name.encode(errors='replace'), safe='')}>"


def _text(value: str) -> str:
    held = value.encode(errors="replace").decode()
    return '"' + "".join(PLAIN.get(sign) or (sign if sign.isprintable() or sign == " " else f"\\U{ord(sign):08X}") for sign in held) + '"'


def _place(said: Evidence) -> tuple[str, int, int, str]:
    return said.file, said.start, said.end, said.sentence


def _number(value: Any) -> int:
    """A place in a text; 0 where there is none."""
    return int(value) if str(value).isdecimal() and len(str(value)) < 20 else 0


def _key(name: Any) -> str | None:
    return unquote(str(name).removeprefix(NAMES)) if str(name).startswith(NAMES) else None
