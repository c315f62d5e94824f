"""Sessions: browsers that have shown a key once: a cookie stands for it. Only its hash is kept, for some hours, of some browsers."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field

COOKIE = "duomo_session"
MOST, SECONDS = 64, 12 * 3600.0  # browsers at once; how long a cookie lasts


@dataclass(eq=False)
class Sessions:
    """The cookies of one server, by their SHA-256, each with the time at which it ends."""

    most: int = MOST
    seconds: float = SECONDS
    _ends: dict[bytes, float] = field(default_factory=dict, repr=False)

    def open(self) -> str:
        """A new cookie's value; where there are too many, the oldest one ends."""
        now, token = time.monotonic(), secrets.token_urlsafe(32)
        self._ends = {known: end for known, end in self._ends.items() if end > now}
        while len(self._ends) >= self.most:
            del self._ends[min(self._ends, key=lambda known: self._ends[known])]
        self._ends[_hashed(token)] = now + self.seconds
        return token

    def known(self, token: str | None) -> bool:
        """Whether a cookie's value is one of ours and has not ended. It is found by its hash: how long that takes tells nothing of it."""
        return bool(token) and self._ends.get(_hashed(token or ""), 0.0) > time.monotonic()

    def close(self, token: str | None) -> None:
        """Ends one."""
        self._ends.pop(_hashed(token or ""), None)


def token_of(cookies: str | None) -> str | None:
    """The value of our cookie in a Cookie header."""
    for pair in (cookies or "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def cookie(token: str, seconds: float, secure: bool) -> str:
    """A Set-Cookie header: no script reads it, no other site sends it; with `secure` it goes through TLS alone."""
    return f"{COOKIE}={token}; Max-Age={seconds:.0f}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
