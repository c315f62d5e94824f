"""Laws of the two routes for recordings: forms are read as strictly as JSON."""

import http.client
import json
import struct
import uuid

import numpy as np
import pytest

from duomo.modalities.audio import to_wav
from duomo.serve.limits import Limits
from tests.served import serving

SOUND = to_wav(np.sin(np.arange(4000) / 9).astype(np.float32) / 2)
TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"


@pytest.fixture(scope="module")
def port():
    with serving(Limits(sound_seconds=0.5)) as at:
        yield at


def send(port, fields, path=TRANSCRIPTIONS, kind="multipart/form-data; boundary={}"):
    """(status, body) of a form; bytes are files."""
    mark = uuid.uuid4().hex
    parts = []
    for name, value in fields:
        file = '; filename="a.wav"' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n")
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request("POST", path, b"".join(parts) + f"--{mark}--\r\n".encode(), {"Content-Type": kind.format(mark)})
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status, body


def hours():
    """A short sound whose header says three hours."""
    sound, size = bytearray(SOUND), 3 * 3600 * 32_000
    sound[4:8], sound[40:44] = struct.pack("<I", size + 36), struct.pack("<I", size)
    return bytes(sound)


GOOD = [("file", SOUND), ("model", "whisper")]
MORE = {"user": "me", "temperature": "0", "timestamp_granularities[]": "segment", "response_format": "vtt", "language": "zh"}


@pytest.mark.parametrize("more", MORE.items(), ids=str)
def test_a_recording_is_written_down(more, port):
    assert send(port, [*GOOD, more])[0] == 200


def test_a_translation_has_no_language_to_choose(port):
    assert send(port, GOOD, TRANSLATIONS)[0] == 200
    assert send(port, [*GOOD, ("language", "zh")], TRANSLATIONS)[0] == 400


LONG = to_wav(np.sin(np.arange(16_000) / 9).astype(np.float32) / 2)
BAD = {
    "no file": GOOD[1:],
    "no model": GOOD[:1],
    "a path for a file": [("file", "/etc/passwd"), GOOD[1]],
    "no sound": [("file", b"This is no sound."), GOOD[1]],
    "nothing": [("file", b""), GOOD[1]],
    "too long": [("file", LONG), GOOD[1]],
    "an unknown form": [*GOOD, ("response_format", "xml")],
    "a prompt": [*GOOD, ("prompt", "words")],
    "times of words": [*GOOD, ("timestamp_granularities[]", "word")],
    "a misspelt field": [*GOOD, ("langauge", "zh")],
    "an unknown language": [*GOOD, ("language", "xx")],
    "two files": [*GOOD, ("file", SOUND)],
    "many fields": [*GOOD, *[("user", "a")] * 40],
    "a model that hears nothing": [GOOD[0], ("model", "vectors")],
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_one_line(fields, port):
    status, body = send(port, fields)
    told = json.loads(body)["error"]
    assert status == 400 and "\n" not in told["message"] and told["type"] == "invalid_request_error"


def test_a_header_that_lies_is_not_believed_twice(port):
    status, body = send(port, [("file", hours()), GOOD[1]])
    assert status in (200, 400) and b"Traceback" not in body


def test_a_form_that_is_none_is_refused(port):
    assert send(port, GOOD, kind="multipart/form-data")[0] == 400
    assert send(port, GOOD, kind="application/json")[0] == 415
    assert send(port, GOOD, kind="multipart/form-data; boundary=other")[0] == 400
