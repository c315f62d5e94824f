"""Sample: the one record that every stage reads and writes, one JSON line each."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

ROLES = ("system", "user", "assistant", "tool")
TEXT = "text"


@dataclass(frozen=True)
class Part:
    """One piece of a message: the text itself, or where its media lies.

    `kind` is "text" or the name of a modality; `value` is the text, a path inside the data root, or the file's bytes.
    """

    kind: str
    value: str | bytes


@dataclass(frozen=True)
class Message:
    """What one speaker says. The model learns what the assistant says."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(str(part.value) for part in self.parts if part.kind == TEXT)


@dataclass(frozen=True)
class Origin:
    """Where a sample comes from. Samples of one `group` (a picture, a voice, a document) never straddle a split."""

    source: str
    id: str
    licence: str = ""
    group: str = ""
    synthetic: bool = False


@dataclass(frozen=True)
class Sample:
    """A conversation that ends with the answer. `choices` are answers to rank; none means: generate."""

    messages: tuple[Message, ...]
    choices: tuple[str, ...] = ()
    rejected: str | None = None
    origin: Origin | None = None

    @property
    def answer(self) -> str:
        """The text of the last assistant message; "" where there is none."""
        return next((m.text for m in reversed(self.messages) if m.role == "assistant"), "")

    def media(self) -> Iterator[Part]:
        """All parts that are not text, in reading order."""
        return (part for message in self.messages for part in message.parts if part.kind != TEXT)


def text(value: str) -> Part:
    """A text part."""
    return Part(TEXT, value)


def ask(*parts: Part | str, answer: str | None = None, **more: Any) -> Sample:
    """One question and, where known, its answer: `ask(Part("image", "x.png"), "what is this?", answer="a cat")`."""
    user = Message("user", tuple(text(p) if isinstance(p, str) else p for p in parts))
    messages = (user,) if answer is None else (user, Message("assistant", (text(answer),)))
    return Sample(messages, **more)


def document(value: str) -> Sample:
    """A text without a question: all of it is learned."""
    return Sample((Message("assistant", (text(value),)),))


def unanswered(sample: Sample) -> Sample:
    """The same sample without its last assistant message."""
    last = sample.messages[-1:]
    return replace(sample, messages=sample.messages[:-1]) if last and last[0].role == "assistant" else sample


def to_json(sample: Sample) -> dict[str, Any]:
    """The chat-messages form of the field (design section 6); media bytes become data URLs."""
    row: dict[str, Any] = {"messages": [{"role": m.role, "content": _content(m)} for m in sample.messages]}
    row |= {"choices": list(sample.choices), "rejected": sample.rejected}
    if sample.origin:
        row["origin"] = dict(vars(sample.origin))
    return row


def from_json(row: Any) -> Sample:
    """The inverse of `to_json`. Raises ValueError, with the field and the mend, for what is not a sample."""
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list) or not row["messages"]:
        raise ValueError('a sample needs "messages": a list of {"role", "content"}')
    origin = row.get("origin")
    if origin is not None and not isinstance(origin, dict):
        raise ValueError('"origin" is an object with "source" and "id"')
    known = {key: value for key, value in (origin or {}).items() if key in Origin.__dataclass_fields__}
    return Sample(
        tuple(_message(m) for m in row["messages"]),
        tuple(map(str, row.get("choices") or ())),
        row.get("rejected"),
        Origin(**({"source": "", "id": ""} | known)) if origin else None,
    )


def _content(message: Message) -> str | list[dict[str, str]]:
    if len(message.parts) == 1 and message.parts[0].kind == TEXT:
        return str(message.parts[0].value)
    return [{"type": part.kind, part.kind: _plain(part.value)} for part in message.parts]


def _plain(value: str | bytes) -> str:
    return value if isinstance(value, str) else "data:;base64," + base64.b64encode(value).decode()


def _message(row: Any) -> Message:
    if not isinstance(row, dict) or row.get("role") not in ROLES:
        raise ValueError(f'a message needs a "role", one of {", ".join(ROLES)}')
    content = row.get("content")
    if isinstance(content, str):
        return Message(row["role"], (text(content),))
    if not isinstance(content, list) or not content:
        raise ValueError(f'the {row["role"]} message needs "content": text, or a list of parts')
    return Message(row["role"], tuple(_part(part) for part in content))


def _part(row: Any) -> Part:
    kind = row.get("type") if isinstance(row, dict) else None
    if not isinstance(kind, str) or not isinstance(row.get(kind), str):
        raise ValueError('a part needs "type" and a field of that name, as {"type": "text", "text": "…"}')
    value = row[kind]
    if kind != TEXT and value.startswith("data:"):
        return Part(kind, base64.b64decode(value.partition(",")[2]))
    return Part(kind, value)
