"""Messages: a conversation in OpenAI's JSON becomes a Sample. What a part holds is bytes: no address is fetched, no file opened."""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from duomo.modalities.audio import AUDIO
from duomo.modalities.files import reading
from duomo.modalities.image import FORMATS, IMAGE
from duomo.modalities.pixels import open_picture
from duomo.modalities.video import VIDEO
from duomo.sample import TEXT, Message, Part, Sample, text
from duomo.serve.clips import refuse_long
from duomo.serve.fault import Fault
from duomo.serve.limits import Limits

SAID = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def conversation(messages: Sequence[Any], limits: Limits) -> Sample:
    """The conversation to answer. Raises Fault naming the message and the part at fault, and the mend."""
    if len(messages) > limits.messages:
        raise Fault(400, f"messages: {len(messages)}, at most {limits.messages} are read", "messages", "too_many_messages")
    sample = Sample(tuple(_message(one, f"messages[{place}]", limits) for place, one in enumerate(messages)))
    if sample.messages[-1].role != "user":
        raise Fault(400, "messages: the last one is the user's, for it is what is answered", "messages", "invalid_value")
    if sum(len(message.text) for message in sample.messages) > limits.text_characters:
        raise Fault(400, f"messages: more than {limits.text_characters:,} characters", "messages", "context_length_exceeded")
    if sum(1 for _ in sample.media()) > limits.media:
        raise Fault(400, f"messages: more than {limits.media} files; send fewer", "messages", "too_many_parts")
    return sample


def _message(row: Any, where: str, limits: Limits) -> Message:
    if not isinstance(row, dict) or not isinstance(row.get("role"), str) or row["role"] not in SAID:
        raise Fault(400, f"{where}: a message has a role, one of {', '.join(SAID)}", where, "invalid_value")
    for name in sorted(name for name in row if name not in ("role", "content", "refusal") and row[name] not in (None, [])):
        raise Fault(400, f"{where}.{str(name)[:60]}: is not shown to the model; leave it out", where, "unsupported_field")
    return Message(SAID[row["role"]], tuple(_content(row, where, limits)))


def _content(row: Mapping[str, Any], where: str, limits: Limits) -> Iterator[Part]:
    content = row.get("content")
    if isinstance(content, str) and (content or row["role"] != "user"):
        yield text(content)
        return
    if not isinstance(content, list) or not content:
        raise Fault(400, f"{where}.content: is a text, or a list of parts", f"{where}.content", "invalid_value")
    if len(content) > limits.parts:
        raise Fault(400, f"{where}.content: {len(content)} parts, at most {limits.parts} are read", where, "too_many_parts")
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in PARTS:
            raise Fault(400, f"{where}.content[{place}]: a part has a type, one of {', '.join(PARTS)}", where, "invalid_value")
        if kind != TEXT and row["role"] != "user":
            raise Fault(400, f"{where}.content[{place}]: files stand in the user's messages only", where, "invalid_value")
        yield PARTS[kind](part.get(kind), f"{where}.content[{place}]", limits)


def _text(value: Any, where: str, limits: Limits) -> Part:
    if not isinstance(value, str):
        raise Fault(400, f'{where}: a text part is {{"type": "text", "text": "…"}}', where, "invalid_value")
    return text(value)


def _picture(value: Any, where: str, limits: Limits) -> Part:
    data = _data_url(value, where)
    try:
        with reading(data, "a PNG, JPEG, WebP or GIF picture") as file:
            open_picture(file, FORMATS)  # its header alone is read
    except ValueError as error:
        raise Fault(400, f"{where}: {error}", where, "invalid_image") from error
    return Part(IMAGE.name, data)


def _clip(value: Any, where: str, limits: Limits) -> Part:
    data = _data_url(value, where)
    try:
        refuse_long(data, limits.clip_frames)
    except ValueError as error:
        raise Fault(400, f"{where}: {error}", where, "invalid_video") from error
    return Part(VIDEO.name, data)


def _sound(value: Any, where: str, limits: Limits) -> Part:
    if not isinstance(value, dict) or not isinstance(value.get("data"), str):
        raise Fault(400, f'{where}: a sound is {{"data": BASE64, "format": "wav"}}', where, "invalid_value")
    known = [suffix.removeprefix(".") for suffix in (AUDIO.suffix, *AUDIO.suffixes)]
    if value.get("format") not in known:
        raise Fault(400, f"{where}: format is one of {', '.join(known)}", where, "invalid_value")
    return Part(AUDIO.name, _base64(value["data"], where))


PARTS: Mapping[str, Callable[[Any, str, Limits], Part]] = {
    "text": _text,
    "image_url": _picture,
    "video_url": _clip,
    "input_audio": _sound,
}


def _data_url(value: Any, where: str) -> bytes:
    """The bytes of {"url": "data:…;base64,…"}. Raises Fault for any other address: nothing is ever fetched or opened."""
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str) or not url[:5].lower() == "data:":
        raise Fault(400, f"{where}: only data: URLs are read, as data:image/png;base64,…; nothing is fetched", where, "invalid_url")
    head, comma, body = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise Fault(400, f"{where}: a data: URL ends its head with ;base64, and a comma", where, "invalid_url")
    return _base64(body, where)


def _base64(body: str, where: str) -> bytes:
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Fault(400, f"{where}: is not base64; encode the file's bytes", where, "invalid_base64") from error
    if not data:
        raise Fault(400, f"{where}: holds no bytes", where, "invalid_base64")
    return data
