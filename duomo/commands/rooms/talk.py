"""Talk: chat, transcripts and descriptions, by the models that are served and through their queues."""

import asyncio
import base64
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from duomo.commands.describe import QUESTIONS
from duomo.commands.rooms.house import House, told
from duomo.commands.subtitles import FORMATS
from duomo.generate import Sampling
from duomo.modalities import MODALITIES
from duomo.modalities.audio import AUDIO
from duomo.page.jobs import Heard, Spoken, Talk, Turn
from duomo.serve.messages import conversation
from duomo.serve.queue import Request, TooLong
from duomo.serve.speech import Recording, written
from duomo.serve.writing import writer

FILES = ("srt", "vtt", "txt")


async def chat(house: House, talk: Talk) -> AsyncIterator[str]:
    """An answer, piece by piece, through the queue of the model; the oldest turns are left out where all do not fit.

    Whoever closes it early frees its row.
    """
    starts = [place for place, turn in enumerate(talk.turns) if turn.role == "user"]
    with told():
        for start in starts:
            pieces = _said(house, replace(talk, turns=talk.turns[start:]))
            try:
                async for piece in pieces:
                    yield piece
                return
            except TooLong:  # it comes before the first piece
                if start == starts[-1]:
                    raise
            finally:
                await pieces.aclose()


async def _said(house: House, talk: Talk) -> AsyncGenerator[str, None]:
    sample = conversation(await asyncio.to_thread(lambda: [_message(turn) for turn in talk.turns]), house.limits)
    async with house.models.use(talk.model) as served:
        sampling = Sampling(max_tokens=talk.max_tokens, temperature=talk.temperature, seed=time.time_ns() % 2**31)
        request = Request(sample, sampling, deadline=time.monotonic() + house.limits.request_seconds)
        pieces = writer(served, talk.model).stream(request)
        try:
            async for piece in pieces:
                yield piece.text
        finally:
            await pieces.aclose()


async def describe(house: House, model: str, picture: Path) -> Mapping[str, str]:
    """What a model says to a picture when it is asked what is there, in each language."""

    async def ask(question: str) -> str:
        talk = Talk(model, (Turn("user", question, (picture,)),), max_tokens=96)
        return "".join([piece async for piece in chat(house, talk)])

    said = await asyncio.gather(*map(ask, QUESTIONS.values()))
    return dict(zip(QUESTIONS, said, strict=True))


async def transcribe(house: House, model: str, file: Path, language: str | None, english: bool) -> Heard:
    """A recording, written down by a model that is served, one at a time."""
    stop = threading.Event()
    with told():
        async with house.models.use(model) as served, house.models.turn(model, house.limits.waiting):
            asked = Recording(model, await asyncio.to_thread(file.read_bytes), language, "json")
            try:
                found = await asyncio.to_thread(written, served, asked, english, house.limits, stop)
            finally:
                stop.set()
    pieces = tuple(Spoken(piece.begin, piece.end, piece.text) for piece in found.pieces)
    return Heard(found.language, found.seconds, pieces, {form: FORMATS[form](found) for form in FILES})


def _message(turn: Turn) -> dict[str, Any]:
    """A turn in the API's JSON, so that the API's own checks hold for it."""
    parts = [_part(file) for file in turn.files]
    if turn.role == "assistant":
        return {"role": turn.role, "content": turn.text}
    return {"role": turn.role, "content": [*parts, *([{"type": "text", "text": turn.text}] if turn.text else [])]}


def _part(file: Path) -> dict[str, Any]:
    kind = next((kind for kind, one in MODALITIES.items() if file.suffix.lower() in (one.suffix, *one.suffixes)), None)
    if kind is None:
        known = ", ".join(ending for one in MODALITIES.values() for ending in (one.suffix, *one.suffixes))
        raise ValueError(f"{file.name}: no file of this kind is read; there are: {known}")
    data = base64.b64encode(file.read_bytes()).decode()
    if kind == AUDIO.name:
        return {"type": "input_audio", "input_audio": {"data": data, "format": file.suffix.lower().removeprefix(".")}}
    name = f"{kind}_url"
    return {"type": name, name: {"url": f"data:application/octet-stream;base64,{data}"}}
