"""Laws of the door: nobody comes in by a wrong key, name, origin or kind of content."""

import hashlib

import pytest

from duomo.serve.access import Door, check_content, door, hashed, local, name_of, read_keys
from duomo.serve.fault import Fault

KEY = "qN3v-8Zt_Lw0rXy5Pb2KdMfHsUeGcJaT"


def status(act):
    try:
        act()
    except Fault as fault:
        return fault.status
    return 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_an_address_that_others_reach_wants_a_key(host):
    assert not local(host)
    with pytest.raises(ValueError, match="wants a key"):
        door(host, [])
    assert door(host, [hashed(KEY, "--key")]).keys


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_alone_needs_none(host):
    assert door(host, []).keys == ()


@pytest.mark.parametrize("key", ["", "short", "a" * 40, "abcabcabcabcabcabcabcabcabc", "with a space in it 0123456789", "ключ" * 10])
def test_a_key_that_can_be_guessed_is_refused(key):
    with pytest.raises(ValueError, match="--key: a key has at least"):
        hashed(key, "--key")


GIVEN = [None, "", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer \x00é"]


@pytest.mark.parametrize("given", GIVEN)
def test_only_a_known_key_opens(given):
    made = door("127.0.0.1", [hashed(KEY[::-1], ""), hashed(KEY, "")])
    assert status(lambda: made.check_key(given, "key")) == 401
    assert status(lambda: made.check_key(given, "open")) == 200
    for right in (KEY, KEY[::-1]):
        assert status(lambda right=right: made.check_key(f"bearer {right}", "key")) == 200
    assert KEY not in repr(made), "keys are held as hashes"


def test_a_file_of_keys_holds_keys_or_their_hashes(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# mine\n{KEY}\n\nsha256:{hashlib.sha256(b'other').hexdigest()}\n")
    assert read_keys(file) == [hashlib.sha256(KEY.encode()).digest(), hashlib.sha256(b"other").digest()]
    for body, told in (("", "holds no key"), ("short\n", "keys:1: a key has"), ("sha256:00\n", "keys:1: after sha256:")):
        file.write_text(body)
        with pytest.raises(ValueError, match=told):
            read_keys(file)
    with pytest.raises(ValueError, match="can not be read"):
        read_keys(tmp_path / "gone")


HOSTS = {
    "localhost": 200, "localhost:8000": 200, "127.0.0.1:1": 200, "[::1]:8000": 200, "LOCALHOST.": 200, "duomo.lan:80": 200,
    "evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "": 421, None: 421, "[::2]": 421, "0.0.0.0": 421,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_strange_name_is_refused(host):
    assert status(lambda: door("127.0.0.1", [], ["duomo.lan"]).check_host(host)) == HOSTS[host]


ORIGINS = [
    (None, None, 200), (None, "same-origin", 200), (None, "cross-site", 403), ("http://localhost:8000", None, 200),
    ("https://localhost:8000", None, 200), ("http://localhost:9000", None, 403), ("http://evil.example", None, 403), ("null", None, 403),
    ("https://mine.example", None, 200), ("https://mine.example.evil", None, 403), ("http://mine.example", None, 403), ("", None, 403),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "site", "wanted"), ORIGINS)
def test_pages_of_other_sites_may_not_ask(origin, site, wanted):
    made = door("127.0.0.1", [], origins=["https://mine.example"])
    assert status(lambda: made.check_origin(origin, "localhost:8000", site)) == wanted


@pytest.mark.parametrize("origin", ["mine.example", "https://mine.example/", "https://mine.example/page", "*", "null", "ftp://a", "http://[a"])
def test_what_is_no_origin_is_not_listed(origin):
    with pytest.raises(ValueError, match="is no origin"):
        door("127.0.0.1", [], origins=[origin])


CONTENT = [
    ("json", "application/json", None, 200), ("json", "application/json; charset=utf-8", None, 200),
    ("json", "Application/JSON", "identity", 200),
    ("json", "text/plain", None, 415), ("json", None, None, 415), ("json", "application/json;charset=latin-1", None, 415),
    ("json", "application/json", "gzip", 415), ("json", "application/x-www-form-urlencoded", None, 415),
    ("form", "multipart/form-data; boundary=x", None, 200), ("form", "application/json", None, 415), (None, "whatever", None, 200),
]  # fmt: skip


@pytest.mark.parametrize(("takes", "given", "encoding", "wanted"), CONTENT)
def test_a_body_is_of_the_kind_that_is_read(takes, given, encoding, wanted):
    assert status(lambda: check_content(takes, given, encoding)) == wanted


def test_the_name_in_a_host_header_loses_its_port():
    assert [name_of(host) for host in ("A.b:80", "[::1]:80", "::1", "a:b", "a")] == ["a.b", "::1", "::1", "a:b", "a"]
    assert Door().keys == ()
