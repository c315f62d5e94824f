import gzip
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from duomo.data import inflate
from duomo.data.crawl import MOST_PAGE, crawl_rows
from duomo.data.quarantine import Quarantine
from duomo.data.warc import MOST, records

ENGLISH = "The pool opens at nine in the morning and closes at six, except on Sundays, when it stays open until eight in the evening."
CHINESE = "游泳池早上九点开门，晚上六点关门；星期天例外，一直开到晚上八点。孩子们可以免费入场，但是必须有大人陪同。"
PAGE = f"""<!doctype html><html><head><title>Pool</title><meta charset="utf-8"><script>var menu = "no text";</script></head><body>
<nav><ul><li><a href="/">Home</a><li><a href="/shop">Shop</a></ul></nav>
<div><a href="/a">Ten things that you did not know about our shop</a> <a href="/b">Read more</a></div>
<h1>Hours</h1><p>{ENGLISH}</p><p>{CHINESE}</p><footer>Copyright 2024 <a href="/terms">Terms</a></footer></body></html>"""


def record(kind: str, body: bytes, length: int | str | None = None, **more: str) -> bytes:
    """One WARC record; `length` tells a wrong one."""
    told = {"WARC-Type": kind, "WARC-Target-URI": "https://pool.example/hours"}
    told["Content-Length"] = str(len(body) if length is None else length)
    told |= {name.replace("_", "-"): value for name, value in more.items()}
    return b"WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode() + b"\r\n" + body + b"\r\n\r\n"


def response(body: bytes | str, kind: str = "text/html; charset=utf-8", status: str = "200 OK", **more: str) -> bytes:
    """A response record with its HTTP head."""
    head = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in more.items()}
    told = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return record("response", f"HTTP/1.1 {status}\r\n{told}\r\n".encode() + (body.encode() if isinstance(body, str) else body))


def packed(*parts: bytes) -> bytes:
    """Each record a gzip member of its own, as Common Crawl writes them."""
    return b"".join(map(gzip.compress, parts))


def texts(path: Path, data: bytes, quarantine: Quarantine | None = None) -> list[tuple[int, str]]:
    path.write_bytes(data)
    faults = quarantine or Quarantine()
    found = [(row.number, row.value.text) for row in crawl_rows(path, faults)]
    assert quarantine is not None or not faults.count, faults.faults
    return found


def chunked(*parts: bytes) -> bytes:
    """A body as HTTP/1.1 sends it piece by piece."""
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts)


