"""What `abuse.py` sends: media that would become far more than they are, bodies that are no requests, heads that should not pass."""

import base64
import json
import struct
import zlib
from fractions import Fraction
from io import BytesIO
from random import Random
from typing import Any

import numpy as np

Content = list[dict[str, Any]]
FAR = 200_000_000
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"


def bombs() -> list[tuple[str, Content]]:
    """Thirty and more, as the content of a message."""
    return [(name, [picture(data)]) for name, data in pictures()] + [(name, [part]) for name, part in others()] + [
        ("many pictures", [picture(png(4000, 4000))] * 17),
        ("many parts", [{"type": "text", "text": "a"}] * 65),
        ("an address", [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}}]),
        ("base64 of no end", [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000_001}}]),
    ]  # fmt: skip


def pictures() -> list[tuple[str, bytes]]:
    """Headers that claim much, and few bytes that become many."""
    far = 2**31 - 1
    sizes = ((4097, 4097), (20_000, 20_000), (65_000, 65_000), (far, 1), (1, far), (far, far))
    found = [(f"PNG of {width} x {height}", png(width, height)) for width, height in sizes]
    found += [(f"GIF of {side} x {side}", gif(side)) for side in (5000, 20_000, 65_535)]
    found += [(f"noise as a picture {number}", Random(number).randbytes(5000)) for number in range(3)]
    return [
        *found,
        ("JPEG of 65500 x 65500", jpeg()),
        ("WebP that is cut", b"RIFF\xff\xff\xff\x7fWEBPVP8X\x0a\0\0\0" + b"\xff" * 10),
        ("PNG with a bomb of text", png(8, 8, zlib.compress(b"a" * 50_000_000))),
        ("PNG with a bomb of pixels", png(4097, 4096, zlib.compress(bytes(200_000_000)), whole=True)),
    ]


def others() -> list[tuple[str, dict[str, Any]]]:
    """Sounds and clips."""
    return [
        ("WAV as a FLAC", sound(wav(3), "flac")),
        ("a sound of 768001 Hz", sound(wav(0, 768_001))),
        ("noise as a sound", sound(Random(1).randbytes(5000), "mp3")),
        ("FLAC of nothing", sound(b"fLaC" + b"\0" * 50, "flac")),
        ("WAV of nothing", sound(wav(100))),
        ("a clip of 30000 pictures", clip(film(16, 30_000))),
        ("a clip of 5000 x 5000", clip(film(5000, 1))),
        ("a clip that is cut", clip(film(16, 100)[:400])),
        ("noise as a clip", clip(b"\0\0\0\x18ftypmp42" + Random(2).randbytes(5000))),
        ("a clip of more pictures than its header says", clip(film(16, 10_000, "matroska", 60_000))),
        ("a clip of 4000 pictures a second", clip(film(16, 4000, rate=4000))),
        ("a clip of 40 pictures of 4096 x 4096 in no time", clip(film(4096, 40, "matroska", 60_000))),
        ("a clip whose table claims 200 million samples", clip(patched(film(16, 100), stsz=(1, FAR), stsc=(1, 1, FAR)))),
        ("a clip whose fragment claims 200 million samples", clip(patched(film(16, 100, rate=100, flags=FRAGMENTS), trun=(1, FAR)))),
        ("a GIF of 300000 pictures", clip(gif(1, 300_000))),
        ("a WebP of 300 pictures of 4096 x 4096", clip(webp(4096, 300))),
        ("a playlist as a clip", clip(b"#EXTM3U\nfile:///etc/passwd\n")),
    ]


def url(kind: str, data: bytes) -> dict[str, Any]:
    """A part whose bytes stand in a data URL."""
    return {"type": kind, kind: {"url": f"data:;base64,{base64.b64encode(data).decode()}"}}


def picture(data: bytes) -> dict[str, Any]:
    """A part."""
    return url("image_url", data)


def clip(data: bytes) -> dict[str, Any]:
    """A part."""
    return url("video_url", data)


def sound(data: bytes, form: str = "wav") -> dict[str, Any]:
    """A part."""
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": form}}


