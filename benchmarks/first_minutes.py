"""The first minutes of `duomo demo`, measured: until the page is there, until the first useful answer, and clicks while a model learns.

    python benchmarks/first_minutes.py [--teach four-senses] [--clicks 60] [--pages 100]

Works in this folder, whose cache should hold what the tour downloads. A terminal is feigned for the tour, Chromium is driven by Playwright
on the same cores. The page: from the start of the process until GET / answers, and until the tab is drawn. The first useful answer: until
a sentence of the shelf stands there as quoted. Clicks: while the training's steps go on, a button whose answer the server gives at
once, a question to the shelf, one for a recording, and what is made up where nothing answers, until its first words; and GET / beside
them. Writes runs/first-minutes/report.json.
"""

import argparse
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from duomo.report import Report, save

OUT = Path("runs/first-minutes")
PATIENCE = 1200.0  # seconds
AIMS = {"page": 60.0, "first useful answer": 180.0, "p95 of a click": 1.0}
QUESTIONS = ("Which option was wrong?", "What is Zaha Hadid known for?", "怎样选择一个好密码？", "Who is welcome here?")
RECORDINGS = ("Which recording says that the caller is alone?", "Which recording says that the option was wrong?")
UNANSWERED = (QUESTIONS[0], QUESTIONS[3])
STEP = r"text=/Step \d+ of/"
ADDRESS = re.compile(r"the tour: (http://127\.0\.0\.1:\d+/)")
Facts = dict[str, Any]


class Tour:
    """The command in a process group of its own, on a feigned terminal."""

    def __init__(self, teach: str) -> None:
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "duomo", "demo", "--no-browser", "--teach", teach]
        self.began, self.said = time.monotonic(), ""
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(slave)
        threading.Thread(target=self._read, args=(master,), daemon=True).start()

    def _read(self, master: int) -> None:
        try:
            while piece := os.read(master, 4096):
                self.said += piece.decode(errors="replace")
        except OSError:  # the other end is closed
            return

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    def address(self) -> str:
        """Where its page is."""
        wait(lambda: ADDRESS.search(self.said) is not None, self)
        found = ADDRESS.search(self.said)
        assert found is not None
        return found[1]

    def end(self) -> None:
        """Lets it save and end."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def wait(so: Callable[[], bool], tour: Tour, pause: float = 0.1) -> None:
    """Until it is so. Raises RuntimeError where the tour ends before, or never comes there."""
    end = time.monotonic() + PATIENCE
    while not so():
        if tour.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the tour came to nothing: {tour.said[-500:]}")
        time.sleep(pause)


def answers(address: str) -> bool:
    """Whether GET / is answered."""
    try:
        with urlopen(address, timeout=30) as response:
            return bool(response.status == 200 and response.read())
    except (URLError, OSError):
        return False


def clicked(page: Any, name: str) -> float:
    """Seconds from a click on a button, which the server refuses for want of a drawing, until this is read."""
    page.evaluate("for (const one of document.querySelectorAll('.fault')) one.dataset.old = 1")
    began = time.monotonic()
    page.get_by_role("button", name=name).click()
    page.wait_for_selector(".fault:not([data-old])", timeout=60_000)
    return time.monotonic() - began


def asked(page: Any, question: str) -> float:
    """Seconds from a question until the shelf's answer is read."""
    mark = f"{question} "  # as it stands in the answer's card
    field = page.get_by_label("Question").first
    page.evaluate("for (const one of document.querySelectorAll('.passage')) one.dataset.old = 1")
    field.fill(question)
    began = time.monotonic()
    field.press("Enter")
    page.locator(".passage:not([data-old])", has_text=mark.strip()).first.wait_for(timeout=120_000)
    return time.monotonic() - began


def made_up(page: Any, question: str) -> float:
    """Seconds from a question that nothing answers until the first words of what the language model makes up."""
    began = time.monotonic()
    asked(page, question)
    page.locator(".invented:not([data-old])").first.wait_for(timeout=120_000)
    return time.monotonic() - began


