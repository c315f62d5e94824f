"""Countries: what the world's countries are called in English and Chinese, their capitals, regions and neighbours."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, member
from duomo.sources.source import File, Source

LICENCE = "ODbL-1.0"
FILE = File(
    registry="npm",
    package="world-countries",
    version="5.1.0",
    name="world-countries-5.1.0.tgz",
    sha256="329eb6ef4099ffb590219c9beb634bf489a5e4b10d8ab0ac52a58ebf7b9f8495",
    bytes=5_771_113,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """250 countries and territories: the user says the English name, the assistant the facts as JSON. Ids: ISO 3166-1 alpha-3.

    `json.loads(sample.answer)` gives "name", "names" (other English ones), "zh", "capitals", "region", "subregion", "borders" (ids).
    """
    with member(paths[FILE.name], "package/countries.json", 16 * MB) as stream:
        for row in json.load(stream):
            facts = {
                "name": row["name"]["common"],
                "names": sorted({row["name"]["official"], *row["altSpellings"]} - {row["name"]["common"]}),
                "zh": row["translations"].get("zho", {}).get("common", ""),
                "capitals": row["capital"],
                "region": row["region"],
                "subregion": row["subregion"],
                "borders": row["borders"],
            }
            yield ask(facts["name"], answer=json.dumps(facts, ensure_ascii=False), origin=Origin("countries", row["cca3"], LICENCE))


COUNTRIES = Source(
    name="countries",
    title="250 countries and territories: names in English and Chinese, capitals, regions, borders",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="share-alike for data bases that are built from it",
    open=samples,
)
