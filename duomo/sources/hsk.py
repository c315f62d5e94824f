"""HSK sentences: short Mandarin sentences of graded readers with their English."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, member
from duomo.sources.source import File, Source

LICENCE = "CC-BY-SA-4.0"
FILE = File(
    registry="pypi",
    package="hsk-sentences-audio",
    version="1.0.0",
    name="hsk_sentences_audio-1.0.0-py3-none-any.whl",
    sha256="9bf16cc7b48a24a10af83d377439d3c6f7571a380937f4645a1cd1590d5d0335",
    bytes=884_413,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """4,354 pairs: the user says the sentence in simplified Chinese, the assistant in English. Ids as in the package: "hsk1-0001"."""
    with member(paths[FILE.name], "hsk_sentences_audio/data/sentences.json", 16 * MB) as stream:
        for row in json.load(stream):
            yield ask(row["chinese"], answer=row["translation"]["en"], origin=Origin("hsk", row["id"], LICENCE))


HSK = Source(
    name="hsk",
    title="4,354 short Mandarin sentences with English translations",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="graded textbook sentences, some of them twice with another translation; share-alike",
    open=samples,
)
