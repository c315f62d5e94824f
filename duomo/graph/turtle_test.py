"""Laws of graphs on disk: what a text says stays text, whatever signs it holds; queries end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.graph.merged import merge, same
from duomo.graph.questions import Pattern, matching, understood
from duomo.graph.sparql import select
from duomo.graph.triples import PREDICATES, Evidence, Triple
from duomo.graph.turtle import read, turtle

pytest.importorskip("rdflib", reason="the extra graph is not installed")
NASTY = '"> <x:y> . <a>\n\'\'\' """ \\ ../../etc/passwd </script> {} ^ ` | \x00\u2028'


def triple(subject="Oss", predicate="capital_of", other="Norland", sentence="Oss is the capital.", file="a.txt"):
    return Triple(subject, predicate, other, Evidence(file, 0, len(sentence), sentence))


def kept(graph, folder):
    path = folder / "g.ttl"
    path.write_text(turtle(graph), encoding="utf-8")
    return read(path)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda name: same(name))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(names, st.sampled_from(sorted(PREDICATES)), names, names), min_size=1, max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    graph = merge(triple(a, p, b, s) for a, p, b, s in rows)
    again = kept(graph, tmp_path_factory.mktemp("g"))
    assert dict(again.nodes) == dict(graph.nodes)
    edges = [{(e.subject, e.predicate, e.object): set(e.evidence) for e in one.edges} for one in (again, graph)]
    assert edges[0] == edges[1]


def test_no_sign_of_a_name_leaves_its_place(tmp_path):
    graph = merge([triple(NASTY, "is_a", "x", NASTY, NASTY)])
    assert kept(graph, tmp_path).nodes == graph.nodes and len(graph.nodes) == 2


def test_spellings_of_one_name_are_one_node_with_all_evidence(tmp_path):
    graph = merge([triple("The Hague", sentence="one"), triple("the  hague", sentence="two"), triple("Ｔｈｅ Hague", sentence="two")])
    (edge,) = graph.edges
    assert set(graph.nodes) == {"hague", "norland"} and {e.sentence for e in edge.evidence} == {"one", "two"}
    assert kept(graph, tmp_path).edges[0].evidence == edge.evidence


@pytest.mark.parametrize(
    ("question", "pattern"),
    [
        ("Who was born in Lyra?", Pattern("Lyra", "born_in", False)),
        ("what is the capital of Norland", Pattern("Norland", "capital_of", False)),
        ("谁出生于云溪？", Pattern("云溪", "born_in", False)),
        ("北国的首都是哪里？", Pattern("北国", "capital_of", False)),
        ("云溪是什么", Pattern("云溪", "is_a", True)),
        ("Where is Oss?", Pattern("Oss", "located_in", True)),
    ],
)
def test_a_question_is_understood(question, pattern):
    assert understood(question) == pattern


def test_a_question_finds_its_edge_and_a_stranger_its_nearest_name():
    graph = merge([triple(), triple("Lyra", "located_in", "Norland")])
    assert [e.subject for e in matching(graph, understood("what is the capital of Norland?"))] == ["oss"]
    with pytest.raises(ValueError, match="'Norland'"):
        matching(graph, Pattern("Norlan"))
    with pytest.raises(ValueError, match="known form"):
        understood("how tall is it to be")


def test_sparql_answers_and_ends(tmp_path):
    path = tmp_path / "g.ttl"
    path.write_text(turtle(merge(triple(f"a{n}", other=f"b{n}") for n in range(60))), encoding="utf-8")
    names, rows = select(path, "SELECT ?s WHERE { ?s duomo:capital_of ?o } LIMIT 3")
    assert names == ["s"] and len(rows) == 3
    for query, told in (
        ("SELECT * WHERE { SERVICE <http://localhost/> { ?s ?p ?o } }", "servers"),
        ("SELECT * FROM <http://localhost/> WHERE { ?s ?p ?o }", "servers"),
        ("DROP ALL", "not SPARQL"),
        ("SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }", "seconds|memory"),
    ):
        with pytest.raises(ValueError, match=told):
            select(path, query, 3.0)


def test_what_is_no_graph_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read(tmp_path / "none.ttl")
    (tmp_path / "bad.ttl").write_text("<<< no", encoding="utf-8")
    with pytest.raises(ValueError, match="not Turtle"):
        read(tmp_path / "bad.ttl")
    (tmp_path / "empty.ttl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="none of our names"):
        read(tmp_path / "empty.ttl")


def test_a_place_that_is_no_number_is_none(tmp_path):
    path = tmp_path / "g.ttl"
    path.write_text(turtle(merge([triple()])).replace("duomo:end 19", 'duomo:end "x"'), encoding="utf-8")
    assert [(said.start, said.end) for edge in read(path).edges for said in edge.evidence] == [(0, 0)]
