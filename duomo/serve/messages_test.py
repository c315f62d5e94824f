"""Laws of messages: what a part holds is bytes; no address is fetched, no file opened, no bomb is decoded."""

import base64
import struct
import zlib
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from duomo.sample import Part
from duomo.serve.clips import refuse_long
from duomo.serve.fault import Fault
from duomo.serve.limits import Limits
from duomo.serve.messages import conversation
from tests.small import media

LIMITS = Limits()


def coded(data):
    return base64.b64encode(data).decode()


def url(data, kind="image/png"):
    return f"data:{kind};base64,{coded(data)}"


def user(*content):
    return [{"role": "user", "content": list(content)}]


def refused(messages, limits=LIMITS):
    with pytest.raises(Fault) as caught:
        conversation(messages, limits)
    assert caught.value.status == 400 and "\n" not in caught.value.message
    return caught.value.message


def test_parts_of_every_kind_become_the_bytes_that_they_hold():
    picture, sound, clip = media("image", 1), media("audio", 1), media("video", 1)
    sample = conversation(
        [
            {"role": "developer", "content": "be short"},
            *user(
                {"type": "image_url", "image_url": {"url": url(picture), "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": coded(sound), "format": "wav"}},
                {"type": "video_url", "video_url": {"url": url(clip, "video/mp4")}},
                {"type": "text", "text": "what?"},
            ),
        ],
        LIMITS,
    )
    assert [message.role for message in sample.messages] == ["system", "user"]
    assert list(sample.media()) == [Part("image", picture), Part("audio", sound), Part("video", clip)]
    assert sample.messages[1].text == "what?"


ADDRESSES = ["http://127.0.0.1:1/a.png", "https://example.org/a.png", "file:///etc/passwd", "/etc/passwd", "a.png", "", "data:,a"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("kind", ["image_url", "video_url"])
def test_an_address_is_refused_and_never_opened(address, kind, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    refused(user({"type": kind, kind: {"url": address}}))
    refused(user({"type": kind, kind: address}))


def png(width, height, data=b""):
    """A PNG whose header says so."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(4097, 4097), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**25)])
def test_a_picture_that_is_too_large_is_refused_by_its_header(size):
    assert "16 megapixels" in refused(user({"type": "image_url", "image_url": {"url": url(png(*size))}}))


ROWS = [
    "text", {}, {"role": "tool", "content": "a"}, {"role": "user"}, {"role": "user", "content": ""}, {"role": "user", "content": []},
    {"role": "user", "content": [{}]}, {"role": "user", "content": [{"type": "text"}]}, {"role": "user", "content": [{"type": "file"}]},
    {"role": "user", "content": [{"type": "text", "text": 1}]}, {"role": "user", "content": "a", "tool_calls": [1]}, {"role": []},
    {"role": "user", "content": "a", "name": "b"}, {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "exe"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url(b"no picture")}}]},
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_strange_message_is_refused_by_its_place(row):
    assert refused([{"role": "user", "content": "a"}, row]).startswith("messages[1]")


def test_the_last_word_is_the_users():
    assert "last one" in refused([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])


def test_numbers_have_bounds():
    few = Limits(messages=2, parts=2, media=1, text_characters=10)
    one, picture = {"role": "user", "content": "a"}, {"type": "image_url", "image_url": {"url": url(media("image", 1))}}
    assert conversation([one, one], few)
    assert "at most 2" in refused([one] * 3, few)
    assert "at most 2" in refused(user(*[{"type": "text", "text": "a"}] * 3), few)
    assert "more than 1 files" in refused(user(picture, picture), few)
    assert "10 characters" in refused([{"role": "user", "content": "a" * 11}], few)


def clip(data):
    return user({"type": "video_url", "video_url": {"url": url(data, "video/mp4")}})


def film(count=10, **options):
    """An MP4 of small black pictures."""
    file = BytesIO()
    with av.open(file, "w", format="mp4", options=options) as made:
        stream = made.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for _ in range(count):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        made.mux(stream.encode())
    return file.getvalue()


LYING = {"stsz": (8, (1, 3_000_000)), "trun": (4, (1, 3_000_000))}  # where in the box, and what it claims: less than 100 MB, for a test


@pytest.mark.parametrize("box", LYING)
def test_tables_that_claim_more_than_there_is_are_refused_before_a_decoder_makes_room(box):
    whole = film() if box == "stsz" else film(movflags="frag_keyframe+empty_moov+default_base_moof")
    assert conversation(clip(whole), LIMITS)
    place, numbers = LYING[box]
    place += whole.index(box.encode())
    assert "more than 2,000,000 samples" in refused(clip(whole[:place] + struct.pack(">II", *numbers) + whole[place + 8 :]))


def test_what_stands_in_the_media_itself_is_no_table():
    words = b"stsz" + bytes(4) + struct.pack(">II", 1, 3_000_000)
    whole = film()
    end = whole.index(b"mdat") + 4
    size = int.from_bytes(whole[end - 8 : end - 4], "big") + len(words)
    longer = whole[: end - 8] + struct.pack(">I", size) + b"mdat" + whole[end : end - 8 + size - len(words)] + words
    refuse_long(longer + whole[end - 8 + size - len(words) :], 10)


def test_an_animation_is_counted_without_decoding_it():
    pages = [Image.new("RGB", (8, 8), (number, 0, 255 - number)) for number in range(0, 250, 10)]
    file = BytesIO()
    pages[0].save(file, "GIF", save_all=True, append_images=pages[1:], comment=b"a" * 700)
    assert conversation(clip(file.getvalue()), Limits(clip_frames=25))
    assert "a clip of 25 pictures, at most 24" in refused(clip(file.getvalue()), Limits(clip_frames=24))
    large = BytesIO()
    pages = [Image.new("P", (4000, 4000), number) for number in range(10)]
    pages[0].save(large, "GIF", save_all=True, append_images=pages[1:])
    assert "134 million pixels in all" in refused(clip(large.getvalue()))


def test_a_long_clip_is_refused_by_its_header():
    part = {"type": "video_url", "video_url": {"url": url(media("video", 1), "video/mp4")}}
    assert conversation(user(part), Limits(clip_frames=3))
    assert "pictures, at most 2" in refused(user(part), Limits(clip_frames=2))
    assert "clip" in refused(user({"type": "video_url", "video_url": {"url": url(b"no clip at all")}}))
