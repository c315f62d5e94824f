"""Pairs: texts in Chinese and English that packages hold side by side, and the compiled catalogues of gettext that many lie in."""

import re
import struct
from collections.abc import Iterable, Iterator

from duomo.sample import Origin, Sample, ask

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")
KEY = re.compile(r"\(([_~&])([A-Za-z0-9])\)")  # the key of a menu's entry, behind its Chinese: 文件(_F)
MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}  # how a catalogue begins, and its order of bytes
CONTEXT, PLURAL = "\4", "\0"

Pair = tuple[str, str, str]  # id, English, Chinese


def conversations(pairs: Iterable[Pair], source: str, licence: str) -> Iterator[Sample]:
    """Each pair once: the user says the Chinese, the assistant the English; what holds no Chinese or no Latin letter is left out.

    The key of a menu's entry is left out on both sides: "_File" and "文件(_F)" are "File" and "文件".
    """
    known = set[tuple[str, str]]()
    for id, english, chinese in pairs:
        pair = keyless(english.strip(), chinese.strip())
        if pair not in known and LATIN.search(pair[0]) and CHINESE.search(pair[1]):
            known.add(pair)
            yield ask(pair[1], answer=pair[0], origin=Origin(source, id, licence))


def keyless(english: str, chinese: str) -> tuple[str, str]:
    """Both without the key of a menu's entry, where both name the same."""
    found = KEY.search(chinese)
    if found is None or english.count(found[1]) != 1 or found[1] + found[2].lower() not in english.lower():
        return english, chinese
    return english.replace(found[1], ""), (chinese[: found.start()] + chinese[found.end() :]).strip()


def catalogue(data: bytes, where: str) -> Iterator[tuple[str, str]]:
    """The messages of a compiled gettext catalogue with their translations, without contexts; of plurals the last form, as Chinese has one.

    Raises ValueError, naming `where`, for what is none. Layout: GNU gettext's manual, "The Format of GNU MO Files".
    """
    order = MAGIC.get(data[:4])
    try:
        if order is None:
            raise ValueError("its first bytes are others")
        _, count, messages, translations = struct.unpack_from(f"{order}4I", data, 4)
        if max(messages, translations) + 8 * count > len(data):
            raise ValueError(f"{count} messages do not fit into {len(data)} bytes")
        for number in range(count):
            said, told = (_string(data, order, table + 8 * number) for table in (messages, translations))
            yield said.rpartition(CONTEXT)[2].rpartition(PLURAL)[2], told.rpartition(PLURAL)[2]
    except (ValueError, struct.error) as error:
        raise ValueError(f"{where}: no gettext catalogue ({error}); delete the package and fetch it again") from error


def _string(data: bytes, order: str, at: int) -> str:
    length, begin = struct.unpack_from(f"{order}2I", data, at)
    if begin + length > len(data):
        raise ValueError("a message lies behind its end")
    return data[begin : begin + length].decode("utf-8")
