"""Home Assistant: what a program that runs a home says in its settings and messages, in English and Chinese."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from duomo.sample import Sample
from duomo.sources.archive import MB, members
from duomo.sources.pairs import Pair, conversations
from duomo.sources.source import File, Source

LICENCE = "Apache-2.0"
FILE = File(
    registry="pypi",
    package="homeassistant",
    version="2025.4.4",
    name="homeassistant-2025.4.4-py3-none-any.whl",
    sha256="b7970fe3ce3a9d032a3a5dee3cbf71b227e7f23fad14a23855ee252542ef2631",
    bytes=43_206_054,
)
WANTED = re.compile(r"homeassistant/components/(\w+)/translations/(en|zh-Hans)\.json")


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """The user says a text in simplified Chinese, the assistant in English. Ids "light/common/field_flash_name": component and key."""
    yield from conversations(_pairs(paths[FILE.name]), "homeassistant", LICENCE)


def _pairs(path: Path) -> Iterator[Pair]:
    """Component by component, as soon as both of its languages were read."""
    waiting = dict[str, tuple[str, dict[str, str]]]()
    for name, stream in members(path, lambda name: WANTED.fullmatch(name) is not None, 4 * MB):
        component, language = WANTED.fullmatch(name).groups()  # type: ignore[union-attr]
        texts = dict(_texts(json.load(stream), component))
        if component not in waiting:
            waiting[component] = language, texts
            continue
        other = waiting.pop(component)[1]
        english, chinese = (texts, other) if language == "en" else (other, texts)
        yield from ((key, english[key], chinese[key]) for key in english if key in chinese)


def _texts(tree: Any, above: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, str):
        yield above, tree
    elif isinstance(tree, dict):
        for key, inner in tree.items():
            yield from _texts(inner, f"{above}/{key}")


HOMEASSISTANT = Source(
    name="homeassistant",
    title="what a program for the home says, in English and Chinese (Home Assistant)",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="software texts by volunteers: settings, errors, long explanations; placeholders as {name}",
    open=samples,
)
