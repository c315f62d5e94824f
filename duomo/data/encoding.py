"""Encoding: bytes of the web and of old books -> text, by what is said of their character set and by what fits."""

import codecs
from collections.abc import Iterable

LABELS = {  # what pages say -> how it is read, as browsers do (WHATWG Encoding Standard); nothing else is asked of Python's codecs
    **dict.fromkeys(("utf-8", "utf8", "unicode utf-8", "unicode"), "utf-8"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "cp936"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5", "cn-big5"), "big5hkscs"),
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "iso-latin-1", "latin1", "latin-1", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("ascii", "us-ascii", "iso-646-us"), "cp1252"),
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    "iso-8859-9": "cp1254",
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259) if page != 1252},
    **{"koi8-r": "koi8-r", "koi8-u": "koi8-u", "macintosh": "mac-roman", "windows-874": "cp874", "tis-620": "cp874"},
    **{"shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "euc-jp": "euc-jp", "iso-2022-jp": "iso2022_jp"},
    **{"euc-kr": "cp949", "ks_c_5601-1987": "cp949"},
}
MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
LIKELY = ("utf-8", "gb18030", "cp1252")  # where nothing is said, in this order; the last reads nearly anything
BROKEN = 0.01  # of the characters may be unreadable
UNREADABLE = "\ufffd"


def decoded(data: bytes, told: Iterable[str] = ()) -> str:
    """The text in the encoding of its mark, else in the first that reads it whole, else in the one that fits best: those that are told
    and UTF-8, or where none is told the likely ones. A character cut off at the end is left out.

    Raises ValueError where more than a hundredth of it is unreadable in each.
    """
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    labels = [label for label in map(_plain, told) if label in LABELS]
    names = [MARKS[mark]] if mark else [LABELS[label] for label in labels] + ["utf-8"] if labels else LIKELY
    best, fewest = "", len(data) + 1
    for name in dict.fromkeys(names):
        text = codecs.getincrementaldecoder(name)("replace").decode(data[len(mark) :])
        broken = text.count(UNREADABLE)
        if broken < fewest:
            best, fewest = text, broken
        if not broken:
            break
    if fewest > BROKEN * len(best):
        raise ValueError(f"its text is no {labels[0] if labels else 'UTF-8'}, nor anything else that is known; save it as UTF-8")
    return best.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _plain(label: str) -> str:
    return label.strip(" \t\"'").lower().replace("_8859", "-8859")
