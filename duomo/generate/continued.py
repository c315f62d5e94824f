"""Continued: a text goes on where it ends, without a conversation. B = rows."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from duomo.batch import Batch, move
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.answers import HALF
from duomo.generate.nats import continuation_nats
from duomo.generate.sampling import Sampling
from duomo.generate.tokens import generate
from duomo.model import Model
from duomo.tokenizer import CHAT_FORMATS, ChatFormat, Tokenizer, plain

ROWS = 16  # continuations that are written at once
LONGEST = 32  # characters of a token, at most: what lies further back than all that is read is not even cut into tokens


@dataclass(frozen=True)
class Continued:
    """One continuation. `nats`: what a token of it cost on average; `ended`: whether the model closed the text, or was cut."""

    text: str
    tokens: int
    nats: float
    ended: bool


@dataclass(frozen=True)
class Continuer:
    """A model that goes on with texts; `tokenizer` is one that `continuing` gave.

    Raises ValueError for an encoder, and where no room is left for a beginning.
    """

    model: Model
    tokenizer: Tokenizer
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        if self.model.decoder is None:
            raise ValueError("an encoder writes no text; name a model that does, such as smollm2")
        if self.room < 1:
            most, wanted = self.model.recipe.max_positions, self.sampling.max_tokens
            raise ValueError(f"{wanted:,} tokens are more than the model reads and writes together, {most:,} at most; ask for fewer")

    @property
    def room(self) -> int:
        """How many tokens of a beginning are read."""
        return self.model.recipe.max_positions - self.sampling.max_tokens - len(self._marks())

    def unread(self, beginning: str) -> bool:
        """Whether a beginning is longer than what is read of it: its end."""
        return len(self._ids(beginning)) > self.room

    def write(self, beginning: str, count: int = 1) -> list[Continued]:
        """`count` continuations, drawn apart; of a temperature of 0 all are the same."""
        found = list[Continued]()
        for at in range(0, count, ROWS):
            batch = self._prompt(beginning, min(ROWS, count - at))
            sampling = replace(self.sampling, seed=self.sampling.seed + at)
            ids_BS = torch.stack(list(generate(self.model, batch, sampling, self.tokenizer.stop_id)), 1)
            found += self._told(beginning, ids_BS.tolist())
        return found

    def stream(self, beginning: str) -> Iterator[str]:
        """The first of these continuations piece by piece, whole characters only."""
        said, sent, stop = list[int](), 0, self.tokenizer.stop_id
        for id_B in generate(self.model, self._prompt(beginning, 1), self.sampling, stop):
            if int(id_B) == stop:
                return
            said.append(int(id_B))
            text = self._text(said)
            if len(text) > sent:
                yield text[sent:]
                sent = len(text)

    def _told(self, beginning: str, rows: list[list[int]]) -> list[Continued]:
        stop = self.tokenizer.stop_id
        tails = [row[: row.index(stop) + 1] if stop in row else row for row in rows]
        nats_B = continuation_nats(self.model, self._prompt(beginning, 1), [tails]).tolist()
        return [
            Continued(self._text([id for id in tail if id != stop]), len(tail), nats / len(tail), tail[-1] == stop)
            for tail, nats in zip(tails, nats_B, strict=True)
        ]

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids).rstrip(HALF)

    def _prompt(self, beginning: str, rows: int) -> Batch:
        marks = self._marks()
        ids = marks + self._ids(beginning)[-self.room :]
        item = Rendered(ids, [False] * len(ids), turn=len(marks))
        return move(prompt([item] * rows, self.model.recipe.shape), next(self.model.parameters()).device)

    def _ids(self, beginning: str) -> list[int]:
        return self.tokenizer.encode(beginning[-LONGEST * (self.room + 1) :])

    def _marks(self) -> list[int]:
        return list(self.tokenizer.pieces(self.tokenizer.chat.begin))


def continuing(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer for texts without a conversation, as its model learned them.

    A model that was trained here learned texts as what its assistant says alone; any other as what stands between two ends of text, as
    base models do. Raises ValueError for a tokenizer that has no end of text.
    """
    own = CHAT_FORMATS["duomo"]
    if tokenizer.chat.open("assistant") == own.open("assistant"):
        begin, stop = (*own.begin, *own.open("assistant")), own.stop
    else:
        chat = plain(tokenizer.inner)
        begin, stop = chat.begin or (chat.stop,), chat.stop
    other = copy.copy(tokenizer)
    other.chat = ChatFormat(begin, lambda role: (), lambda role: (stop,) if role == "assistant" else (), stop)
    return other
