"""Weighing of the tour: recordings as a language model has read them, so that a question costs it the question's own words alone.

R = recordings, D = width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from duomo.batch import move
from duomo.blocks.cache import Cache
from duomo.data.collate import check, prompt
from duomo.data.render import render
from duomo.generate.nats import tail_nats
from duomo.generate.reader import Reader
from duomo.sample import Message, Sample, ask, text

if TYPE_CHECKING:
    from duomo.commands.ask import Assistant

HEARER = "caller"  # who is spoken to by a telephone
READ: Mapping[bool, str] = {
    True: 'A recording on the telephone says to the caller: "{}" What does this tell the caller? In other words:',
    False: 'A recording says: "{}" What does this tell us? In other words:',
}
SILENT = "..."  # stands in its place where nothing is said
ROOM = 32  # tokens of the words that are weighed


@dataclass(frozen=True)
class Scale:
    """Recordings with what the model made of them in the frame of a question, and of silence as the last row."""

    writer: "Assistant"
    texts: tuple[str, ...]
    reader: Reader
    last_R1D: Tensor

    def gained(self, words: str, texts: Sequence[str]) -> list[float]:
        """By how many nats each text makes the words likelier than silence does: as `gained`. Raises KeyError for one it did not read."""
        places = {one: place for place, one in enumerate((*self.texts, SILENT))}
        rows_R = torch.tensor([places[one] for one in (*texts, SILENT)], device=self.last_R1D.device)
        tail = _tail(self.writer, words)
        costs = tail_nats(self.reader.fork(rows_R), self.last_R1D[rows_R], [[tail]] * len(rows_R)).tolist()
        return [costs[-1] - cost for cost in costs[:-1]]

    def suits(self, words: str, texts: Sequence[str]) -> bool:
        """Whether it has read these, and has room for the words."""
        return set(texts) <= set(self.texts) and len(_tail(self.writer, words)) <= ROOM


def scale(writer: "Assistant", hearer: bool, texts: Sequence[str]) -> Scale:
    """Reads recordings, and silence, in the frame of a question for a caller or of another."""
    model, tokenizer = writer.run.model, writer.run.tokenizer
    known = tuple(dict.fromkeys(texts))
    items = [render(ask(READ[hearer].format(one)), tokenizer, {}, Path(), False) for one in (*known, SILENT)]
    device = next(model.parameters()).device
    batch = move(check(prompt(items, model.recipe.shape), model.placeholder), device)
    assert batch.target is not None  # a model that writes
    reader = Reader(model, batch, 0)
    # All words are read at once: neither quick steps nor packed weights are wanted, as a reader with room for them would make.
    reader.cache = Cache(len(items), batch.target.ids_BT.shape[1] + ROOM, device)
    with torch.inference_mode():
        return Scale(writer, known, reader, reader.hidden()[:, -1:])


def gained(writer: "Assistant", words: str, texts: Sequence[str]) -> list[float]:
    """By how many nats each text makes the words likelier than silence does."""
    frame = READ[HEARER in words]
    said = writer.speaker.likelihood([ask(frame.format(one), answer=words) for one in (*texts, SILENT)])
    costs = [one.nats or 0.0 for one in said]
    return [costs[-1] - cost for cost in costs[:-1]]


def _tail(writer: "Assistant", words: str) -> list[int]:
    """The tokens of an answer with its end."""
    item = render(Sample((Message("assistant", (text(words),)),)), writer.run.tokenizer, {}, Path())
    return item.ids[item.turn :]
