"""Chats: one row of a chat format -> Sample. Our own form is `sample.from_json`; here are the others of the field."""

import re
from collections.abc import Iterator
from typing import Any

from duomo.modalities import MODALITIES
from duomo.sample import Message, Part, Sample, text

SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
}


def from_sharegpt(row: Any) -> Sample:
    """{"conversations": [{"from", "value"}], "system"?, a path or list of paths per modality?, "chosen"?, "rejected"?}.

    Media stand at their placeholder ("<image>"), or before the first user's text where there is none.
    Raises ValueError with the field for what is not a conversation.
    """
    turns = row.get("conversations") if isinstance(row, dict) else None
    if not isinstance(turns, list) or not turns:
        raise ValueError('a ShareGPT record needs "conversations": a list of {"from", "value"}')
    messages = [_turn(turn) for turn in turns]
    if row.get("system"):
        messages.insert(0, Message("system", (text(str(row["system"])),)))
    if row.get("chosen"):
        messages.append(_turn(row["chosen"]))
    rejected = _turn(row["rejected"]).text if row.get("rejected") else None
    return Sample(tuple(_place_media(messages, row)), rejected=rejected)


def from_alpaca(row: Any) -> Sample:
    """{"instruction", "input"?, "output", "system"?, "history"?: [[question, answer]]}."""
    if not isinstance(row, dict):
        raise ValueError('an Alpaca record is an object with "instruction" and "output"')
    for key in ("instruction", "output"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise ValueError(f'an Alpaca record needs "{key}": text')
    messages = [Message("system", (text(row["system"]),))] if row.get("system") else []
    for question, answer in row.get("history") or ():
        messages += [Message("user", (text(question),)), Message("assistant", (text(answer),))]
    question = "\n".join(part for part in (row["instruction"], row.get("input")) if part)
    return Sample((*messages, Message("user", (text(question),)), Message("assistant", (text(row["output"]),))))


def _turn(turn: Any) -> Message:
    if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
        raise ValueError('a turn needs "from" and "value": text')
    speaker = turn.get("from")
    if speaker not in SPEAKERS:
        raise ValueError(f"unknown speaker {speaker!r}; known: {', '.join(SPEAKERS)}")
    return Message(SPEAKERS[speaker], (text(turn["value"]),))


def _place_media(messages: list[Message], row: dict[str, Any]) -> Iterator[Message]:
    waiting = {kind: _paths(row, kind) for kind in MODALITIES if kind in row or kind + "s" in row}
    everything = "".join(message.text for message in messages)
    loose = [Part(kind, path) for kind, paths in waiting.items() if f"<{kind}>" not in everything for path in paths]
    waiting = {kind: paths for kind, paths in waiting.items() if f"<{kind}>" in everything}
    first_user = next((i for i, message in enumerate(messages) if message.role == "user"), 0)
    for i, message in enumerate(messages):
        front = loose if i == first_user else []
        yield Message(message.role, (*front, *_parts(message.text, waiting)))
    for kind, paths in waiting.items():
        if paths:
            raise ValueError(f"more {kind} files than <{kind}> placeholders")


def _parts(value: str, waiting: dict[str, list[str]]) -> Iterator[Part]:
    """The text with its placeholders replaced by what is waiting, which is used up."""
    if not waiting:
        yield text(value)
        return
    for piece in re.split("(" + "|".join(f"<{re.escape(kind)}>" for kind in waiting) + ")", value):
        if piece.startswith("<") and piece[1:-1] in waiting:
            if not waiting[piece[1:-1]]:
                raise ValueError(f"more {piece} placeholders than {piece[1:-1]} files")
            yield Part(piece[1:-1], waiting[piece[1:-1]].pop(0))
        elif piece.strip():
            yield text(piece.strip("\n"))


def _paths(row: dict[str, Any], kind: str) -> list[str]:
    value = row.get(kind) or row.get(kind + "s") or []
    paths = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(path, str) for path in paths):
        raise ValueError(f'"{kind}" is a path or a list of paths')
    return paths
