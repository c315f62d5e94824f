"""Running: a batch of answers that requests join and leave at every step. R = rows, T = tokens, S = source, V = vocabulary."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from duomo.batch import Batch, Layout, Stream, move
from duomo.blocks.cache import Cache
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.answers import Telling
from duomo.generate.choosing import Allow, Chooser, Lost, TokenLogprob, choose_each, logprobs_of
from duomo.generate.graphed import graphed
from duomo.generate.reader import COLUMNS, MANY, muted, refuse_training
from duomo.generate.sampling import Sampling
from duomo.tokenizer import Tokenizer

if TYPE_CHECKING:
    from duomo.model import Model

Finish = Literal["stop", "length", "deadline"]
MOST_LOGPROBS = 20
CHUNK, WIDE_CHUNK = 256, 4096  # tokens of prompts between two steps: of a processor, and of a GPU


@dataclass(frozen=True)
class Asked:
    """A request as a running batch takes it: one row that `collate.prompt` made, on the model's device.

    `logprobs`: how many alternatives are told of each token; None: not even its own. `stop_ids`: what ends the answer; none: the
    tokenizer's own.
    """

    prompt: Batch
    sampling: Sampling = Sampling()
    logprobs: int | None = None
    allow: Allow | None = None
    stop_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Told:
    """What a step told of the answer `key`: text that nothing can change any more, or its end, or what its own request did wrong."""

    key: int
    text: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fault: Exception | None = None

    @property
    def last(self) -> bool:
        """Whether no more will be told of it."""
        return self.finish is not None or self.fault is not None


@dataclass(eq=False)
class _Answer:
    """One request on its way: waiting, being read, or saying its answer."""

    key: int
    prompt: Batch | None  # until it is read
    begins: int  # tokens of its target
    room: int  # how many tokens may be said
    logprobs: int | None
    stop_ids: tuple[int, ...]
    chooser: Chooser
    telling: Telling
    length: int  # tokens of the prompt: of its source, where it has one
    read: int = 0  # tokens of the target
    untold: list[TokenLogprob] = field(default_factory=list)

    def told(self, text: str, finish: Finish | None = None) -> Told:
        """What is to be told now."""
        logprobs, self.untold = tuple(self.untold), []
        if finish is None:
            return Told(self.key, text, logprobs)
        return Told(self.key, text + self.telling.rest(), logprobs, finish, self.length, len(self.telling.ids))

    def heard(self, id: int) -> Told | None:
        """Takes what was said next; what is to be told of it, if anything is."""
        if id in self.stop_ids:
            return self.told("", "stop")
        self.chooser.take(id)
        text = self.telling.add(id)
        if self.telling.over:
            return self.told(text, "stop")
        if len(self.telling.ids) == self.room:
            return self.told(text, "length")
        return self.told(text) if text or self.untold else None


class Running:
    """Up to `rows` answers of one model side by side, each as it would be alone; others wait in the order they came.

    A cache of `rows` times `capacity` tokens is made once; what runs stands at its front without gaps, so that a step reads only that.
    A row that leaves is replaced by the last. Prompts are read `chunk` tokens between two steps of those that run;
    with media, or for an encoder, each as a whole. On a GPU, texts that wait are read together. `capacity` is at most what the model
    reads. `source`: the longest source of an encoder-decoder; 0: `capacity`.
    Not safe for threads: all calls come from one. Raises ValueError for an encoder.
    """

    def __init__(self, model: "Model", tokenizer: Tokenizer, rows: int = 16, capacity: int = 2048, chunk: int = 0, source: int = 0):
        if model.decoder is None:
            raise ValueError("an encoder can not generate: serve its vectors, or name a model that answers")
        if min(rows, capacity) < 1 or chunk < 0:
            raise ValueError("a running batch has at least 1 row, room for 1 token and chunks of 1 token")
        refuse_training(model)
        capacity = min(capacity, model.recipe.max_positions)
        self.model, self.tokenizer = model, tokenizer
        self.device, self.mute = next(model.parameters()).device, muted(model)
        self.cache = Cache(rows, capacity, self.device, (source or capacity) if model.reads_memory else 0)
        self.graphed = graphed(model, self.cache)
        self.together = self.graphed is not None
        self.chunk = chunk or (WIDE_CHUNK if self.together else CHUNK)
        model.quicken(self.cache, rows >= MANY)
        self.rows, self.waiting, self.running = rows, deque[_Answer](), list[_Answer]()
        self._reading: tuple[_Answer, Cache] | None = None
        self._budget = self.chunk  # tokens of prompts that may be read before the next step
        self.turns, self.said = 0, 0  # turns that did anything, and tokens, since the beginning
        self._texts: dict[int, str] = {}
        self._make_room()

    def add(self, key: int, asked: Asked) -> None:
        """Lets a request wait for its turn. Raises ValueError for one that can not be answered, or has no room for one token."""
        target, source = asked.prompt.target, asked.prompt.source
        if target is None or len(target.ids_BT) != 1:
            raise ValueError("a running batch takes prompts one row at a time")
        refuse(asked.sampling, asked.logprobs)
        lengths = {"prompt": target.ids_BT.shape[1], "source": 0 if source is None else source.ids_BT.shape[1]}
        if (room := self.room(**lengths)) < 1:
            limits = {"prompt": self.cache.capacity, "source": self.cache.source}
            name = next(name for name in limits if lengths[name] > limits[name])
            raise ValueError(f"{lengths[name]:,} tokens, but there is room for {limits[name]:,} at most; shorten it")
        chooser = Chooser(asked.sampling, asked.allow, self.device)
        telling = Telling(self.tokenizer, asked.sampling.stop)
        room, length = min(room, asked.sampling.max_tokens), lengths["source"] or lengths["prompt"]
        asked = replace(asked, stop_ids=asked.stop_ids or (self.tokenizer.stop_id,))
        self.waiting.append(_Answer(key, asked.prompt, lengths["prompt"], room, asked.logprobs, asked.stop_ids, chooser, telling, length))

    def room(self, prompt: int, source: int = 0) -> int:
        """How many tokens may be said after a prompt of so many; below 1: it does not fit. The last one said is never read."""
        return self.cache.capacity + 1 - prompt if source <= self.cache.source else 0

    def cancel(self, key: int) -> None:
        """Forgets a request, wherever it is; its row is free at once."""
        self._remove(key)

    def clear(self) -> None:
        """Forgets all requests."""
        self.running.clear()
        self.waiting.clear()
        self._reading = None

    def end(self, key: int, finish: Finish) -> Told | None:
        """Ends an answer where it stands, and gives what was held back of it; None where there is none."""
        answer = self._remove(key)
        return None if answer is None else answer.told("", finish)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.running or self.waiting or self._reading)

    @property
    def used(self) -> int:
        """Tokens that are held in the cache."""
        reading = 0 if self._reading is None else self._reading[0].read
        return reading + sum(answer.read + len(answer.telling.ids) - 1 for answer in self.running)

    @torch.inference_mode()
    def turn(self) -> list[Told]:
        """One step of all that run, or a part of a prompt: between two steps `chunk` tokens of prompts. What it told, ends included."""
        if self.idle:
            return []
        self.turns += 1
        can_read = self._reading is not None or (bool(self.waiting) and len(self.running) < self.rows)
        if can_read and (self._budget > 0 or not self.running):
            return self._read(self._budget if self.running else self.chunk)
        self._budget = self.chunk
        return self._step()

    def _read(self, most: int) -> list[Told]:
        """Reads at most so many tokens of the prompt whose turn it is; where it ends, its answer begins."""
        if self._reading is None and self.together and len(side := self._side_by_side(most)) > 1:
            return self._read_together(side)
        if self._reading is None:
            self._reading = self.waiting[0], Cache(1, self.waiting.popleft().begins, self.device)
        answer, cache = self._reading
        cache.swift = self.cache.swift
        before = answer.read
        try:
            logits_1V = self._prefill(answer, cache, most)
        except Exception as error:  # one prompt that can not be read takes no other down
            self._reading = None
            return [Told(answer.key, fault=error)]
        finally:
            self._budget -= answer.read - before
        if logits_1V is None:
            return []
        self._reading, answer.prompt = None, None
        self.cache.put(len(self.running), cache)
        self.running.append(answer)
        return self._say(logits_1V, [answer])

    def _side_by_side(self, most: int) -> list[_Answer]:
        """The first of those that wait, as long as they are texts that fit into so many tokens with their padding, and into free rows."""
        found, longest = list[_Answer](), 0
        for answer in list(self.waiting)[: self.rows - len(self.running)]:
            longest = max(longest, answer.begins)
            plain = answer.prompt is not None and answer.prompt.source is None and not _target(answer.prompt).media
            if not plain or (len(found) + 1) * longest > most:
                break
            found.append(answer)
        return found

    def _read_together(self, answers: list[_Answer]) -> list[Told]:
        """Reads whole prompts in one pass, padded left; all their answers begin."""
        longest = max(answer.begins for answer in answers)
        cache = Cache(len(answers), longest, self.device)
        targets = [_target(answer.prompt) for answer in answers]
        ids, group, segment, position = (
            torch.cat([F.pad(getattr(one, name), (longest - one.ids_BT.shape[1], 0)) for one in targets]) for name in COLUMNS
        )
        try:
            logits_RV = self.model.logits(self.model.decode(Stream(ids, group, segment, position), cache=cache)[:, -1])
        except Exception:  # one by one it is told whose fault that is
            self.together = False
            return []
        for row, answer in enumerate(answers):
            self.waiting.remove(answer)
            self._budget -= answer.begins
            answer.read, answer.prompt = answer.begins, None
            self.cache.put(len(self.running), cache, row)
            self.running.append(answer)
        return self._say(logits_RV, answers)

    def _prefill(self, answer: _Answer, cache: Cache, most: int) -> Tensor | None:
        """Reads the next part of a prompt; (1, V), the logits of the answer's first token, where it was the last part."""
        assert answer.prompt is not None
        target, source, start = _target(answer.prompt), answer.prompt.source, answer.read
        whole = bool(target.media) or source is not None
        answer.read = answer.begins if whole else min(start + most, answer.begins)
        columns = {name: getattr(target, name)[:, start : answer.read] for name in COLUMNS}
        memory_1SD = None if source is None else self.model.encode(source)
        hidden_1TD = self.model.decode(replace(target, **columns), source, memory_1SD, cache)
        return self.model.logits(hidden_1TD[:, -1]) if answer.read == answer.begins else None

    def _step(self) -> list[Told]:
        """One more token of each that runs."""
        rows = len(self.running)
        ids_R1 = torch.tensor([answer.telling.ids[-1:] for answer in self.running], device=self.device)
        if self.graphed is not None:
            seen = max(answer.read + len(answer.telling.ids) for answer in self.running)
            return self._say(self.graphed(ids_R1, seen), list(self.running))
        at_R1 = self.cache.length_B[:rows, None]
        new = Stream(ids_R1, at_R1, torch.ones_like(at_R1), at_R1)
        hidden_R1D = self.model.decode(new, self._sources(rows), None, self.cache)
        return self._say(self.model.logits(hidden_R1D[:, -1]), list(self.running))

    def _sources(self, rows: int) -> Stream | None:
        """What the memories of the first rows are memories of, as far as a decoder asks."""
        if not self.model.reads_memory:
            return None
        segment_RS = self.cache.memory_segment(rows)
        return Stream(segment_RS, segment_RS, segment_RS, segment_RS, layout=Layout("mutual", causal=False, padded=True))

    def _say(self, logits_RV: Tensor, answers: list[_Answer]) -> list[Told]:
        """Finds the next token of each of these; those whose last it is leave."""
        logits_RV = logits_RV.float()
        logits_RV[:, self.mute] = -torch.inf
        ids = choose_each(logits_RV, [answer.chooser for answer in answers])
        self.said += len(answers)
        self._weigh(logits_RV, answers, ids)
        for answer, id in zip(answers, ids, strict=True):
            if isinstance(id, Lost):
                self.cache.wipe(self.running.index(answer))
        found = [self._heard(answer, id) for answer, id in zip(answers, ids, strict=True)]
        for answer, told in zip(answers, found, strict=True):
            if told is not None and told.last:
                self._leave(answer)
        return [told for told in found if told is not None]

    def _weigh(self, logits_RV: Tensor, answers: list[_Answer], ids: list[int | Exception]) -> None:
        """Notes the log-probabilities of the tokens of those that asked for them."""
        asked = [
            (row, answer, id, answer.logprobs)
            for row, (answer, id) in enumerate(zip(answers, ids, strict=True))
            if answer.logprobs is not None and isinstance(id, int) and id not in answer.stop_ids
        ]
        if not asked:
            return
        weighed = logprobs_of(logits_RV[[row for row, *_ in asked]], [id for _, _, id, _ in asked], [count for *_, count in asked])
        for (_, answer, id, _), (own, top) in zip(asked, weighed, strict=True):
            likeliest = tuple(TokenLogprob(other, self._text(other), value) for other, value in top)
            answer.untold.append(TokenLogprob(id, self._text(id), own, likeliest))

    def _heard(self, answer: _Answer, id: int | Exception) -> Told | None:
        try:
            return Told(answer.key, fault=id) if isinstance(id, Exception) else answer.heard(id)
        except Exception as error:  # of its own grammar
            return Told(answer.key, fault=error)

    def _text(self, id: int) -> str:
        if id not in self._texts:
            known = self.tokenizer.inner.id_to_token(id) is not None
            self._texts[id] = self.tokenizer.readable(id) if known else f"<{id}>"  # a head may be wider than its tokenizer
        return self._texts[id]

    def _leave(self, answer: _Answer) -> None:
        """Frees a row: the last one takes its place."""
        row, last = self.running.index(answer), len(self.running) - 1
        if row != last:
            self.cache.put(row, self.cache, last)
            self.running[row] = self.running[last]
        self.running.pop()

    @torch.inference_mode()
    def _remove(self, key: int) -> _Answer | None:
        """Takes a request from wherever it is."""
        if self._reading is not None and self._reading[0].key == key:
            answer, self._reading = self._reading[0], None
            return answer
        for answer in (*self.running, *self.waiting):
            if answer.key == key:
                self._leave(answer) if answer in self.running else self.waiting.remove(answer)
                return answer
        return None

    @torch.inference_mode()
    def _make_room(self) -> None:
        """Lets a prompt of one token make the cache, and the kernels ready."""
        batch = prompt([Rendered([0], [False], turn=1)], self.model.recipe.shape)
        answer = _Answer(0, move(batch, self.device), 1, 1, None, (), Chooser(Sampling()), Telling(self.tokenizer), 1)
        first = Cache(1, 1, self.device)
        self._prefill(answer, first, 1)
        self.cache.put(0, first)


def _target(batch: Batch | None) -> Stream:
    assert batch is not None and batch.target is not None
    return batch.target


def refuse(sampling: Sampling, logprobs: int | None = None) -> None:
    """Raises ValueError for what a running batch can not do."""
    if sampling.beams > 1:
        raise ValueError("beams are not searched in a running batch; leave beams at 1")
    if logprobs is not None and not 0 <= logprobs <= MOST_LOGPROBS:
        raise ValueError(f"logprobs: between 0 and {MOST_LOGPROBS} alternatives, not {logprobs}")
