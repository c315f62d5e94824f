"""Answers: samples in, texts out."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from duomo.batch import Batch, Stream, move
from duomo.data.collate import Masker, check, collate, prompt
from duomo.data.render import Cutter, Rendered, cut, render
from duomo.generate.beams import beam_search
from duomo.generate.nats import continuation_nats, label_nats
from duomo.generate.sampling import Sampling
from duomo.generate.tokens import generate
from duomo.model import Model, cuts
from duomo.sample import Message, Sample, text, unanswered
from duomo.tokenizer import Tokenizer

WINDOW = 16  # batches that are rendered at once, then sorted by length
PARTED = 8  # batches as one, at most, where rows part into choices
HALF = "\ufffd"  # what bytes are decoded to that are no whole character


@dataclass(frozen=True)
class Said:
    """What the model said. `nats`: what it cost where that was asked; `seconds`: its share of the batch's time; `costs`: of each choice.

    `ended`: whether the model closed it, or the bound on its tokens.
    """

    text: str
    nats: float | None = None
    seconds: float = 0.0
    costs: tuple[float, ...] = ()
    ended: bool = True


@dataclass(frozen=True)
class Speaker:
    """A model that answers samples, in their order, whatever way they are batched.

    Relative media paths lie inside `root`; `batch` rows are read at once; `cutter` may remember what it has cut. All methods
    raise ValueError for media that can not be read, and for what is longer than the model reads.
    """

    model: Model
    tokenizer: Tokenizer
    root: Path = Path()
    sampling: Sampling = Sampling()
    batch: int = 32
    cutter: Cutter = cut

    def answer(self, samples: Sequence[Sample], max_tokens: int | None = None) -> list[Said]:
        """Writes an answer to each; what a sample holds of an answer is not shown. Raises ValueError for an encoder."""
        sampling = replace(self.sampling, max_tokens=max_tokens or self.sampling.max_tokens)
        return self._each(samples, self._open, lambda chosen, items: self._write(chosen, items, sampling))

    def stream(self, sample: Sample) -> Iterator[str]:
        """The same answer piece by piece, whole characters only, as soon as nothing can change them any more."""
        if self.sampling.beams > 1:
            yield self.answer([sample])[0].text
            return
        telling = Telling(self.tokenizer, self.sampling.stop)
        prompted = self._prompt([sample], [self._open(sample)], self.sampling.max_tokens)
        for id in map(int, generate(self.model, prompted, self.sampling, self.tokenizer.stop_id)):
            if id == self.tokenizer.stop_id:
                break
            if piece := telling.add(id):
                yield piece
            if telling.over:
                return
        if rest := telling.rest():
            yield rest

    def rank(self, samples: Sequence[Sample]) -> list[Said]:
        """The likeliest of each sample's `choices`, its end included, with its nats; an encoder fills a cloze of masks."""
        lacking = [sample for sample in samples if not sample.choices]
        if lacking:
            raise ValueError(f"{_name(lacking[0])}has no choices to rank; give some, or ask for an answer")
        if self.model.decoder is None:
            return self._fill(samples)
        most = max((len(sample.choices) for sample in samples), default=1)
        return self._each(samples, self._open, self._pick, max(1, min(self.batch, PARTED * self.batch // most)))

    def likelihood(self, samples: Sequence[Sample]) -> list[Said]:
        """The last assistant message of each, with its nats, its end included."""
        return self._each(samples, self._closed, self._weigh)

    def length(self, sample: Sample) -> int:
        """How many tokens the model reads before it begins to answer."""
        return len(self._open(sample).ids)

    @property
    def room(self) -> int:
        """How many tokens of question leave room for the longest answer."""
        return self.model.recipe.max_positions - self.sampling.max_tokens

    def _open(self, sample: Sample) -> Rendered:
        return render(sample, self.tokenizer, cuts(self.model.recipe), self.root, False, self.cutter)

    def _closed(self, sample: Sample) -> Rendered:
        """Learned is the last turn alone."""
        item = render(sample, self.tokenizer, cuts(self.model.recipe), self.root, True, self.cutter)
        if not any(item.learn):
            raise ValueError(f"{_name(sample)}has no assistant message, so there is no likelihood; give it one")
        return replace(item, learn=[False] * item.turn + item.learn[item.turn :])

    def _each(
        self,
        samples: Sequence[Sample],
        rendered: Callable[[Sample], Rendered],
        work: Callable[[Sequence[Sample], Sequence[Rendered]], list[Said]],
        size: int | None = None,
    ) -> list[Said]:
        """Renders a window of samples, works on those of like length together, gives what was said in the first order."""
        found, size = dict[int, Said](), size or self.batch
        for window in _slices(range(len(samples)), WINDOW * self.batch):
            items = {i: rendered(samples[i]) for i in window}
            for chosen in _slices(sorted(window, key=lambda i: len(items[i].ids)), size):
                began = time.monotonic()
                said = work([samples[i] for i in chosen], [items[i] for i in chosen])
                seconds = (time.monotonic() - began) / len(chosen)
                found |= {i: replace(one, seconds=seconds) for i, one in zip(chosen, said, strict=True)}
        return [found[i] for i in range(len(samples))]

    def _write(self, samples: Sequence[Sample], items: Sequence[Rendered], sampling: Sampling) -> list[Said]:
        prompted, stop_id = self._prompt(samples, items, sampling.max_tokens), self.tokenizer.stop_id
        if sampling.beams > 1:
            rows = beam_search(self.model, prompted, sampling, stop_id)
        else:
            said = torch.stack(list(generate(self.model, prompted, sampling, stop_id)), 1).tolist()
            rows = [row[: row.index(stop_id)] if stop_id in row else row for row in said]
        return [Said(until(self.tokenizer.decode(row), sampling.stop), ended=len(row) < sampling.max_tokens) for row in rows]

    def _pick(self, samples: Sequence[Sample], items: Sequence[Rendered]) -> list[Said]:
        tails = [[self._tail(choice) for choice in sample.choices] for sample in samples]
        prompted = self._prompt(samples, items, max(len(tail) for row in tails for tail in row))
        nats = continuation_nats(self.model, prompted, tails).split([len(row) for row in tails])
        return [_likeliest(sample, costs) for sample, costs in zip(samples, nats, strict=True)]

    def _fill(self, samples: Sequence[Sample]) -> list[Said]:
        for sample in samples:
            lengths = {choice: len(self._tail(choice)) - 1 for choice in sample.choices}
            if len(set(lengths.values())) > 1:  # the number of masks would tell the answer
                told = ", ".join(f"{choice!r} {length}" for choice, length in lengths.items())
                raise ValueError(f"{_name(sample)}an encoder ranks choices of equally many tokens, not {told}; word them otherwise")
        filled = [_answered(sample, choice) for sample in samples for choice in sample.choices]
        nats = torch.tensor([said.nats for said in self.likelihood(filled)]).split([len(sample.choices) for sample in samples])
        return [_likeliest(sample, costs) for sample, costs in zip(samples, nats, strict=True)]

    def _weigh(self, samples: Sequence[Sample], items: Sequence[Rendered]) -> list[Said]:
        mask = self.tokenizer.special.get("<|mask|>")
        hidden = None if mask is None else Masker.answers(mask)
        batch = self._checked(samples, collate([[item] for item in items], self.model.recipe.shape, hidden), 0)
        nats = label_nats(self.model, batch).tolist()
        return [Said(sample.answer, cost) for sample, cost in zip(samples, nats, strict=True)]

    def _prompt(self, samples: Sequence[Sample], items: Sequence[Rendered], answer: int) -> Batch:
        return self._checked(samples, prompt(items, self.model.recipe.shape), answer)

    def _checked(self, samples: Sequence[Sample], batch: Batch, answer: int) -> Batch:
        """The batch on the model's device, if it and `answer` tokens more fit; the last sample is the longest."""
        limit, needed = self.model.recipe.max_positions, max(_width(batch.source), _width(batch.target) + answer)
        if needed > limit:
            mend = "shorten it" + (", or ask for a shorter answer (max_tokens)" if answer else "")
            raise ValueError(f"{_name(samples[-1])}{needed:,} tokens, but the model reads {limit:,} at most; {mend}")
        return move(check(batch, self.model.placeholder), next(self.model.parameters()).device)

    def _tail(self, choice: str) -> list[int]:
        """The tokens of an answer with its end."""
        item = render(Sample((Message("assistant", (text(choice),)),)), self.tokenizer, {}, self.root)
        return item.ids[item.turn :]


class Telling:
    """An answer that grows token by token, told in pieces: whole characters only, as soon as nothing can change them any more.

    Only tokens whose text is not told yet are decoded, and the one before them: an answer of twice the length costs twice as much.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()):
        self.tokenizer, self.stops = tokenizer, stops
        self.ids = list[int]()
        self._first, self._text, self._sent = 0, "", 0  # the text of the ids from the first of these on, and how much of it was told

    def add(self, id: int) -> str:
        """What is certain by this token and was not before."""
        self.ids.append(id)
        self._text = self.tokenizer.decode(self.ids[self._first :])
        piece = self._more(certain(self._untold, self.stops))
        if self._sent == len(self._text):
            self._first = len(self.ids) - 1  # it stays, for some tokenizers write a first token otherwise
            self._text = self.tokenizer.decode(self.ids[self._first :])
            self._sent = len(self._text)
        return piece

    def rest(self) -> str:
        """What was held back, where no more tokens come."""
        return self._more(until(self._untold, self.stops))

    @property
    def over(self) -> bool:
        """Whether one of the stops was said: none begins in what was told, for what may be its beginning is held back."""
        return ended(self._untold, self.stops) is not None

    @property
    def _untold(self) -> str:
        return self._text[self._sent :]

    def _more(self, sure: str) -> str:
        self._sent += len(sure)
        return sure


def ended(body: str, stops: Sequence[str]) -> tuple[int, int] | None:
    """The first stop of a text: where it is over and where it begins; of those over at once the longest."""
    found = [(at + len(stop), at) for stop in stops if (at := body.find(stop)) >= 0]
    return min(found, default=None)


def until(body: str, stops: Sequence[str]) -> str:
    """The text before its first stop, without a half character at the end."""
    end = ended(body, stops)
    return (body if end is None else body[: end[1]]).rstrip(HALF)


def certain(body: str, stops: Sequence[str]) -> str:
    """What of a growing text no further token can change: less half characters, and what may be the beginning of a stop."""
    body, over = until(body, stops), ended(body, stops)
    held = [n for stop in stops for n in range(1, len(stop)) if body.endswith(stop[:n])]
    return body if over or not held else body[: -max(held)].rstrip(HALF)


def _likeliest(sample: Sample, nats_C: Tensor) -> Said:
    return Said(sample.choices[int(nats_C.argmin())], float(nats_C.min()), costs=tuple(nats_C.tolist()))


def _answered(sample: Sample, answer: str) -> Sample:
    return replace(unanswered(sample), messages=(*unanswered(sample).messages, Message("assistant", (text(answer),))))


def _name(sample: Sample) -> str:
    return f"{sample.origin.source} {sample.origin.id}: " if sample.origin else ""


def _width(stream: Stream | None) -> int:
    return 0 if stream is None else stream.ids_BT.shape[1]


def _slices(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (order[at : at + size] for at in range(0, len(order), size))
