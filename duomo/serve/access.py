"""Access: who may ask. Keys, names of this server, origins, kinds of content; each decision is one function of a request's head."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from duomo.serve.fault import Fault

Access = Literal["open", "key", "page"]  # for everybody; with a key; with a key, or the cookie of a browser that showed one
SHORTEST, FEWEST = 24, 10  # characters of a key, and different ones among them
HASHED = "sha256:"
LOCAL = ("localhost", "127.0.0.1", "::1")
NEW = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
CONTENT = {"json": "application/json", "form": "multipart/form-data", "fields": "application/x-www-form-urlencoded"}
SECURE: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
POLICIES: Mapping[str, Mapping[str, str]] = {  # what differs from SECURE, by the kind of a route
    "api": {},
    "form": {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",  # or a browser would send the form with Origin: null
    },
    "page": {  # Gradio fills its templates by `Function`; what a text would smuggle in, an inline script or handler, is not run
        "Content-Security-Policy": "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
        "worker-src 'self' blob:; frame-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    },
    "asset": {"Cache-Control": "private, max-age=86400"},  # scripts and styles of the page, the same for everybody
    "view": {  # pages that other commands make: they run, but reach nothing, and have no origin
        "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src data:; media-src data:; frame-ancestors 'self'",
        "X-Frame-Options": "SAMEORIGIN",
    },
    "file": {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'self'"},  # what somebody sent, or a model made
}


@dataclass(frozen=True)
class Door:
    """Who is let in. `keys`: SHA-256 of each; none: everybody who is on this machine. `hosts`, `origins`: names that are allowed."""

    keys: tuple[bytes, ...] = ()
    hosts: frozenset[str] = frozenset(LOCAL)
    origins: frozenset[str] = frozenset()

    def check_host(self, host: str | None) -> None:
        """Raises Fault for a name that is not this server's: another site's name that was made to point here."""
        if host is None or name_of(host) not in self.hosts:
            raise Fault(421, "this server does not go by that Host; start it with --host-name NAME", code="unknown_host")

    def check_origin(self, origin: str | None, host: str, site: str | None = None) -> None:
        """Raises Fault for a page of another site that is not listed. `site`: what a browser says of the page (Sec-Fetch-Site)."""
        if origin is None and site in (None, "same-origin", "none"):
            return
        if origin is None or (origin not in self.origins and not _own(origin, host)):
            raise Fault(403, "pages of another site may not ask; list it with --origin URL", code="unknown_origin")

    def check_key(self, authorization: str | None, access: Access) -> None:
        """Raises Fault where a key is wanted, and none of ours was given. Every key is compared, in constant time."""
        if access == "open" or not self.keys:
            return  # of a page, the guard has looked for a cookie before
        scheme, _, given = (authorization or "").partition(" ")
        digest = hashlib.sha256(given.strip().encode(errors="replace")).digest()
        found = [compare_digest(digest, key) for key in self.keys]
        if scheme.lower() != "bearer" or not any(found):
            told = "that key is not known" if given else "a key is wanted, as in Authorization: Bearer KEY"
            raise Fault(401, told, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def door(host: str, keys: Iterable[bytes], names: Iterable[str] = (), origins: Iterable[str] = ()) -> Door:
    """The door of a server that listens at `host`.

    Raises ValueError for one that others reach and that has no key, and for an origin that is none.
    """
    known = tuple(keys)
    if not known and not local(host):
        raise ValueError(f"--host {host}: others can reach it, so it wants a key: --key-file FILE ({NEW} makes one)")
    for origin in origins:
        if _origin(origin) != origin:
            raise ValueError(f"--origin {origin}: is no origin; write it as https://example.org, without a path")
    return Door(known, frozenset((*LOCAL, name_of(host), *map(name_of, names))), frozenset(origins))


def local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hashed(key: str, where: str) -> bytes:
    """SHA-256 of a key: enough where keys can not be guessed. Raises ValueError for a short one, and one that a person thought of."""
    if len(key) < SHORTEST or len(set(key)) < FEWEST or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"{where}: a key has at least {SHORTEST} characters, {FEWEST} of them different, and no space; {NEW} makes one")
    return hashlib.sha256(key.encode()).digest()


def read_keys(path: Path) -> list[bytes]:
    """The keys of a file, one a line: the key itself, or sha256: and its hash in hex. Raises ValueError with file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: can not be read as a file of keys ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error
    found = [_line(line.strip(), f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    if not found:
        raise ValueError(f"{path}: holds no key; one a line, {NEW} makes one")
    return found


def check_content(takes: str | None, given: str | None, encoding: str | None) -> None:
    """Raises Fault for a body of another kind than the route reads: a form that a page of another site sends is no JSON."""
    if takes is None:
        return
    kind, _, rest = (given or "").partition(";")
    if kind.strip().lower() != CONTENT[takes]:
        raise Fault(415, f"send Content-Type: {CONTENT[takes]}", code="wrong_content_type")
    charset = rest.lower().partition("charset=")[2].strip(' "')
    if (takes == "json" and charset not in ("", "utf-8")) or (encoding or "identity").lower() != "identity":
        raise Fault(415, "send the body in UTF-8 and not compressed", code="wrong_content_type")


def chinese(accept_language: str | None) -> bool:
    """Whether a browser would rather read Chinese than English, by its Accept-Language."""
    best = {"zh": 0.0, "en": 0.0}
    for place, one in enumerate((accept_language or "").lower()[:500].split(",")):
        tag, _, weight = one.strip().partition(";q=")
        name = tag.split("-")[0]
        if name in best:
            worth = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 1.0
            best[name] = max(best[name], worth - 1e-4 * place)
    return best["zh"] > best["en"]


def name_of(host: str) -> str:
    """The name in a Host header, without its port: `[::1]:8000` gives `::1`."""
    host = host.strip().lower().rstrip(".")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 and host.rpartition(":")[2].isdigit() else host


def _own(origin: str, host: str) -> bool:
    """Whether a page came from this very server."""
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
    except ValueError:
        return ""


def _line(line: str, where: str) -> bytes:
    if not line.startswith(HASHED):
        return hashed(line, where)
    try:
        digest = bytes.fromhex(line.removeprefix(HASHED))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise ValueError(f"{where}: after {HASHED} stand 64 hexadecimal digits")
    return digest
