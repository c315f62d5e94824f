"""Listen: a Whisper writes down windows of sound, with timestamps.

B = rows, C = rows still to be done, L = samples, S = tokens said, V = vocabulary.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from duomo.batch import Batch, move
from duomo.data.collate import stream
from duomo.data.render import Rendered
from duomo.generate.reader import Reader
from duomo.generate.script import Script, languages, looped, restrained
from duomo.modalities.audio import AUDIO, RATE
from duomo.model import Model, cuts
from duomo.tokenizer import Tokenizer

TEMPERATURES = (0.2, 0.4, 0.6, 0.8)  # of the one more try, side by side as rows, where the likeliest words will not do
MOST_TOKENS = 224  # of a window
TOKENS, TOKENS_A_SECOND = 16, 20  # no window says more: nobody speaks faster
LEAST_NATS = -1.0  # a token's mean log-probability below which a text is not believed (Radford et al. 2022, 4.5)
MOST_RATIO = 2.4  # of a text's length to that of its compressed form: above it the text repeats itself
SILENT = 1e-4  # the peak below which nothing was recorded


@dataclass(frozen=True)
class Guard:
    """When a window is taken for silence: at once, or if the text is doubtful as well. Shares of the no-speech token."""

    sure: float = 0.8
    doubtful: float = 0.6


@dataclass(frozen=True)
class Heard:
    """What a window said. `nats`: mean log-probability of its tokens; `silence`: the share of the no-speech token."""

    ids: tuple[int, ...]
    language: str
    nats: float = 0.0
    silence: float = 0.0
    tries: int = 1


@dataclass(frozen=True)
class Start:
    """Windows that were read, before anything is written."""

    reader: Reader
    logits_CV: Tensor  # after the start of the script: they tell the language, and whether anybody speaks
    languages: Sequence[str]
    limits_C: Tensor
    translate: bool
    seed: int


@dataclass(frozen=True)
class Listener:
    """A Whisper that hears windows of at most `seconds`, several at once, whatever way they are batched."""

    model: Model
    tokenizer: Tokenizer
    script: Script
    guard: Guard = Guard()

    @property
    def seconds(self) -> float:
        """The longest window."""
        recipe = cuts(self.model.recipe)[AUDIO.name]
        return recipe.size[0] / recipe.rate

    @torch.inference_mode()
    def hear(self, windows: Sequence[np.ndarray], spoken: Sequence[str | None], translate: bool = False, seed: int = 0) -> list[Heard]:
        """What each window (L,) of sound at 16 kHz says. `spoken`: its language, None: to be found.

        Silence is found before anything is written. A text that repeats itself or is unlikely is tried once more, warmer.
        """
        loud = [place for place, window in enumerate(windows) if len(window) and np.abs(window).max() > SILENT]
        found = {place: Heard((), spoken[place] or "", silence=1.0) for place in range(len(windows)) if place not in loud}
        if loud:
            limits = torch.tensor([most_tokens(len(windows[place]) / RATE) for place in loud])
            reader = self._reader([windows[place] for place in loud], int(limits.max()))
            logits_CV = reader.logits()
            asked = [spoken[place] or self._language(row_V) for place, row_V in zip(loud, logits_CV, strict=True)]
            start = Start(reader, logits_CV, asked, limits, translate, seed)
            found |= dict(zip(loud, self._written(start), strict=True))
        return [found[place] for place in range(len(windows))]

    def detect(self, window: np.ndarray) -> list[tuple[str, float]]:
        """The languages of a window, the likeliest first, with their shares; none where the model knows but one."""
        with torch.inference_mode():
            return list(languages(self._reader([window], 1).logits()[0], self.script))

    def _language(self, logits_V: Tensor) -> str:
        return next(languages(logits_V, self.script), ("en", 1.0))[0]

    def _reader(self, windows: Sequence[np.ndarray], room: int) -> Reader:
        """Has read the sound and the start of the script."""
        recipe = cuts(self.model.recipe)[AUDIO.name]
        length, hole = recipe.size[0] * RATE // round(recipe.rate), self.model.placeholder[AUDIO.name]
        sources, starts = [], [[Rendered([self.script.start], [False])]] * len(windows)
        for window in windows:
            patches = AUDIO.cut(np.pad(window[:length], (0, max(0, length - len(window)))), recipe)
            sources.append([Rendered([hole] * patches.tokens, [False] * patches.tokens, [(AUDIO.name, patches)])])
        batch = Batch(stream(sources, causal=False), stream(starts, causal=True, left=True), torch.empty(0))
        return Reader(self.model, move(batch, next(self.model.parameters()).device), room + 3)

    def _written(self, start: "Start") -> list[Heard]:
        silence = start.logits_CV.softmax(-1)[:, self.script.no_speech].tolist()
        first = [Heard((), language, silence=share) for language, share in zip(start.languages, silence, strict=True)]
        rows = [row for row, heard in enumerate(first) if heard.silence <= self.guard.sure]
        tried = self._try(start, rows, [0.0] * len(rows)) if rows else []
        for row, (ids, nats) in zip(rows, tried, strict=True):
            doubtful = first[row].silence > self.guard.doubtful and nats < LEAST_NATS
            first[row] = replace(first[row], ids=() if doubtful else tuple(ids), nats=nats)
            if not doubtful and not self._good(ids, nats):
                first[row] = self._again(start, row, first[row])
        return first

    def _again(self, start: "Start", row: int, first: Heard) -> Heard:
        """The likeliest good text of several warmer tries; where none is good, the first one less what it repeats."""
        tried = self._try(start, [row] * len(TEMPERATURES), TEMPERATURES)
        kept = first.ids[: len(first.ids) - looped(first.ids, self.script)]
        good = [(nats, tuple(ids)) for ids, nats in tried if self._good(ids, nats)]
        nats, ids = max(good, default=(first.nats, kept))
        return replace(first, ids=ids, nats=nats, tries=2)

    def _try(self, start: "Start", rows: Sequence[int], temperatures: Sequence[float]) -> list[tuple[list[int], float]]:
        prompt_CS = torch.tensor([self.script.prompt(start.languages[row], start.translate) for row in rows], dtype=torch.long)
        index_C, device = torch.tensor(rows), start.logits_CV.device
        reader, logits_CV = start.reader.fork(index_C), start.logits_CV[index_C]
        warm_C = torch.tensor(temperatures, device=device)
        random = torch.Generator(device).manual_seed(start.seed)  # anew for each window, which so does not hear of its neighbours
        return write(reader, logits_CV, prompt_CS.to(device), start.limits_C[index_C], warm_C, self.script, random)

    def _good(self, ids: Sequence[int], nats: float) -> bool:
        text = self.tokenizer.decode(id for id in ids if id < self.script.end).encode()
        return nats >= LEAST_NATS and not looped(ids, self.script) and len(text) <= MOST_RATIO * len(zlib.compress(text))


def most_tokens(seconds: float) -> int:
    """How many tokens a window of so many seconds may say."""
    return min(MOST_TOKENS, TOKENS + round(TOKENS_A_SECOND * seconds))


@torch.inference_mode()
def write(
    reader: Reader, logits_BV: Tensor, prompt_BS: Tensor, limit_B: Tensor, temperature_B: Tensor, script: Script, random: torch.Generator
) -> list[tuple[list[int], float]]:  # fmt: skip
    """What each row writes after its prompt, and its mean log-probability. `logits_BV` are those that come before the prompt.

    A row ends with the end, at its limit, or as soon as it goes round in a loop. Temperature 0 takes the likeliest token.
    """
    if prompt_BS.shape[1]:
        reader.add(prompt_BS)
        logits_BV = reader.logits()
    rows, said_BS = torch.arange(len(limit_B)), torch.zeros(len(limit_B), 0, dtype=torch.long, device=logits_BV.device)
    written, nats, over = [list[int]() for _ in rows], [0.0] * len(rows), [False] * len(rows)
    while True:
        scores_CV = restrained(logits_BV, said_BS, script)
        next_C = drawn(scores_CV, temperature_B[rows], random)
        log_p = scores_CV.log_softmax(-1).gather(1, next_C[:, None])[:, 0].tolist()
        for row, id, cost in zip(rows.tolist(), next_C.tolist(), log_p, strict=True):
            if not over[row]:
                nats[row] += cost
                written[row].append(id)
                over[row] = id == script.end or len(written[row]) >= int(limit_B[row]) or looped(written[row], script) > 0
        if all(over):
            return [(ids[:-1] if ids[-1] == script.end else ids, cost / len(ids)) for ids, cost in zip(written, nats, strict=True)]
        reader.add(next_C[:, None])
        said_BS = torch.cat([said_BS, next_C[:, None]], 1)
        going = torch.tensor([place for place, row in enumerate(rows.tolist()) if not over[row]])
        if 2 * len(going) <= len(rows):  # not at each end, for to copy the cache takes longer than a step
            reader.select(going)
            rows, said_BS = rows[going], said_BS[going.to(said_BS.device)]
        logits_BV = reader.logits()


def drawn(scores_BV: Tensor, temperature_B: Tensor, random: torch.Generator) -> Tensor:
    """(B,): the next ids."""
    best_B = scores_BV.argmax(-1)
    if not temperature_B.any():
        return best_B
    warm_BV = (scores_BV / temperature_B.clamp(min=1e-3)[:, None]).softmax(-1)
    return torch.where(temperature_B > 0, torch.multinomial(warm_BV, 1, generator=random)[:, 0], best_B)
