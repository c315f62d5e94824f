"""The page in a browser: every tab used as a person would, nothing from elsewhere, a name on every control, no text that becomes code."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from duomo.commands.describe_test import lay
from duomo.modalities.audio import to_wav
from duomo.serve.access import Door, hashed
from duomo.serve.guard_test import KEY, ask
from duomo.serve.limits import Limits
from duomo.serve.routes import REFUSED, ROUTES, route_of
from tests import own, small
from tests.paged import CHROMIUM, browser, lay_run, nameless, opened, paged

for library in ("fastapi", "uvicorn", "gradio", "playwright"):
    pytest.importorskip(library)
needs_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; apt-get install chromium")
ROW = {
    "task": "digits", "split": "test", "metric": "accuracy", "higher_is_better": True, "value": 0.9, "low": 0.8, "high": 0.95, "n": 50,
    "chance": 0.1, "baselines": [{"name": "nearest", "value": 0.7}], "ablations": [], "synthetic": False, "about": "",
    "control": {"value": 0.1, "n": 50, "name": "swapped", "low": 0.0, "high": 0.2, "chance": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person has: a picture, a recording, a clip, a table, a folder to ask, runs."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "picture.png").write_bytes(small.media("image", 1))
    (folder / "speech.wav").write_bytes(to_wav(np.sin(np.arange(24_000) / 9).astype(np.float32) / 2))
    (folder / "clip.mp4").write_bytes(small.media("video", 3))
    words = ("很好，很满意", "很差，很失望")
    rows = "".join(f"2026-03-{day:02d},{words[day % 2]},{'food' if day % 3 else 'room'}\n" for day in range(1, 9))
    (folder / "table.csv").write_text(f"date,text,topic\n{rows}", encoding="utf-8")
    (folder / "shelf").mkdir()
    (folder / "shelf" / "hours.txt").write_text("The museum opens at nine.\nIt is closed on Mondays.\n")
    lay(folder / "models", "small", tuple(small.CUTS))
    lay_run(folder / "runs", "mine", rows=(ROW,))
    lay_run(folder / "runs", "going")
    return folder


@pytest.fixture(scope="module")
def served(files):
    """The port of the page and the page itself."""
    with own.inside(files), paged(files / "shelf", files / "runs", vectors=files / "models" / "small") as (port, page):
        yield port, page


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


@pytest.fixture
def person(chromium, served):
    """An open page; whatever went wrong in it fails the test."""
    with opened(chromium, served[0]) as (page, seen):
        yield page
        assert not nameless(page)
        assert (seen.faults, seen.outside, seen.dialogs, seen.refused) == ([], [], [], [])


def tab(page, name, button=None):
    """Opens a tab; gives its panel."""
    page.get_by_role("tab", name=name, exact=True).click()
    panel = page.locator("[role=tabpanel]:visible").first
    panel.wait_for()
    assert not nameless(page)
    return panel


def send(panel, file, place=0):
    panel.locator("input[type=file]").nth(place).set_input_files(str(file))


def kept(panel, name):
    """The links of files to download whose names hold this."""
    found = panel.locator(f'.file-preview a[href*="{name}"]')
    found.first.wait_for()
    return found


def paths(routes):
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from paths(inner.routes) if inner is not None else [route.path]


def filled(path):
    return re.sub(r"\{[^}]*\}", "x", path)


def test_every_route_of_gradio_has_a_decision(served):
    found = {path if path in REFUSED else path.removesuffix("/") or "/" for path in paths(served[1].app.app.routes)}
    lacking = {path for path in found if path not in REFUSED and route_of(filled(path)) is None}
    assert not lacking, f"Gradio has {lacking}: give each a row of ROUTES, or of REFUSED, in duomo/serve/routes.py"
    assert set(REFUSED) <= found | {"/monitoring/{key}"}, "what is refused is there"
    reached = {route.path for route in ROUTES if route.access == "page" and not route.handler} - {"/view/{path}"}
    assert {filled(path) for path in reached} <= {filled(path) for path in found}


@pytest.mark.parametrize("path", [path for path in REFUSED if "/vibe" not in path])
def test_what_is_refused_is_not_there(path, served):
    for method, body in (("GET", None), ("POST", "{}")):
        status, _, told = ask(served[0], method, filled(path), {"Content-Type": "application/json"}, body)
        assert (status, json.loads(told)["error"]["code"]) == (404, "unknown_route")


def test_no_file_but_the_pages_own_is_served(served, files):
    port, page = served
    inside = page.folder / "x" / "a.png"
    inside.parent.mkdir(exist_ok=True)
    inside.write_bytes(small.media("image", 2))
    link = page.folder / "x" / "link.png"
    link.symlink_to(files / "picture.png")
    assert ask(port, "GET", f"/gradio_api/file={inside}")[0] == 200
    near = f"{page.folder}/../{files.parent.name}/{files.name}/picture.png"
    outside = ("/etc/passwd", "picture.png", near, str(link), *(str(files / name) for name in ("picture.png", "shelf/hours.txt")))
    others = (f"{page.folder}/x/%2e%2e/%2e%2e/x", str(page.folder), "http://127.0.0.1/a.png", "file:///etc/passwd", "", "\0")
    for path in (*outside, *others):
        assert ask(port, "GET", "/gradio_api/file=" + path.replace("\0", "%00"))[0] == 404, path
        body = json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}], "fn_index": 0, "session_hash": "x"})
        assert ask(port, "POST", "/gradio_api/queue/join", {"Content-Type": "application/json"}, body)[0] == 400, path
    for path in ("../x/a.png", "x/a.png", "%2e%2e/etc/passwd", "x"):
        assert ask(port, "GET", f"/view/{path}")[0] == 404, path


def test_what_is_sent_has_the_bounds_of_the_api(served, files):
    port, _ = served
    join = ("POST", "/gradio_api/queue/join", {"Content-Type": "application/json"})
    assert ask(port, *join, "[" * 100 + "]" * 100)[0] == 400
    assert ask(port, *join, '{"data": [1e999]}')[0] == 400
    assert ask(port, *join, b"{" + b" " * 3_000_000 + b"}")[0] == 413
    head = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(40 * 2**20)}
    assert ask(port, "POST", "/gradio_api/upload", head)[0] == 413
    with paged(limits=Limits(page_bytes=2**20)) as (full, _):
        got, headers, _ = ask(full, "POST", "/gradio_api/upload", {"Content-Type": "multipart/form-data; boundary=x"}, b"--x--\r\n")
        assert got == 429 and headers["Retry-After"]


def test_the_first_page_loads_nothing_from_elsewhere_and_runs_no_script_of_a_text(served):
    status, headers, body = ask(served[0], "GET", "/", {"Accept-Language": "zh-CN,zh;q=0.9"})
    text, policy = body.decode(), headers["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)[1]
    assert status == 200 and '<html lang="zh"' in text and "@@" not in text
    assert text.count("<script") == text.count(f'<script nonce="{nonce}"') > 3
    assert "unsafe-inline" not in policy.partition("style-src")[0] and "http" not in policy
    assert nonce not in ask(served[0], "GET", "/")[1]["Content-Security-Policy"]
    assert not re.findall(r'(?:src|href|content)="https?://', text)
    assert ask(served[0], "HEAD", "/")[2] == b""


@needs_browser
def test_chat_answers_with_a_picture_and_a_voice_and_forgets(person, files):
    panel = tab(person, "Chat")
    send(panel, files / "picture.png")
    panel.locator("img").first.wait_for()
    box = panel.get_by_role("textbox", name="Write, or add files…")
    box.fill("what is it?")
    box.press("Enter")
    panel.locator(".bot").first.wait_for()
    panel.get_by_role("button", name="Copy message").first.wait_for()
    assert "what is it?" in panel.inner_text()
    panel.get_by_role("button", name=re.compile("microphone|record", re.I)).first.click()
    person.wait_for_timeout(900)
    assert not nameless(person)
    panel.get_by_role("button", name="New conversation").click()
    panel.locator(".bot").first.wait_for(state="detached")


@needs_browser
def test_the_shelf_quotes_and_abstains(person, files):
    panel = tab(person, "Shelf")
    question = panel.get_by_label("Question")
    question.fill("When does the museum open?")
    question.press("Enter")
    panel.locator("article.passage").first.wait_for()
    assert panel.locator("mark").first.inner_text() == "The museum opens at nine."
    assert "hours.txt, line 1" in panel.inner_text()
    question.fill("Who wrote the symphony of the elephants?")
    question.press("Enter")
    panel.locator(".abstained").wait_for()
    assert "Nothing in these files answers this." in panel.inner_text()


@needs_browser
def test_files_that_are_sent_are_asked(person, files):
    panel = tab(person, "Shelf")
    panel.get_by_role("button", name="Your own files").click()
    send(panel, files / "shelf" / "hours.txt")
    panel.get_by_text("1 files were read").wait_for()
    panel.get_by_label("Question").fill("When is it closed?")
    panel.get_by_role("button", name="Send").click()
    panel.locator("article.passage").first.wait_for()
    assert "It is closed on Mondays." in panel.locator("mark").first.inner_text()


@needs_browser
def test_a_recording_becomes_a_timeline_and_files(person, files):
    panel = tab(person, "Transcribe")
    send(panel, files / "speech.wav")
    panel.get_by_role("button", name="Write it down").click()
    panel.locator(".timeline li button").first.wait_for()
    panel.locator(".timeline li button").first.click()
    assert person.evaluate("document.querySelector('.timeline audio').currentTime >= 0")
    with person.expect_download() as got:
        kept(panel, "speech.srt").first.click()
    assert got.value.suggested_filename == "speech.srt" and "-->" in Path(got.value.path()).read_text()


@needs_browser
def test_a_picture_is_described_in_both_languages(person, files):
    panel = tab(person, "Describe")
    panel.get_by_role("button", name="Describe it").click()
    panel.get_by_text("Choose a picture first.").wait_for()
    send(panel, files / "picture.png")
    panel.locator("img").first.wait_for()
    panel.get_by_role("button", name="Describe it").click()
    panel.locator("dl.facts").wait_for()
    assert panel.locator("dl.facts div").count() == 2 and not panel.locator(".fault").count()


@needs_browser
def test_a_film_becomes_key_frames_and_is_searched(person, files):
    panel = tab(person, "Watch")
    send(panel, files / "clip.mp4")
    panel.locator(".file-preview").first.wait_for()
    panel.get_by_role("button", name="Watch it").click()
    panel.locator(".frames article").first.wait_for()
    assert panel.locator(".frames img").first.evaluate("img => img.complete || new Promise(done => img.onload = () => done(true))")
    panel.get_by_label("Find in this film").fill("love")
    panel.get_by_role("button", name="Send").click()
    panel.locator("ol.places li").first.wait_for()
    panel.locator("ol.places li button").first.click()


@needs_browser
def test_comments_are_classified_by_topic_and_week(person, files):
    panel = tab(person, "Comments")
    send(panel, files / "table.csv")
    panel.get_by_label("Column of the topics").wait_for()
    person.wait_for_function("() => [...document.querySelectorAll('input')].some(one => one.value === 'topic')")
    panel.get_by_role("button", name="Classify").click()
    panel.locator("iframe.view").wait_for()
    assert "food" in panel.inner_text() and "很满意" in panel.inner_text()
    assert panel.frame_locator("iframe.view").locator("figure svg").first.is_visible()
    assert kept(panel, "comments.").count() == 2


@needs_browser
def test_texts_become_a_graph(person):
    panel = tab(person, "Graph")
    panel.get_by_label("Text", exact=True).fill("Albert Einstein was born in Ulm. Ulm is a city.")
    panel.get_by_role("button", name="Find names and relations").click()
    panel.frame_locator("iframe.view").locator("canvas").wait_for()
    assert "Albert Einstein" in panel.locator("table").first.inner_text()
    assert panel.locator("iframe.view").element_handle().content_frame().evaluate("self.origin") == "null"
    assert kept(panel, "graph.ttl").count() == 1


@needs_browser
def test_a_training_is_followed_while_it_goes_on(person, files):
    panel = tab(person, "Runs")
    panel.locator(".curves svg").first.wait_for()
    assert "accuracy" in panel.inner_text() and "nearest" in panel.inner_text() and "swapped" in panel.inner_text()
    name = panel.get_by_label("Run").input_value()
    log = files / "runs" / name / "log.jsonl"
    with log.open("a") as file:
        file.write(json.dumps({"step": 777, "loss": 0.125, "tokens_per_second": 1.0}) + "\n")
    panel.get_by_text("Step 777, loss 0.125").wait_for(timeout=20_000)


@needs_browser
def test_the_languages_change_on_the_page_and_the_browsers_is_the_first(chromium, served):
    with opened(chromium, served[0], locale="zh-CN") as (page, seen):
        assert page.get_by_role("tab", name="聊天").is_visible()
        assert page.evaluate("document.documentElement.lang").startswith("zh")
        page.wait_for_function("!document.documentElement.outerHTML.includes('Drop File Here')")  # Gradio's own words come a little later
        assert not nameless(page)
        page.get_by_role("link", name="English").click()
        page.get_by_role("tab", name="Chat").wait_for()
        assert not seen.faults and not seen.outside


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(chromium, served, scheme):
    with opened(chromium, served[0], width=390, color_scheme=scheme) as (page, seen):
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
        page.get_by_role("button", name="Dark or light").click()
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "light")
        page.reload()
        page.wait_for_selector("[role=tablist]")
        page.wait_for_function(f"document.body.classList.contains('dark') === {str(scheme == 'light').lower()}")
        assert not seen.faults and not seen.outside


@needs_browser
def test_with_a_key_a_person_logs_in_and_out(chromium):
    with paged(door=Door((hashed(KEY, ""),))) as (port, _):
        window = chromium.new_context(locale="en-US")
        page = window.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_label("Key").fill(KEY)
        page.get_by_role("button", name="Enter").click()
        page.get_by_role("tab", name="Chat").wait_for()
        (cookie,) = window.cookies()
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Key").wait_for()
        assert page.goto(f"http://127.0.0.1:{port}/").url.endswith("/login")
        window.close()


@needs_browser
def test_an_answer_that_is_stopped_frees_its_row(chromium, served):
    with opened(chromium, served[0]) as (page, seen):
        panel = tab(page, "Chat")
        box = panel.get_by_role("textbox", name="Write, or add files…")
        for _ in range(3):
            box.fill("the cat sat on the mat")
            box.press("Enter")
            try:
                panel.get_by_role("button", name="Stop").click(timeout=10_000)
                break
            except Exception:  # it was faster than we are
                continue
        panel.get_by_role("button", name="Submit").wait_for()
        end = time.monotonic() + 20
        while b'duomo_queue_running{model="small"} 0.0' not in ask(served[0], "GET", "/metrics")[2]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert not seen.faults
