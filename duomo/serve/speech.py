"""Speech: POST /v1/audio/transcriptions and /v1/audio/translations: recordings become texts, by what `duomo transcribe` uses."""

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from duomo.modalities.audio import seconds
from duomo.serve.events import while_there
from duomo.serve.fault import Fault
from duomo.serve.limits import Limits
from duomo.serve.models import Served
from duomo.serve.state import State, state_of
from duomo.serve.wire import half

if TYPE_CHECKING:
    from duomo.generate.transcript import Transcript

FORMS = ("json", "text", "srt", "vtt", "verbose_json")
NEUTRAL = {"temperature": ("0", "0.0"), "stream": ("false",), "timestamp_granularities[]": ("segment",), "chunking_strategy": ("auto",)}
KNOWN = ("file", "model", "language", "response_format", "user")
MOST_FIELDS = 16


@dataclass(frozen=True)
class Recording:
    """What a form asks for."""

    model: str
    data: bytes
    language: str | None
    form: str


class Stopped(Exception):
    """Nobody waits for the transcript any more."""


async def transcribe(http: Request) -> Response:
    """What is said, in the language in which it is said."""
    return await _heard(http, translate=False)


async def translate(http: Request) -> Response:
    """What is said, in English."""
    return await _heard(http, translate=True)


async def _heard(http: Request, translate: bool) -> Response:
    state, stop = state_of(http), threading.Event()
    asked = await recording_of(http, translate)
    async with state.models.use(asked.model) as served, state.models.turn(asked.model, state.limits.waiting):
        try:
            found = await while_there(http, asyncio.to_thread(written, served, asked, translate, state.limits, stop))
        finally:
            stop.set()  # a thread can not be ended from outside: it looks between two windows
    return _told(found, asked.form, translate, state)


async def recording_of(http: Request, translate: bool) -> Recording:
    """The fields of a form. Raises Fault for one that is wrong, not known, or would change the answer and is not built."""
    async with http.form(max_files=1, max_fields=MOST_FIELDS) as form:
        for name, value in form.multi_items():
            if name not in KNOWN and str(value).lower() not in NEUTRAL.get(name, ()):
                raise Fault(400, f"{name[:60]}: is not built with this value; leave it out", name[:60], "unsupported_field")
        files = [value for name, value in form.multi_items() if name == "file" and not isinstance(value, str)]
        if not files:
            raise Fault(400, "file: a recording is wanted, as a file of the form", "file", "invalid_value")
        data = await files[0].read()
        words = {name: word for name in KNOWN[1:] if isinstance(word := form.get(name), str) and word}
    if "model" not in words or half(list(words.values())):
        raise Fault(400, "model: is wanted; GET /v1/models lists them", "model", "invalid_value")
    shape = words.get("response_format", FORMS[0])
    if shape not in FORMS:
        raise Fault(400, f"response_format: is one of {', '.join(FORMS)}", "response_format", "invalid_value")
    if translate and "language" in words:
        raise Fault(400, "language: a translation is English; leave it out", "language", "unsupported_field")
    return Recording(words["model"], data, words.get("language"), shape)


def written(served: Served, asked: Recording, translate: bool, limits: Limits, stop: threading.Event) -> "Transcript":
    """The transcript. Raises Fault for a model that hears nothing, and a recording that is too long or damaged."""
    if served.hear is None:
        raise Fault(400, f"model {asked.model!r} hears nothing; one such as whisper-base does", "model", "model_not_suitable")
    heard = 0.0

    def tell(gone: float) -> None:
        nonlocal heard
        heard += gone
        if stop.is_set():
            raise Stopped
        if heard > limits.sound_seconds:  # whatever its header said
            raise _too_long(limits)

    try:
        if seconds(asked.data) > limits.sound_seconds:
            raise _too_long(limits)
        found = served.hear(asked.data, asked.language, translate, tell)
    except ValueError as error:
        raise Fault(400, f"file: {error}", "file", "invalid_audio") from error
    if found.fault:
        raise Fault(400, f"file: {found.fault}", "file", "invalid_audio")
    return found


def _told(found: "Transcript", form: str, translate: bool, state: State) -> Response:
    if form == "json":
        return JSONResponse({"text": found.text, "usage": {"type": "duration", "seconds": round(found.seconds)}})
    if form == "verbose_json":
        return JSONResponse(_verbose(found, translate))
    return PlainTextResponse(f"{found.text}\n" if form == "text" else state.forms[form](found))


def _verbose(found: "Transcript", translate: bool) -> dict[str, Any]:
    """What is known of each piece; what only Whisper's own program would know is left out."""
    pieces = [
        {"id": number, "start": round(piece.begin, 2), "end": round(piece.end, 2), "text": piece.text}
        | ({} if piece.nats is None else {"avg_logprob": piece.nats})
        for number, piece in enumerate(found.pieces)
    ]
    told = {"task": "translate" if translate else "transcribe", "language": found.language, "duration": round(found.seconds, 2)}
    return told | {"text": found.text, "segments": pieces}


def _too_long(limits: Limits) -> Fault:
    return Fault(400, f"file: longer than {limits.sound_seconds:,.0f} seconds; cut it in parts", "file", "recording_too_long")
