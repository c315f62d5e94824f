import hashlib
import json
import os
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from duomo.sources.fetch import cached, fetch, place
from duomo.sources.network import Network, ask_pip, request
from duomo.sources.source import File, Source

CONTENT = bytes(range(256)) * 1000
FILE = File("pypi", "Some_Package", "1.0", "some_package-1.0.tar.gz", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
SOURCE = Source("some", "some", "samples", (FILE,), "MIT", "", lambda paths: [])


class Handler(BaseHTTPRequestHandler):
    """A package index under /json/ and /html/, whose files come as the server's `manners` say, one after the other."""

    def do_GET(self):
        manners = self.server.manners
        self.server.seen.append((self.path, dict(self.headers)))
        if self.path == "/json/some-package/":
            files = {"other.whl": "x", FILE.name: f"../../files/{FILE.name}?v=1#sha256=0"}
            page = json.dumps({"files": [{"filename": name, "url": url} for name, url in files.items()]})
            self.answer(page.encode(), "application/vnd.pypi.simple.v1+json")
        elif self.path == "/html/some-package/":
            self.answer(f'<html><body><a href="/files/{FILE.name}#sha256=0">{FILE.name}</a></body></html>'.encode(), "text/html")
        elif self.path.startswith("/files/"):
            manner = manners.pop(0) if len(manners) > 1 else manners[0]
            self.send_response(503 if manner == "busy" else 200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write({"whole": CONTENT, "short": CONTENT[:999], "wrong": CONTENT[::-1], "busy": b""}[manner])
        else:
            self.send_error(404)

    def answer(self, data, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.manners, server.seen = ["whole"], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def network(*indexes, **more):
    return lambda: Network(indexes, pauses=(0.0, 0.0), timeout=5, **more)


def forbidden():
    raise AssertionError("the network was asked")


def left(cache):
    return [path.name for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_file_is_found_in_either_form_of_the_index(server, tmp_path, form):
    paths = fetch(SOURCE, tmp_path, network=network(f"{server.url}/{form}"))
    assert {name: path.read_bytes() for name, path in paths.items()} == {FILE.name: CONTENT}
    assert left(tmp_path) == [FILE.name]


def test_the_next_index_is_asked_where_one_does_not_have_it(server, tmp_path):
    missing = (tmp_path / "no-index").as_uri()
    assert fetch(SOURCE, tmp_path, network=network(missing, f"{server.url}/none", f"{server.url}/json/"))


def test_a_folder_of_files_needs_no_index(tmp_path):
    (tmp_path / FILE.name).write_bytes(CONTENT)
    assert fetch(SOURCE, tmp_path / "cache", network=network(links=(str(tmp_path),)))
    assert fetch(SOURCE, tmp_path / "cache2", network=network(links=(tmp_path.as_uri(),)))


def test_a_cached_file_is_not_fetched_again(server, tmp_path):
    assert not cached(SOURCE, tmp_path)
    fetch(SOURCE, tmp_path, network=network(f"{server.url}/json"))
    assert cached(SOURCE, tmp_path)
    assert fetch(SOURCE, tmp_path, network=forbidden)


def test_a_corrupted_cached_file_is_fetched_again(server, tmp_path):
    path = fetch(SOURCE, tmp_path, network=network(f"{server.url}/json"))[FILE.name]
    path.write_bytes(CONTENT[:-1] + b"x")
    assert fetch(SOURCE, tmp_path, network=network(f"{server.url}/json"))[FILE.name].read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_stays(server, tmp_path):
    server.manners = ["wrong"]
    with pytest.raises(ValueError, match="SHA-256 is .* check the index") as error:
        fetch(SOURCE, tmp_path, network=network(f"{server.url}/json"))
    assert "\n" not in str(error.value) and not left(tmp_path)


@pytest.mark.parametrize("manners", [["short", "whole"], ["busy", "short", "whole"]])
def test_a_broken_transfer_is_tried_twice_more(server, tmp_path, manners):
    server.manners = manners
    assert fetch(SOURCE, tmp_path, network=network(f"{server.url}/json"))[FILE.name].read_bytes() == CONTENT


def test_a_transfer_that_stays_broken_is_one_line_and_nothing_stays(server, tmp_path):
    server.manners = ["short"]
    with pytest.raises(ValueError, match="999 of 256000 bytes") as error:
        fetch(SOURCE, tmp_path, network=network(f"{server.url}/json"))
    assert "\n" not in str(error.value) and not left(tmp_path)
    assert sum(path.startswith("/files/") for path, _ in server.seen) == 3


def test_a_file_that_does_not_end_is_refused(server, tmp_path):
    shorter = replace(SOURCE, files=(replace(FILE, bytes=1000),))
    with pytest.raises(ValueError, match="more than the 1000 bytes"):
        fetch(shorter, tmp_path, network=network(f"{server.url}/json"))
    assert not left(tmp_path)


def test_no_network_is_one_line_that_tells_the_mend(tmp_path):
    with pytest.raises(ValueError, match="--from FILE") as error:
        fetch(SOURCE, tmp_path, network=network("http://127.0.0.1:9/simple"))
    assert "\n" not in str(error.value)


def test_an_index_without_the_file_is_named(server, tmp_path):
    other = replace(SOURCE, files=(replace(FILE, name="some_package-2.0.tar.gz"),))
    with pytest.raises(ValueError, match="some_package-2.0.tar.gz: not found; .*/json/some-package/ does not have it"):
        fetch(other, tmp_path, network=network(f"{server.url}/json"))


def test_a_disk_that_refuses_is_one_line(tmp_path):
    (tmp_path / FILE.name).write_bytes(CONTENT)
    (tmp_path / "cache").write_text("a file where the cache should be")
    with pytest.raises(ValueError, match="can not be written .* choose another cache"):
        fetch(SOURCE, tmp_path / "cache", network=network(links=(str(tmp_path),)))


def test_a_platform_without_a_file_is_told(tmp_path):
    elsewhere = replace(SOURCE, files=(replace(FILE, platform="vax-780"),))
    with pytest.raises(ValueError, match="some: no file for .*; there are vax-780"):
        fetch(elsewhere, tmp_path, network=forbidden)


def test_a_given_file_is_known_by_its_hash(tmp_path):
    given = tmp_path / "downloads"
    given.mkdir()
    (given / "renamed (1).tgz").write_bytes(CONTENT)
    for number, path in enumerate((given, given / "renamed (1).tgz")):
        assert place(SOURCE, path, tmp_path / str(number))[FILE.name].read_bytes() == CONTENT


def test_a_wrong_given_file_is_refused(tmp_path):
    (tmp_path / FILE.name).write_bytes(b"something else")
    for given in (tmp_path / FILE.name, tmp_path):
        with pytest.raises(ValueError, match="get version 1.0 of Some_Package"):
            place(SOURCE, given, tmp_path / "cache")
    with pytest.raises(ValueError, match="no such file or folder"):
        place(SOURCE, tmp_path / "nowhere", tmp_path / "cache")


def test_an_unknown_tool_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for registry, tool in (("npm", "npm"), ("debian", "apt-get")):
        with pytest.raises(ValueError, match=f"this needs {tool}"):
            fetch(replace(SOURCE, files=(replace(FILE, registry=registry),)), tmp_path, network=network())


def test_pip_tells_what_the_user_configured(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nextra-index-url = http://two.example/simple\ntimeout = 7\n[download]\nproxy = http://proxy.example\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", "http://one.example/simple")
    told = ask_pip()
    assert (told.indexes[0], told.timeout, told.proxy) == ("http://one.example/simple", 7, "http://proxy.example")


def test_a_password_goes_to_the_index_and_nowhere_else():
    pip = Network(("https://me:p%40ss@index.example/simple",))
    for url, known in (
        ("https://me:p%40ss@index.example/simple/x/", True),
        ("https://index.example/files/x.whl", True),
        ("https://files.example/x.whl", False),
        ("http://index.example/x.whl", False),
    ):
        made = request(url, pip)
        assert ("Authorization" in made.unredirected_hdrs) == known
        assert "Authorization" not in made.headers and "ss@" not in made.full_url


def test_messages_hide_the_password(tmp_path):
    with pytest.raises(ValueError) as error:
        fetch(SOURCE, tmp_path, network=network("http://me:secret@127.0.0.1:9/simple"))
    assert "secret" not in str(error.value)
