"""Laws of what tabs share: faults are told and never as they are, names of files are harmless, texts stay texts."""

import asyncio
from dataclasses import fields
from html import escape

import pytest

from duomo.page.jobs import Jobs
from duomo.page.parts import Lacking, address, clock, fault, grid, missing, notes, plain, safe, timeline, view, written

STRANGE = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture
def jobs(tmp_path):
    """A page that can do nothing but note faults."""
    made = {field.name: None for field in fields(Jobs)} | {"folder": tmp_path, "log": [].append}
    return Jobs(**made)


def ran(jobs, work, *cleared):
    async def gathered():
        return [update async for update in safe(jobs, work, "note", *cleared)()]

    return asyncio.run(gathered())


def failing(error):
    async def work():
        yield {"result": "half"}
        raise error

    return work


def test_a_fault_for_people_is_told_as_text(jobs):
    first, half, told = ran(jobs, failing(ValueError(STRANGE)), "result")
    assert (first, half) == ({"note": ""}, {"result": "half"})
    assert told["result"] == "" and escape(STRANGE) in told["note"] and STRANGE not in told["note"]
    assert "Choose a picture first." in ran(jobs, failing(Lacking("see.wanted")))[-1]["note"]


def test_a_fault_of_ours_tells_nothing_of_a_prompt(jobs):
    heard = []
    told = ran(Jobs(**{**vars(jobs), "log": heard.append}), failing(RuntimeError("the secret prompt")))[-1]["note"]
    assert "secret" not in told and "This failed" in told and len(heard) == 1


def test_work_that_is_left_is_ended(jobs):
    ended = []

    async def work():
        try:
            while True:
                yield {"result": "more"}
        finally:
            ended.append(True)

    async def left():
        steps = safe(jobs, work, "note")()
        assert [await anext(steps) for _ in range(3)][1:] == [{"result": "more"}] * 2
        await steps.aclose()

    asyncio.run(left())
    assert ended == [True]


def test_all_html_that_is_made_here_escapes(jobs, tmp_path):
    made = [fault(STRANGE), notes([STRANGE]), grid([""], [[STRANGE]]), timeline("", [(1.0, STRANGE)], "")]
    made += [missing("chat.none", STRANGE, STRANGE)]
    assert all(STRANGE not in one and escape(STRANGE) in one for one in made)
    (page := tmp_path / f"{STRANGE.replace('/', '')}.html").touch()
    assert "<img" not in view(jobs, page, "graph.view") and "<img" not in address(page) and '"' not in address(page)


NAMES = {
    "a.srt": "a.srt", "../../etc/passwd": "passwd", "..": "file", "": "file", "a b<c>.txt": "a_b_c_.txt", "谈话.wav": "谈话.wav",
    "/": "file",
    "x" * 300: "x" * 100, ".hidden": "hidden", "a\0b": "a_b",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_file_is_harmless(name, jobs):
    assert plain(name) == NAMES[name]
    (path,) = written(jobs, {name: "text"})
    assert path.startswith(f"{jobs.folder}/") and open(path).read() == "text"


def test_seconds_read_as_people_say_them():
    assert [clock(second) for second in (0, 5.9, 65, 3600, 36_061)] == ["0:00", "0:05", "1:05", "1:00:00", "10:01:01"]