INFO = record("warcinfo", b"software: a crawler\r\n", Content_Type="application/warc-fields")
GOOD = response(PAGE)
TEXT = f"Hours\n\n{ENGLISH}\n\n{CHINESE}"
FORMS: Mapping[str, Callable[..., bytes]] = {
    "packed": packed,
    "one member": lambda *parts: gzip.compress(b"".join(parts)),
    "plain": lambda *parts: b"".join(parts),
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@forms
def test_the_text_of_every_page_comes_with_its_records_number(tmp_path, form):
    asked, told = record("request", b"GET /hours HTTP/1.1\r\n\r\n"), record("metadata", b"{}")
    picture = response(b"\x89PNG\r\n", "image/png")
    gone, kept = response(PAGE, status="404 Not Found"), record("resource", PAGE.encode(), Content_Type="text/html")
    data = form(INFO, asked, GOOD, told, picture, gone, kept)
    assert texts(tmp_path / "a.warc.gz", data) == [(3, TEXT), (7, TEXT)]
    (row, _) = crawl_rows(tmp_path / "a.warc.gz", Quarantine())
    assert row.value.group == "https://pool.example/hours"


def test_wet_keeps_the_lines_that_are_sentences(tmp_path):
    body = f"Home\nShop\nRead more.\n{ENGLISH}\nCopyright 2024 by all of the people of the pool\n{CHINESE}\n欢迎光临。\n“{ENGLISH}”\n"
    data = packed(INFO, record("conversion", body.encode(), Content_Type="text/plain"))
    assert texts(tmp_path / "a.warc.wet.gz", data) == [(2, f"{ENGLISH}\n{CHINESE}\n“{ENGLISH}”")]


@pytest.mark.parametrize(
    "page",
    [
        response(PAGE.replace("utf-8", "gbk").encode("gbk"), "text/html"),
        response(PAGE.encode("gbk"), 'text/html; charset="GB2312"'),
        response(PAGE.replace('<meta charset="utf-8">', "").encode(), "text/html"),
        response(PAGE.encode(), "text/html; charset=no-such-set"),
        response(gzip.compress(PAGE.encode()), Content_Encoding="gzip"),
        response(zlib.compress(PAGE.encode()), Content_Encoding="deflate"),
        response(zlib.compress(PAGE.encode())[2:-4], Content_Encoding="deflate"),
        response(PAGE.encode(), Content_Encoding="gzip"),
        response(PAGE.encode(), Transfer_Encoding="chunked"),
        response(chunked(PAGE.encode()[:99], PAGE.encode()[99:], b""), Transfer_Encoding="chunked"),
        response(PAGE.encode(), "application/xhtml+xml"),
        record("response", b"HTTP/1.1 200\n\n" + PAGE.encode()),
    ],
    ids="meta header none unknown gzip zlib deflate unpacked joined chunked xhtml bare".split(),
)
def test_a_page_is_read_however_it_was_sent(tmp_path, page):
    assert texts(tmp_path / "a.warc", page) == [(1, TEXT)]


BAD = {
    "no length": (record("response", b"x", "many"), "its Content-Length is 'many', which is no length"),
    "a negative length": (record("response", b"x", -5), "its Content-Length is '-5'"),
    "too short a length": (record("response", b"HTTP/1.1 200 OK\r\n\r\n" + PAGE.encode(), 40), "its Content-Length is 40, but it has more"),
    "too long": (record("response", b"", 10**15), "has 1,000,000,000 MB, more than 16; it is left out"),
    "a length of many digits": (record("response", b"", "9" * 9999), "more than 16; it is left out"),
    "no record": (b"GIF89a no archive at all\r\n\r\n", "no WARC record begins here"),
    "a head without an end": (b"WARC/1.0\r\n" + b"X: y\r\n" * 20_000, "no WARC record begins here"),
    "no HTTP head": (record("response", PAGE.encode()), "its response has no HTTP head"),
    "no text": (response(bytes(range(128, 256)) * 9), "its text is no utf-8"),
    "an unknown packing": (response(b"\x8b\x02\x80", Content_Encoding="br"), "its page is packed as br, which is not read here"),
    "a broken packing": (response(gzip.compress(PAGE.encode())[:10] + b"damage" * 9, Content_Encoding="gzip"), "its page is no gzip"),
    "a large page": (response(b" " * (MOST_PAGE + 1)), "its page has 4 MB, more than 4; it is left out"),
    "a page that unpacks to much": (response(gzip.compress(b" " * 60_000_000), Content_Encoding="gzip"), "its page has 4 MB, more than 4"),
    "a large record": (record("response", b"x" * (MOST + 1)), "has 16 MB, more than 16"),
}


@forms
@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_record_is_told_with_its_number_and_the_rest_goes_on(tmp_path, form, bad, reason):
    quarantine = Quarantine()
    found = texts(tmp_path / "a.warc.gz", form(INFO, GOOD, bad, GOOD), quarantine)
    first = quarantine.faults[0]
    assert [text for _, text in found] == [TEXT, TEXT] and (first.file, first.record) == (str(tmp_path / "a.warc.gz"), 3)
    assert reason in first.reason and quarantine.count <= 2


@forms
def test_a_length_larger_than_the_file_hides_no_record(tmp_path, form):
    quarantine = Quarantine()
    bad = record("response", b"HTTP/1.1 200 OK\r\n\r\n", 100_000)
    assert [text for _, text in texts(tmp_path / "a.warc", form(GOOD, bad, GOOD, GOOD), quarantine)] == [TEXT] * 3
    (fault,) = quarantine.faults
    assert fault.record == 2 and "its Content-Length is 100,000, but it has" in fault.reason
    cut = bad.partition(b"HTTP")[0]  # and nothing after it
    assert [text for _, text in texts(tmp_path / "a.warc", form(GOOD, cut, GOOD), Quarantine())] == [TEXT] * 2


def test_every_cut_is_told_and_never_a_failure(tmp_path):
    data = packed(INFO, GOOD, GOOD)
    whole = len(packed(INFO, GOOD))
    for end in range(whole + 1, len(data), 97):
        quarantine = Quarantine()
        assert texts(tmp_path / "a.warc.gz", data[:end], quarantine) == [(2, TEXT)]
        assert [(fault.record, fault.reason) for fault in quarantine.faults] == [(3, "the file ends inside it; fetch it again")], end


def test_a_damaged_member_does_not_take_the_next(tmp_path):
    members = [gzip.compress(part) for part in (INFO, GOOD, GOOD, GOOD)]
    for place in range(10, len(members[1]), 41):
        damaged = bytearray(members[1])
        damaged[place] ^= 0xFF
        quarantine = Quarantine()
        found = texts(tmp_path / "a.warc.gz", b"".join([members[0], bytes(damaged), *members[2:]]), quarantine)
        assert [text for _, text in found] == [TEXT, TEXT] and quarantine.faults[0].record == 2, place


def test_a_bomb_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(inflate, "SCANNED", 1 << 22)
    bomb = gzip.compress(record("response", bytes(1 << 26)))
    quarantine = Quarantine()
    source = b"".join([gzip.compress(GOOD), bomb * 3, gzip.compress(GOOD)])
    assert [number for number, _ in texts(tmp_path / "a.warc.gz", source, quarantine)] == [1, 5]
    assert [fault.reason for fault in quarantine.faults] == ["has 67 MB, more than 16; it is left out"] * 3


def test_memory_is_that_of_one_record(tmp_path):
    import tracemalloc

    path = tmp_path / "a.warc.gz"
    path.write_bytes(packed(*[response(PAGE + "x" * 100_000)] * 20) * 20)
    tracemalloc.start()
    count = sum(1 for _ in records(path, Quarantine()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 400 and peak < 3_000_000
