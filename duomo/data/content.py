"""Content: what a sample says, reduced so that the same content is recognised again."""

import hashlib
import re
import unicodedata

from duomo.sample import TEXT, Part, Sample

HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # with kana: written without spaces
UNIT = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")


def whole_text(sample: Sample) -> str:
    """All text of all messages, a line each."""
    return "\n".join(message.text for message in sample.messages)


def normalised(value: str) -> str:
    """The text without what does not change its content: width and case of letters, amount of white space."""
    return " ".join((value if value.isascii() else unicodedata.normalize("NFKC", value)).casefold().split())


def units(value: str) -> list[str]:
    """The text as units of about one word: a word of letters or digits, or one Chinese character or kana. Signs are left out."""
    return UNIT.findall(normalised(value))


def fingerprint(sample: Sample) -> bytes:
    """16 bytes that equal those of a sample with the same content: roles, normalised text, media (by path or by bytes)."""
    digest = hashlib.blake2b(digest_size=16)
    for message in sample.messages:
        digest.update(f"\0{message.role}".encode())
        for part in message.parts:
            digest.update(b"\1" + part.kind.encode() + b"\2" + _bytes(part))
    return digest.digest()


def split_key(sample: Sample) -> bytes:
    """What must not straddle a split: the sample's group, else its first piece of media, else its content."""
    if sample.origin and sample.origin.group:
        return hashlib.blake2b(sample.origin.group.encode(), digest_size=16).digest()
    first = next(sample.media(), None)
    return fingerprint(sample) if first is None else hashlib.blake2b(_bytes(first), digest_size=16).digest()


def _bytes(part: Part) -> bytes:
    if isinstance(part.value, bytes):
        return part.value
    return (normalised(part.value) if part.kind == TEXT else part.value).encode(errors="surrogatepass")