def fetched(address: str) -> float:
    """Seconds of a GET /."""
    began = time.monotonic()
    answers(address)
    return time.monotonic() - began


def told(seconds: list[float]) -> Facts:
    """Middle, p95 with its 95 % bootstrap interval, longest."""
    values, random = np.array(seconds), np.random.default_rng(0)
    drawn = np.quantile(values[random.integers(0, len(values), (1000, len(values)))], 0.95, axis=1)
    low, high = (float(np.quantile(drawn, share)) for share in (0.025, 0.975))
    figures = {"median": np.median(values), "p95": np.quantile(values, 0.95), "p95 low": low, "p95 high": high, "longest": values.max()}
    return {"n": len(values), **{name: round(float(value), 3) for name, value in figures.items()}}


class Found(dict[str, Any]):
    """Facts, each printed as soon as it is known."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        print(f"{name}: {value}", flush=True)


def measured(tour: Tour, clicks: int, pages: int) -> Facts:
    """All three."""
    from playwright.sync_api import sync_playwright

    facts, address = Found(), tour.address()
    wait(lambda: answers(address), tour)
    facts["page answers"] = round(tour.seconds, 1)
    with sync_playwright() as players:
        browser = players.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(f"{address}?tab=tour&lang=en", timeout=120_000)
        page.wait_for_selector("h2", timeout=120_000)
        facts["page is drawn"] = round(tour.seconds, 1)
        page.wait_for_selector(".passage mark", timeout=1e3 * PATIENCE)
        facts["first useful answer"] = round(tour.seconds, 1)
        facts["what it was"] = page.inner_text(".passage mark")
        page.wait_for_selector(".invented", timeout=1e3 * PATIENCE)
        wait(lambda: done(page), tour, 1.0)
        facts["shelf is complete"] = round(tour.seconds, 1)
        page.get_by_role("button", name="Teach it").click()
        page.wait_for_selector(STEP, timeout=1e3 * PATIENCE)
        facts["first step of training"] = round(tour.seconds, 1)
        facts["button"] = told([clicked(page, "What is this?") for _ in range(clicks)])
        facts["question"] = told([asked(page, QUESTIONS[number % len(QUESTIONS)]) for number in range(clicks)])
        facts["question for a recording"] = told([asked(page, RECORDINGS[number % len(RECORDINGS)]) for number in range(clicks // 2)])
        facts["made up, first words"] = told([made_up(page, UNANSWERED[number % len(UNANSWERED)]) for number in range(clicks // 2)])
        facts["GET /"] = told([fetched(address) for _ in range(pages)])
        facts["still learning"] = page.locator(STEP).first.is_visible()
        browser.close()
    return dict(facts)


def done(page: Any) -> bool:
    """Whether all passages can be asked by meaning."""
    return bool(page.evaluate("[...document.querySelectorAll('.meter')].some((one) => one.getAttribute('aria-valuenow') === '100')"))


def main() -> None:
    """Measures, prints as it goes, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teach", default="four-senses")
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--pages", type=int, default=100)
    chosen = parser.parse_args()
    load = os.getloadavg()
    tour = Tour(chosen.teach)
    try:
        facts = measured(tour, chosen.clicks, chosen.pages)
    finally:
        tour.end()
    facts |= {"aims": AIMS, "nice": os.nice(0), "cores": os.cpu_count(), "load before": [round(one, 2) for one in load]}
    facts |= {"load after": [round(one, 2) for one in os.getloadavg()], "finished": time.strftime("%Y-%m-%d %H:%M:%S")}
    lines = tuple(f"{name}: {value}" for name, value in facts.items())
    OUT.mkdir(parents=True, exist_ok=True)
    save(Report("the first minutes of duomo demo", facts=facts, lines=lines), OUT / "report.json")


if __name__ == "__main__":
    main()
