"""Limits: how much of everything a request may bring, all of it checked before it is held or computed."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """The bounds of one server. A picture has its own: 16 megapixels, told by its header."""

    body_bytes: int = 32 * MIB
    held_bytes: int = 256 * MIB  # of all bodies together that are being read or worked on
    head_bytes: int = 16_384
    head_seconds: float = 10.0  # until a request's head is there
    body_seconds: float = 10.0  # until its body is there, plus a second for each `body_rate` bytes that came
    body_rate: int = 16_384
    linger_seconds: float = 2.0  # that a client may go on sending what is not read any more, so that it reads why
    send_seconds: float = 30.0  # that a client may leave an answer unread
    request_seconds: float = 300.0  # that an answer may take
    connections: int = 512
    json_depth: int = 32
    messages: int = 256
    parts: int = 64
    media: int = 16
    text_characters: int = 1_000_000
    choices: int = 8
    output_tokens: int = 4096
    stops: int = 4
    texts: int = 256  # of one call for embeddings or completions
    sound_seconds: float = 7200.0  # of a recording to be written down
    clip_frames: int = 18_000  # of a film, as its header tells
    waiting: int = 16  # calls for embeddings or transcripts that may wait for one model
    schema_characters: int = 32_768
    page_bytes: int = 2048 * MIB  # of files that people sent to the page, and that it made for them
    page_seconds: float = 3600.0  # that they are kept
