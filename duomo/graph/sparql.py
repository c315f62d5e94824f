"""SPARQL: a query over a Turtle file, in a process of its own, so that it ends: in time, in memory, and without a network."""

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from duomo.graph.turtle import PREFIXES, parsed

SECONDS, MEMORY, ROWS, LONGEST = 8.0, 1_500_000_000, 1_000, 10_000
STARTING = 60.0  # seconds that the process may take to read the file, on a busy machine
Answer = tuple[list[str], list[list[str]]]


def select(path: Path, query: str, seconds: float = SECONDS) -> Answer:
    """(names of the columns, rows) of a SELECT or ASK; at most 1,000 rows. Our prefixes are known: duomo, rdf, rdfs, prov, xsd.

    Raises ValueError for a query that is none, that asks other servers, or that takes too long or too much memory.
    """
    if len(query) > LONGEST:
        raise ValueError(f"the query has {len(query):,} characters; at most {LONGEST:,} are read")
    own, other = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(path, query, other), daemon=True)
    process.start()
    other.close()
    try:
        found: Any = None
        for limit in (STARTING, seconds):  # nothing is sent when the query begins, then what was found
            if found is None and not own.poll(limit):
                raise ValueError(f"the query has not ended after {limit:.0f} seconds; ask for less, as with LIMIT 100")
            found = own.recv() if found is None else found
    except EOFError as error:
        raise ValueError("the query took more memory than it may; ask for less, as with LIMIT 100") from error
    finally:
        process.terminate()
        process.join()
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _work(path: Path, query: str, out: Connection) -> None:
    with suppress(ImportError, ValueError, OSError):  # only where the system knows such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        held, made = parsed(path), _prepared(query)
        out.send(None)
        out.send(_answer(held, made))
    except ValueError as error:
        out.send(str(error))


def _prepared(query: str) -> Any:
    from rdflib.plugins.sparql import prepareQuery

    try:
        made = prepareQuery(query, initNs=PREFIXES)
    except Exception as error:  # the parser's own, of many classes
        raise ValueError(f"not SPARQL: {' '.join(str(error).split())[:160]}") from error
    if made.algebra.name not in ("SelectQuery", "AskQuery"):
        raise ValueError("only SELECT and ASK are answered")
    if made.algebra.get("datasetClause") or "ServiceGraphPattern" in set(_names(made.algebra)):
        raise ValueError("FROM and SERVICE ask other servers; leave them out")
    return made


def _answer(held: Any, made: Any) -> Answer:
    try:
        result = held.query(made)
        if made.algebra.name == "AskQuery":
            return ["answer"], [["yes" if result.askAnswer else "no"]]
        rows = []
        for row in result:
            rows.append(["" if value is None else str(value) for value in row])
            if len(rows) == ROWS:
                break
        return [str(name) for name in result.vars], rows
    except MemoryError as error:
        raise ValueError("the query took more memory than it may; ask for less, as with LIMIT 100") from error
    except Exception as error:
        raise ValueError(f"the query failed: {' '.join(str(error).split())[:160]}") from error


def _names(tree: Any) -> Iterator[str]:
    """The names of all parts of a query's algebra."""
    if isinstance(tree, dict):
        yield str(getattr(tree, "name", ""))
        for part in tree.values():
            yield from _names(part)
    elif isinstance(tree, (list, tuple, set)):
        for part in tree:
            yield from _names(part)
