"""Network: reading from package registries the way the user's pip does: its index, proxy and certificates."""

import base64
import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

T = TypeVar("T")
CHUNK = 1 << 16  # bytes
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that a second try may cure
BY_HAND = "or get the file elsewhere and run `duomo fetch NAME --from FILE`"

ASK_PIP = """
import json, sys
try:
    import pip
except ImportError:  # an environment made without pip: take the one that every Python brings along
    import ensurepip, pathlib
    sys.path += map(str, pathlib.Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
from pip._internal.commands import create_command
from pip._vendor import certifi
options, _ = create_command("download").parse_args([])
indexes = [] if options.no_index else [options.index_url, *options.extra_index_urls]
print(json.dumps({
    "indexes": indexes, "links": options.find_links, "proxy": options.proxy, "timeout": options.timeout,
    "cert": options.cert, "client_cert": options.client_cert, "roots": certifi.contents(),
}))
"""


@dataclass(frozen=True)
class Network:
    """How pip reaches its registry. `cert` replaces the system's authorities, `roots` (PEM text) adds to them."""

    indexes: tuple[str, ...]
    links: tuple[str, ...] = ()  # pip's find-links: folders or pages with files
    proxy: str = ""  # "": as the environment says
    timeout: float = 15.0  # seconds
    cert: str | None = None
    client_cert: str | None = None
    roots: str = ""
    pauses: tuple[float, ...] = (0.5, 2.0)  # seconds before each further try


class Broken(ValueError):
    """A transfer that a second try may complete."""


def ask_pip() -> Network:
    """What pip would use: its configuration, environment and defaults, told by pip itself. Raises ValueError without pip."""
    told = subprocess.run([sys.executable, "-P", "-c", ASK_PIP], capture_output=True, text=True)
    try:
        plain: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        reason = (told.stderr.strip().splitlines() or ["no answer"])[-1]
        raise ValueError(f"pip does not tell its package registry ({reason}); run `python -m ensurepip`, {BY_HAND}") from error
    return Network(**plain | {"indexes": tuple(plain["indexes"]), "links": tuple(plain["links"])})


def persistent(attempt: Callable[[], T], pauses: tuple[float, ...]) -> T:
    """The result of the first attempt that does not break; one more attempt after each pause."""
    for pause in pauses:
        try:
            return attempt()
        except Broken:
            time.sleep(pause)
    return attempt()


def read(url: str, network: Network, limit: int, accept: str = "*/*") -> tuple[str, str, str]:
    """A page as text, its content type, and its address after redirects. Raises Broken, or ValueError for good."""
    with opened(url, network, accept) as response:
        data = _network(url, lambda: response.read(limit + 1))
        if len(data) > limit:
            raise ValueError(f"{shown(url)}: a page of more than {limit} bytes is no package index; check PIP_INDEX_URL")
        return data.decode("utf-8", "replace"), response.headers.get_content_type(), response.url


def stream(url: str, network: Network) -> Iterator[bytes]:
    """The bytes of a file, in chunks. Raises Broken, or ValueError for good."""
    with opened(url, network) as response:
        while data := _network(url, lambda: response.read(CHUNK)):
            yield data


@contextmanager
def opened(url: str, network: Network, accept: str = "*/*") -> Iterator[Any]:
    """The response to a GET."""
    proxies = {"http": network.proxy, "https": network.proxy} if network.proxy else None
    opener = build_opener(ProxyHandler(proxies), HTTPSHandler(context=_trust(network)))
    with _network(url, lambda: opener.open(request(url, network, accept), timeout=network.timeout)) as response:
        yield response


def request(url: str, network: Network, accept: str = "*/*") -> Request:
    """A GET with the name and password of the index, if its URL holds them: for the index's own host and never beyond a redirect."""
    here = urlsplit(url)
    bare = urlunsplit(here._replace(netloc=here.netloc.rpartition("@")[2]))
    made = Request(bare, headers={"Accept": accept, "User-Agent": "duomo"})
    for known in (here, *map(urlsplit, network.indexes)):
        if known.username and (known.scheme, known.hostname, known.port) == (here.scheme, here.hostname, here.port):
            pair = f"{unquote(known.username)}:{unquote(known.password or '')}"
            made.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
            break
    return made


def shown(url: str) -> str:
    """The URL for a message: without name, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _network(url: str, step: Callable[[], T]) -> T:
    """Does one step, and says in one line what went wrong with the network."""
    try:
        return step()
    except HTTPError as error:
        kind = Broken if error.code in PASSING else ValueError
        raise kind(f"{shown(url)}: HTTP {error.code} {error.reason}; check PIP_INDEX_URL, {BY_HAND}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, FileNotFoundError):  # an index in a folder
            raise ValueError(f"{shown(url)}: no such file; check PIP_INDEX_URL, {BY_HAND}") from error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ValueError(f"{shown(url)}: its certificate is not trusted; set PIP_CERT to your network's bundle, {BY_HAND}") from error
        raise Broken(f"{shown(url)}: {reason or type(error).__name__}; check the network or HTTPS_PROXY, {BY_HAND}") from error


def _trust(network: Network) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=network.cert)
        if network.roots and not network.cert:
            context.load_verify_locations(cadata=network.roots)  # on some systems Python finds no authorities of its own
        if network.client_cert:
            context.load_cert_chain(network.client_cert)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{network.cert or network.client_cert}: not a certificate that can be read ({error}); check PIP_CERT") from error
    return context
