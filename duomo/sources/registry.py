"""Registry: where a package registry keeps a file. Each registry is asked the way its own client is configured."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from duomo.sources.network import BY_HAND, Network, persistent, read, shown
from duomo.sources.source import File

PAGE = 50_000_000  # bytes that an index page may have
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def locate(file: File, network: Network) -> str:
    """The URL of a file. Raises ValueError with the mend where its registry does not have it."""
    return REGISTRIES[file.registry](file, network)


def pypi(file: File, network: Network) -> str:
    """Looks through pip's find-links, then through its indexes in order (PEP 503 and PEP 691)."""
    faults = []
    for place in (*network.links, *(_project(index, file.package) for index in network.indexes)):
        try:
            if url := _links(place, network).get(file.name):
                return url
            faults.append(f"{shown(place)} does not have it")
        except ValueError as error:
            faults.append(str(error))
    faults.sort(key=lambda fault: BY_HAND not in fault)  # a place that failed tells more than one that lacks the file
    told = f"; {faults[0]}" if faults else "; pip has no index: unset PIP_NO_INDEX or set PIP_INDEX_URL"
    raise ValueError(f"{file.name}: not found{told}" + ("" if BY_HAND in told else f", {BY_HAND}"))


def npm(file: File, network: Network) -> str:
    """Asks npm, which reads its own configuration."""
    return _ask("npm", "--loglevel=error", "view", f"{file.package}@{file.version}", "dist.tarball").strip()


def debian(file: File, network: Network) -> str:
    """Asks apt-get, which reads the system's own sources."""
    told = _ask("apt-get", "download", "--print-uris", f"{file.package}={file.version}")
    found = re.search(r"'([^']+)'", told)
    if not found:
        raise ValueError(f"{file.name}: apt-get does not offer {file.package} {file.version}; run `apt-get update`, {BY_HAND}")
    return found.group(1)


REGISTRIES: Mapping[str, Callable[[File, Network], str]] = {"pypi": pypi, "npm": npm, "debian": debian}


def _ask(tool: str, *words: str) -> str:
    path = shutil.which(tool)
    if not path:
        raise ValueError(f"{words[-1]}: this needs {tool}, which is not installed here; install it, {BY_HAND}")
    told = subprocess.run([path, *words], capture_output=True, text=True)
    if told.returncode:
        reason = " ".join(told.stderr.split()[:24]) or "no reason given"
        raise ValueError(f"{tool} {' '.join(words)}: {reason}; check the network and {tool}'s configuration, {BY_HAND}")
    return told.stdout


def _project(index: str, package: str) -> str:
    page = f"{index.rstrip('/')}/{re.sub(r'[-_.]+', '-', package).lower()}/"
    return page + "index.html" if page.startswith("file:") else page


def _links(place: str, network: Network) -> dict[str, str]:
    """File name -> URL, of a folder or of a page in either form."""
    folder = Path(url2pathname(urlsplit(place).path)) if place.startswith("file:") else Path(place)
    if "://" not in place.removeprefix("file://") and folder.is_dir():
        return {path.name: path.resolve().as_uri() for path in folder.iterdir()}
    text, kind, base = persistent(lambda: read(place, network, PAGE, ACCEPT), network.pauses)
    return {name: urljoin(base, url) for name, url in (_json(text) if kind.endswith("json") else _html(text)).items()}


def _json(text: str) -> dict[str, str]:
    try:
        return {file["filename"]: file["url"] for file in json.loads(text)["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the index gives no list of files ({error}); check PIP_INDEX_URL") from error


def _html(text: str) -> dict[str, str]:
    page = _Anchors()
    page.feed(text)
    return {unquote(Path(urlsplit(url).path).name): urldefrag(url).url for url in page.urls}


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for name, value in attrs if tag == "a" and name == "href" and value]
