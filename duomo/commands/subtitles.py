"""Subtitles: a transcript as text, SubRip, WebVTT or JSON."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duomo.generate.transcript import Piece, Transcript


def txt(transcript: "Transcript") -> str:
    """One line for each piece."""
    return "".join(f"{piece.text.strip()}\n" for piece in transcript.pieces)


def srt(transcript: "Transcript") -> str:
    """SubRip: numbered pieces with their times, a comma before the milliseconds."""
    return "\n".join(f"{number}\n{_times(piece, ',')}\n{_plain(piece)}\n" for number, piece in enumerate(transcript.pieces, 1))


def vtt(transcript: "Transcript") -> str:
    """WebVTT, for browsers (W3C)."""
    escaped = (_plain(piece).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for piece in transcript.pieces)
    return "WEBVTT\n" + "".join(f"\n{_times(piece, '.')}\n{text}\n" for piece, text in zip(transcript.pieces, escaped, strict=True))


def as_json(transcript: "Transcript") -> str:
    """Everything that is known: language, length, text, pieces with times in seconds and mean log-probabilities."""
    pieces = [
        {"start": round(piece.begin, 2), "end": round(piece.end, 2), "text": piece.text.strip()}
        | ({} if piece.nats is None else {"mean_log_probability": round(piece.nats, 3)})
        for piece in transcript.pieces
    ]
    told = {"language": transcript.language, "seconds": round(transcript.seconds, 2), "text": transcript.text, "segments": pieces}
    return json.dumps(told | ({"fault": transcript.fault} if transcript.fault else {}), ensure_ascii=False, indent=1) + "\n"


FORMATS: Mapping[str, Callable[["Transcript"], str]] = {"txt": txt, "srt": srt, "vtt": vtt, "json": as_json}


def _times(piece: "Piece", point: str) -> str:
    return f"{_clock(piece.begin, point)} --> {_clock(piece.end, point)}"


def _clock(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{point}{milliseconds:03d}"


def _plain(piece: "Piece") -> str:
    """On one line, without the arrow that stands between times."""
    return " ".join(piece.text.split()).replace("-->", "->")