def chunk(name: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, data: bytes = b"", whole: bool = False) -> bytes:
    """A header of this size; `data` as a compressed text, or as the pixels."""
    inside = chunk(b"IDAT", data) if whole else chunk(b"zTXt", b"a\0\0" + data) + chunk(b"IDAT", b"")
    sizes = struct.pack(">IIBBBBB", width, height, 16 if whole else 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", sizes) + inside + chunk(b"IEND", b"")


def gif(side: int, count: int = 1) -> bytes:
    """A header of this size, and pictures with almost nothing in them."""
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0" * 6
    return head + (b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\0") * count + b";"


def webp(side: int, count: int) -> bytes:
    """An animation of so many black pictures, each of a few bytes."""
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (side, side)).save(file, "WEBP", lossless=True)
    size = (side - 1).to_bytes(3, "little") * 2
    frame = riff(b"ANMF", bytes(6) + size + (20).to_bytes(3, "little") + b"\0" + file.getvalue()[12:])
    inside = riff(b"VP8X", b"\2\0\0\0" + size) + riff(b"ANIM", bytes(6)) + frame * count
    return riff(b"RIFF", b"WEBP" + inside)


def riff(name: bytes, body: bytes) -> bytes:
    """A chunk of a WebP."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def jpeg() -> bytes:
    """A header, and nothing behind it."""
    frame = struct.pack(">HBHHB", 11, 8, 65_500, 65_500, 1) + b"\x01\x11\0"
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"\xff\xc0" + frame + b"\xff\xd9"


def wav(hours: int, rate: int = 16_000) -> bytes:
    """A header that claims so much, and no sound."""
    size = hours * 3600 * 2 * rate % 2**32
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate % 2**32, 2, 16)
    return b"RIFF" + struct.pack("<I", (size + 36) % 2**32) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)


def film(side: int, count: int, form: str = "mp4", rate: int = 1000, flags: str = "") -> bytes:
    """A film of black pictures."""
    import av

    file, black_HWC = BytesIO(), np.zeros((side, side, 3), np.uint8)
    with av.open(file, "w", format=form, options={"movflags": flags} if flags else {}) as made:
        stream: Any = made.add_stream("mpeg4", rate=Fraction(rate))
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(black_HWC, format="rgb24").reformat(format="yuv420p")
        for number in range(count):
            frame.pts, frame.time_base = number, Fraction(1, rate)
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return file.getvalue()


def patched(data: bytes, **boxes: tuple[int, ...]) -> bytes:
    """The same with other numbers in boxes of an MP4: behind their versions, or of a fragment from its version on."""
    told = bytearray(data)
    for name, numbers in boxes.items():
        place = told.index(name.encode()) + (4 if name == "trun" else 8)
        told[place : place + 4 * len(numbers)] = struct.pack(f">{len(numbers)}I", *numbers)
    return bytes(told)


VALUES = (
    *("null", "true", "-1", "0", "1e999", "-1e999", "NaN", "Infinity", "9" * 400, "1.5"),
    *('""', '"\\ud800"', '"\\u0000"', "[]", "{}", "[[]]"),
    *('"' + "a" * 300 + '"', '{"a":' * 40 + "1" + "}" * 40, '"\\x"', "01", "'a'", '{"type":"json_object"}'),
)
FIELDS = (
    *("model", "messages", "prompt", "input", "n", "max_tokens", "temperature", "top_p", "seed", "stop", "stream", "stream_options"),
    *("logprobs", "top_logprobs", "response_format", "tools", "user", "nonsense", "encoding_format", "dimensions"),
)


def bodies(count: int, model: str) -> list[bytes]:
    """Some of no form, some of the right one with a wrong value, some cut or with bits flipped."""
    random, found = Random(0), list[bytes]()
    right = {"model": model, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
    whole = (json.dumps(right), json.dumps({"model": model, "prompt": "a", "max_tokens": 1}), json.dumps({"model": model, "input": "a"}))
    for number in range(count):
        body = whole[number % 3]
        match random.randrange(6):
            case 0:
                found.append(random.randbytes(random.randrange(200)))
            case 1:
                data = bytearray(body.encode())
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
                found.append(bytes(data))
            case 2:
                found.append(body[: random.randrange(len(body))].encode())
            case 3:
                found.append((random.choice(("[", '{"a":', "[{")) * random.choice((10, 40, 100_000))).encode())
            case _:
                fields = "".join(f', "{random.choice(FIELDS)}": {random.choice(VALUES)}' for _ in range(random.randrange(1, 4)))
                found.append(f"{body[:-1]}{fields}}}".encode())
    return found


HOSTS = {"localhost": True, "127.0.0.1:{port}": True, "mine.example": True, "evil.example": False, "localhost.evil.example": False}
ORIGINS: dict[str | None, bool] = {None: True, "https://mine.example": True, "https://evil.example": False, "null": False}
CONTENTS = {"application/json": True, "text/plain": False}


def doors(port: int) -> list[tuple[dict[str, str], int]]:
    """Headers (names with _ for -), and the status that they must give: Host first, then Origin, then Content-Type."""
    found = list[tuple[dict[str, str], int]]()
    for host, known in HOSTS.items():
        for origin, listed in ORIGINS.items():
            for content, read in CONTENTS.items():
                headers = {"Host": host.format(port=port), "Content_Type": content} | ({} if origin is None else {"Origin": origin})
                found.append((headers, 421 if not known else 403 if not listed else 200 if read else 415))
    return found
