"""Questions: a few forms of English and Chinese questions as patterns over a graph; a name is found by what makes two the same."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from duomo.graph.merged import Edge, Graph, Node, same

FORMS: Sequence[tuple[str, str, bool]] = (  # question, predicate, whether the name that is given is the subject
    (r"(?:who|what|which \w+) (?:was|were|is|are) born in (?P<n>.+)|(?:谁|哪些人)(?:出)?生(?:于|在)(?P<z>.+)", "born_in", False),
    (r"where (?:was|is) (?P<n>.+) born|(?P<z>.+?)(?:出生|生)(?:在|于)(?:哪里|哪儿|什么地方|何处)", "born_in", True),
    (r"when (?:was|is) (?P<n>.+) born|(?P<z>.+?)(?:什么时候|何时|哪年)出生", "born_on", True),
    (r"when did (?P<n>.+) die|(?P<z>.+?)(?:什么时候|何时|哪年)(?:去世|逝世)", "died_on", True),
    (r"where did (?P<n>.+) die", "died_in", True),
    (
        r"(?:what|which city) is the capital of (?P<n>.+)|(?P<z>.+?)的?(?:首都|省会)(?:是|在)(?:什么|哪里|哪儿|哪座城市)?",
        "capital_of",
        False,
    ),
    (r"(?:of )?what is (?P<n>.+) the capital(?: of)?|(?P<z>.+?)是(?:哪个国家|哪国|哪里|哪个省)的(?:首都|省会)", "capital_of", True),
    (r"(?:what|which \w+) (?:is|are|lies?) in (?P<n>.+)|(?:什么|哪些地方)(?:位于|在)(?P<z>.+)", "located_in", False),
    (r"where (?:is|are) (?P<n>.+?)(?: located)?|(?P<z>.+?)(?:位于|在)(?:哪里|哪儿|什么地方|何处)", "located_in", True),
    (r"who (?:founded|established) (?P<n>.+)|谁(?:创办|创立|建立)了?(?P<z>.+)", "founded_by", True),
    (r"what did (?P<n>.+) found|(?P<z>.+?)(?:创办|创立)了什么", "founded_by", False),
    (r"when was (?P<n>.+) (?:founded|established)|(?P<z>.+?)(?:什么时候|何时|哪年)(?:成立|创立|创办)", "founded_in", True),
    (r"who (?:wrote|made|painted|composed|directed) (?P<n>.+)|谁(?:写|画|作)了?(?P<z>.+)", "written_by", True),
    (r"what did (?P<n>.+) (?:write|make|paint|compose|direct)|(?P<z>.+?)(?:写|画)了什么", "written_by", False),
    (r"(?:what|who) (?:is|are|was|were) (?:an? |the )?(?P<n>.+)|(?P<z>.+?)是(?:什么|谁)", "is_a", True),
)
_FORMS = tuple((re.compile(form, re.IGNORECASE), predicate, given) for form, predicate, given in FORMS)


@dataclass(frozen=True)
class Pattern:
    """What is asked: a relation with one side given; `predicate` "" means: all about the name."""

    name: str
    predicate: str = ""
    is_subject: bool = True


def understood(question: str) -> Pattern:
    """The pattern of a question. Raises ValueError with examples for one of another form."""
    bare = " ".join(question.split()).strip(" ?？。.!！")
    for form, predicate, given in _FORMS:
        if found := form.fullmatch(bare):
            names = found.groupdict()
            name = names.get("n") or names.get("z") or ""
            return Pattern(name.strip(" \"'《》“”"), predicate, given)
    mend = 'as "who was born in X", "X的首都是哪里"; or --about NAME, --sparql QUERY'
    raise ValueError(f"{bare[:60]!r}: no question of a known form, {mend}")


def matching(graph: Graph, pattern: Pattern) -> list[Edge]:
    """The edges that answer it, in the order of the graph. Raises ValueError with the nearest name for one that is not there."""
    node = named(graph, pattern.name)
    return list(_edges(graph, node, pattern))


def named(graph: Graph, name: str) -> Node:
    """The node of a name. Raises ValueError with the nearest."""
    if (node := graph.nodes.get(same(name))) is not None:
        return node
    close = difflib.get_close_matches(same(name), graph.nodes, 1, 0.5)
    told = f"; did you mean {graph.nodes[close[0]].label!r}?" if close else f"; it has {len(graph.nodes):,} others"
    raise ValueError(f"{name[:60]!r}: the graph has no such name{told}")


def _edges(graph: Graph, node: Node, pattern: Pattern) -> Iterator[Edge]:
    for edge in graph.edges:
        sides = (edge.subject, edge.object) if not pattern.predicate else (edge.subject,) if pattern.is_subject else (edge.object,)
        if node.key in sides and pattern.predicate in ("", edge.predicate):
            yield edge
