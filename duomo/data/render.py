"""Render: a Sample becomes ids, learned flags and cut media. Training, evaluation, alignment and chat share this file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from duomo.batch import Patches
from duomo.modalities import MODALITIES
from duomo.recipe import CutRecipe
from duomo.sample import TEXT, Message, Part, Sample, text
from duomo.tokenizer import Tokenizer


@dataclass
class Rendered:
    """A sample as the model will read it. `learn` is true at the assistant's tokens; media in reading order."""

    ids: list[int] = field(default_factory=list)
    learn: list[bool] = field(default_factory=list)
    media: list[tuple[str, Patches]] = field(default_factory=list)
    turn: int = 0  # where the last assistant turn's content begins: an encoder-decoder is cut here
    weight: float = 1.0  # how much its labels count

    def add(self, ids: list[int], learn: bool) -> None:
        """Appends tokens."""
        self.ids += ids
        self.learn += [learn] * len(ids)


Cutter = Callable[[Part, Mapping[str, CutRecipe], Path], Patches]


def cut(part: Part, cuts: Mapping[str, CutRecipe], root: Path) -> Patches:
    """Reads and cuts one piece of media; a relative path lies inside `root`."""
    if part.kind not in cuts:
        raise ValueError(f"this model has no sense for {part.kind!r}; it has: {', '.join(cuts) or 'none'}")
    modality = MODALITIES[part.kind]
    if isinstance(part.value, bytes):
        return modality.cut(modality.read(part.value, cuts[part.kind]), cuts[part.kind])
    path = root / part.value
    if not path.is_file():
        raise ValueError(f"{path}: no such {part.kind} file; check the path")
    return modality.cut(modality.read(path, cuts[part.kind]), cuts[part.kind])


def render(
    sample: Sample, tokenizer: Tokenizer, cuts: Mapping[str, CutRecipe], root: Path, answer: bool = True, cutter: Cutter = cut
) -> Rendered:
    """The whole conversation; with `answer` false the last assistant message is left open for the model to write.

    `cutter` may remember what it has cut. Raises ValueError, with the file, for media that can not be read, and for kinds that
    the model has no sense for.
    """
    out = Rendered()
    messages = sample.messages
    if not answer and messages and messages[-1].role == "assistant":
        messages = messages[:-1]
    if tokenizer.chat.system is not None and messages and messages[0].role != "system":
        messages = (Message("system", (text(tokenizer.chat.system),)), *messages)
    out.add(list(tokenizer.pieces(tokenizer.chat.begin)), False)
    for message in messages:
        _message(out, message, tokenizer, lambda part: cutter(part, cuts, root))
    if not answer:
        out.add(list(tokenizer.pieces(tokenizer.chat.open("assistant"))), False)
        out.turn = len(out.ids)
    return out


def _message(out: Rendered, message: Message, tokenizer: Tokenizer, cutter: Callable[[Part], Patches]) -> None:
    learn = message.role == "assistant"
    opening, lead = tokenizer.chat.open(message.role), ""
    if opening and opening[-1] not in tokenizer.special and message.parts[:1] and message.parts[0].kind == TEXT and not learn:
        opening, lead = opening[:-1], opening[-1]  # text before text is cut into tokens with it, as the whole prompt would be
    out.add(list(tokenizer.pieces(opening)), False)
    if learn:
        out.turn = len(out.ids)
    for part in message.parts:
        if part.kind == TEXT:
            out.add(tokenizer.encode(lead + str(part.value)), learn)
            lead = ""
        else:
            patches = cutter(part)
            out.media.append((part.kind, patches))
            out.add([tokenizer.special[f"<|{part.kind}|>"]] * patches.tokens, False)
    out.add(list(tokenizer.pieces(tokenizer.chat.close(message.role))), learn)
