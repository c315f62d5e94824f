"""Laws of the rooms: what the page can do is what the API and the commands do, with the bounds of the API."""

import asyncio
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from duomo.commands.describe_test import lay
from duomo.commands.rooms import House, abilities, jobs
from duomo.commands.rooms.house import alone, playable
from duomo.modalities.audio import to_wav
from duomo.page.jobs import Talk, Turn
from duomo.serve.limits import Limits
from tests import small
from tests.paged import ABLE, lay_run
from tests.served import state

LIMITS = Limits(sound_seconds=5, clip_frames=3, waiting=2)


@pytest.fixture
def house(tmp_path):
    """A house with three small models, a shelf, two runs."""
    (tmp_path / "own").mkdir()
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "hours.txt").write_text("The museum opens at nine.\nIt is closed on Mondays.\n")
    lay_run(tmp_path / "runs", "one")
    return House(state(LIMITS).models, LIMITS, tmp_path / "own", ABLE, {}, tmp_path / "shelf", tmp_path / "runs")


def can(house):
    return jobs(house, lambda error: None)


async def said(house, *turns, **choices):
    return "".join([piece async for piece in can(house).chat(Talk("small", turns, 12, **choices))])


def put(house, name, data):
    path = house.folder / name
    path.write_bytes(data)
    return path


def huge(side):
    """A PNG whose header announces so many pixels a side, and that holds none."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_talk_goes_on_and_files_are_seen(house):
    picture = put(house, "a.png", small.media("image", 1))

    async def talk():
        first = await said(house, Turn("user", "what is it?"))
        shown = await said(house, Turn("user", "what is it?", (picture,)))
        more = await said(house, Turn("user", "what is it?"), Turn("assistant", first), Turn("user", "and?"))
        return first, shown, more, await said(house, Turn("user", "what is it?"))

    first, shown, more, again = asyncio.run(talk())
    assert first == again and len({first, shown, more}) == 3


def test_of_a_long_talk_the_oldest_turns_are_left_out(house):
    old = [Turn(role, "the cat sat on the mat " * 8) for _ in range(6) for role in ("user", "assistant")]

    async def talk():
        alone = await said(house, Turn("user", "what is it?"))
        return alone, await said(house, *old, Turn("user", "what is it?"))

    alone, long = asyncio.run(talk())
    assert alone and long
    with pytest.raises(ValueError, match="shorten it"):
        asyncio.run(said(house, Turn("user", "the cat sat on the mat " * 400)))


REFUSED = {
    "bomb.png": (huge(9000), "megapixels"), "strange.exe": (b"MZ", "no file of this kind"), "damaged.png": (b"\x89PNG", "damaged"),
    "empty.wav": (b"", "no bytes"), "long.mp4": (small.media("video", 5), "at most 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_api_refuses_the_page_refuses_in_one_line(name, house):
    data, wanted = REFUSED[name]
    path = put(house, name, data)
    with pytest.raises(ValueError, match=wanted) as told:
        asyncio.run(said(house, Turn("user", "what is it?", (path,))))
    assert "\n" not in str(told.value) and str(house.folder) not in str(told.value)


def test_a_recording_is_written_down_and_a_long_one_refused(house):
    sound = put(house, "a.wav", to_wav(np.sin(np.arange(16_000) / 9).astype(np.float32) / 2))
    heard = asyncio.run(can(house).transcribe("whisper", sound, "en", False))
    assert heard.seconds == pytest.approx(1.0, abs=0.1) and heard.forms.keys() == {"srt", "vtt", "txt"}
    assert heard.forms["vtt"].startswith("WEBVTT")
    long = put(house, "b.wav", to_wav(np.zeros(16_000 * 6, np.float32)))
    with pytest.raises(ValueError, match="longer than 5 seconds"):
        asyncio.run(can(house).transcribe("whisper", long, None, False))


def test_films_have_the_bounds_of_clips_and_are_searched_in_their_own_folder(house):
    short = put(house, "a.mp4", small.media("video", 3))

    async def watched():
        film = await can(house).watch(short, None, "en")
        assert film.moments and film.table.is_file() and all(one.frame.is_file() for one in film.moments)
        for folder in (str(house.folder.parent), "/etc", film.folder + "/../.."):
            with pytest.raises(ValueError, match="in a film that was watched"):
                await can(house).find(folder, "a")
        with pytest.raises(ValueError, match="at most 3"):
            await can(house).watch(put(house, "b.mp4", small.media("video", 5)), None, "en")

    asyncio.run(watched())


def test_a_shelf_answers_by_words_at_once_and_by_meaning_when_its_vectors_are_there(house):
    async def asked():
        first = await can(house).answer("", "When does the museum open?")
        assert first.quotes[0].text[1] == "The museum opens at nine." and not first.by_meaning
        while house.models.chores:
            await asyncio.sleep(0.01)
        laid = await can(house).lay([house.shelf / "hours.txt", house.shelf / "hours.txt"])
        assert (laid.files, laid.key) != (0, "") and (await can(house).answer(laid.key, "When is it closed?")).quotes
        for key in ("x", "../shelf"):
            with pytest.raises(ValueError, match="send them again"):
                await can(house).answer(key, "a?")

    asyncio.run(asked())


def test_only_so_many_wait_for_heavy_work(house):
    async def crowd():
        return await asyncio.gather(*(alone(house, lambda: 1) for _ in range(5)), return_exceptions=True)

    done = asyncio.run(crowd())
    assert sum(one == (1, []) for one in done) == LIMITS.waiting
    assert all("come again" in str(one) for one in done if isinstance(one, ValueError))
    assert not house.queue


def test_runs_are_named_and_nothing_else_is_opened(house):
    page = can(house)
    assert list(page.runs()) == ["one"]
    found = page.run("one", -1)
    assert found.step == 30 and len(found.curves) == 3 and page.run("one", found.size) is None
    for name in ("..", "../own", "", "/etc"):
        with pytest.raises(ValueError, match="no such run"):
            page.run(name, -1)


def test_what_a_model_can_do_is_told_without_opening_it(tmp_path):
    assert abilities(lay(tmp_path, "all", tuple(small.CUTS))) == {"write", "hear", "see"}
    assert abilities(lay(tmp_path, "mute", ())) == {"write"}
    assert abilities(Path("a.gguf")) == {"write"}


def test_only_plain_files_are_played(house, tmp_path):
    (sound := tmp_path / "a.wav").write_bytes(b"x")
    (link := tmp_path / "b.wav").symlink_to(sound)
    made = playable(house, sound)
    assert made.parent.parent == house.folder and made.read_bytes() == b"x" and playable(house, sound) == made
    assert playable(house, link) is None and playable(house, tmp_path) is None and playable(house, tmp_path / "gone") is None
