"""The page of a small server, in a thread of this process, and a browser that notes whatever goes wrong in it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from duomo.commands.rooms import House, jobs
from duomo.page.hall import hall
from duomo.page.jobs import Jobs
from duomo.serve.access import Door
from duomo.serve.guard import noted
from duomo.serve.limits import Limits
from duomo.serve.live import listening, server_of
from duomo.serve.state import Page
from tests import served

CHROMIUM = Path("/usr/bin/chromium")
ABLE = {"small": frozenset({"write", "hear", "see"}), "vectors": frozenset({"embed"}), "whisper": frozenset({"hear"})}
NAMELESS = Path(__file__).with_name("nameless.js")
RUN = {"title": "run", "rows": [], "examples": [], "facts": {}, "lines": []}


@dataclass
class Seen:
    """What a browser did that it should not."""

    faults: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@contextmanager
def paged(
    shelf: Path | None = None, runs: Path = Path("none"), change: Callable[[Jobs], Jobs] = lambda made: made,
    limits: Limits = Limits(), door: Door = Door(), **places: Path,
) -> Iterator[tuple[int, Page]]:  # fmt: skip
    """The port at which it listens, and the page. `change`: what the page can do, changed."""
    torch.set_num_threads(1)
    before = dict(os.environ)  # Gradio looks there for its folder whenever it needs it: another page's must come back
    with TemporaryDirectory() as folder:
        state = served.state(limits)
        house = House(state.models, limits, Path(folder).resolve(), ABLE, places, shelf, runs)
        front = hall(change(jobs(house, noted, bool(door.keys))), upload_bytes=limits.body_bytes)
        page = Page(front, house.folder, front.end)
        made, at = server_of(replace(state, page=page), door), listening("127.0.0.1", 0)
        thread = threading.Thread(target=made.run, args=([at],), daemon=True)
        thread.start()
        while not made.started:
            time.sleep(0.01)
        try:
            yield at.getsockname()[1], page
        finally:
            made.should_exit = True
            thread.join(60)
            os.environ |= before
            assert not thread.is_alive(), "open pages do not hold the server"


@contextmanager
def browser() -> Iterator[Any]:
    """Debian's Chromium, with a microphone that sounds by itself."""
    from playwright.sync_api import sync_playwright

    sounds = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with sync_playwright() as library:
        made = library.chromium.launch(executable_path=str(CHROMIUM), args=sounds)
        yield made
        made.close()


@contextmanager
def opened(chromium: Any, port: int, path: str = "/", width: int = 1280, **context: Any) -> Iterator[tuple[Any, Seen]]:
    """A page in a new window; everything that is not this server is refused and noted."""
    seen, own = Seen(), f"http://127.0.0.1:{port}/"
    window = chromium.new_context(viewport={"width": width, "height": 900}, **{"locale": "en-US", "permissions": ["microphone"]} | context)
    window.set_default_timeout(60_000)  # a busy machine is slow, and only a fault waits so long
    window.add_init_script("window.alert = window.confirm = window.prompt = () => { window.__xss = 'dialog'; };")

    def route(asked: Any) -> None:
        if asked.request.url.startswith((own, "data:", "blob:")):
            asked.continue_()
        else:
            seen.outside.append(asked.request.url[:200])
            asked.abort()

    window.route("**/*", route)
    page = window.new_page()
    page.on("console", lambda said: seen.faults.append(said.text[:300]) if said.type == "error" else None)
    page.on("pageerror", lambda error: seen.faults.append(str(error)[:300]))
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("response", lambda got: seen.refused.append(f"{got.status} {got.url[:400]}") if got.status >= 400 else None)
    page.goto(own.rstrip("/") + path)
    page.wait_for_selector("[role=tablist]")
    try:
        yield page, seen
    finally:
        window.close()


def nameless(page: Any) -> list[str]:
    """Controls, players and pictures that have no name for those who do not see them."""
    found = list[str]()
    for pause in (150, 500, 1500, 3000):  # names are given after what is new was drawn, on a busy machine a little later
        page.wait_for_timeout(pause)
        found = page.evaluate(NAMELESS.read_text(encoding="utf-8"))
        if not found:
            break
    return found


def lay_run(folder: Path, name: str, steps: int = 30, rows: tuple[dict[str, Any], ...] = ()) -> Path:
    """A run's folder with a log, and a report where there are rows."""
    made = folder / name
    made.mkdir(parents=True)
    lines = [{"step": step, "loss": 3 / step, "tokens_per_second": 100.0 + step, "tokens": 10} for step in range(1, steps + 1)]
    lines.insert(steps // 2, {"step": steps // 2, "valid": {"held": 1.5}})
    (made / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if rows:
        (made / "report.json").write_text(json.dumps(RUN | {"rows": rows}))
    return made
