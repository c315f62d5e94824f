"""A translator: a model that drafts translations of lines, with its confidence, its placeholders kept where it can."""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from duomo.checkpoint import Run
from duomo.commands.resolve import nearest
from duomo.commands.transcribe import refuse_silent
from duomo.data.store import Store
from duomo.generate import Sampling, Speaker
from duomo.retrieve.cut import pieces
from duomo.retrieve.words import is_chinese
from duomo.sample import ask
from duomo.sources import SOURCES
from duomo.sources.fetch import cached
from duomo.tasks import build, software, translation
from duomo.tasks.bitext import PROMPTS, Held, Pair, Remembered, question, remembered
from duomo.tasks.placeholders import NUMBERED, found, known, named, numbered, without

ANSWER = 128  # tokens of a draft, at most
TOGETHER = 256  # pieces that are drafted between two steps of the bar
RETRIES = (1, 8, 16)  # beams, for drafts that lost a placeholder or did not end
TEACHERS: Mapping[str, Callable[..., Held]] = {"translation": translation.pairs, "software": software.pairs}
MARK = re.compile(r"(\{\d{1,3}\})")  # a placeholder by its number, kept where a text is split at it
TOUCHING = re.compile(r"(?<=[A-Za-z0-9])(?=\{\d)|(?<=\d\})(?=[A-Za-z0-9])")  # where a placeholder and a Latin word lack a space
SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Draft:
    """What was made of a line. `confidence`: the mean probability of its tokens, their geometric one; 1 where nothing was to be translated.

    `placeholders`: whether it holds exactly the source's; `ended`: whether the model came to an end.
    """

    source: str
    text: str
    confidence: float = 1.0
    placeholders: bool = True
    ended: bool = True


@dataclass(frozen=True)
class Said:
    """A draft of one piece: its nats, over how many tokens."""

    text: str
    sound: bool
    ended: bool
    nats: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Parted:
    """A line in pieces, with their placeholders by number, and what stands before each of them and after the last."""

    line: str
    names: tuple[str, ...]
    pieces: tuple[str, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True)
class Translator:
    """A model that was opened for one direction. `source`: None where each line is looked at."""

    run: Run
    target: str
    source: str | None = None
    beams: int = 4
    taught: Remembered | None = None
    shown: int = 0  # pairs in a question
    longest: int = software.LONGEST  # bytes of a piece

    def drafts(self, lines: Sequence[str], tick: Callable[[int], None] = lambda count: None) -> list[Draft]:
        """A draft of each line. `tick` is told how many pieces are done, of `count`."""
        parted = [self.parted(line) for line in lines]
        every = list(dict.fromkeys(piece for one in parted for piece in one.pieces))  # the same is drafted once
        said = dict[str, Said]()
        for at in range(0, len(every), TOGETHER):
            batch = every[at : at + TOGETHER]
            said |= zip(batch, self._said(batch), strict=True)
            tick(len(said))
        return [self._joined(one, [said[piece] for piece in one.pieces]) for one in parted]

    def count(self, lines: Sequence[str]) -> int:
        """How many pieces are to be drafted."""
        return len({piece for line in lines for piece in self.parted(line).pieces})

    def parted(self, line: str) -> Parted:
        """The line in runs of sentences that the model was taught to read; none of a line without letters, or in the target's language."""
        names = known(line)
        plain = numbered(line, names)
        letters = NUMBERED.sub("", plain)
        if not any(map(str.isalpha, letters)) or (self.source is None and is_chinese(letters) == (self.target == "zh")):
            return Parted(line, names, (), (plain,))
        room = max(16, min(self.longest, self._speaker(1).room - len(PROMPTS[self.target]) - 8))
        spans, end, gaps = list(pieces(plain, room)), 0, list[str]()
        for begin, end_of in spans:
            gaps.append(plain[end:begin])
            end = end_of
        return Parted(line, names, tuple(plain[begin:end] for begin, end in spans), (*gaps, plain[end:]))

    def _said(self, texts: Sequence[str]) -> list[Said]:
        said = self._written(texts, self.beams)
        for way in (*(self._again(beams) for beams in RETRIES if beams != self.beams), self._by_parts):
            if wrong := [place for place, one in enumerate(said) if not one.sound]:
                for place, other in zip(wrong, way([texts[place] for place in wrong]), strict=True):
                    said[place] = other if other.sound else said[place]
        return self._weighed(texts, said)

    def _again(self, beams: int) -> Callable[[Sequence[str]], list[Said]]:
        return lambda texts: self._written(texts, beams)

    def _written(self, texts: Sequence[str], beams: int) -> list[Said]:
        speaker = self._speaker(beams)
        names = [known(text) for text in texts]
        asked = [ask(self._question(text, speaker)) for text in map(numbered, texts, names)]
        answers = speaker.answer(asked)
        drafts = (" ".join(named(answer.text, own).split()) for answer, own in zip(answers, names, strict=True))
        return [_judged(text, draft, one.ended) for text, draft, one in zip(texts, drafts, answers, strict=True)]

    def _by_parts(self, texts: Sequence[str]) -> list[Said]:
        """What stands between the placeholders, each by itself: nothing is lost, though the order is the source's."""
        cut = [MARK.split(text) for text in texts]
        wanted = list(dict.fromkeys(part.strip() for parts in cut for part in parts if _says(part)))
        said = (replace(one, text=" ".join(without(one.text).split())) for one in self._written(wanted, self.beams))  # a part has none
        drafts = dict(zip(wanted, said, strict=True))
        woven = ("".join(_respaced(p, drafts[p.strip()].text) if _says(p) else p for p in parts).strip() for parts in cut)
        made = [TOUCHING.sub(" ", one) for one in woven]  # or "%2The" would be no %2
        ended = [all(drafts[part.strip()].ended for part in parts if _says(part)) for parts in cut]
        return [_judged(*one) for one in zip(texts, made, ended, strict=True)]

    def _weighed(self, texts: Sequence[str], said: Sequence[Said]) -> list[Said]:
        """The same with what they cost the model, as answers to what it was asked."""
        speaker = self._speaker(1)
        names = [known(text) for text in texts]
        asked = [self._question(text, speaker) for text in map(numbered, texts, names)]
        answers = [numbered(one.text, own) for one, own in zip(said, names, strict=True)]
        lengths = [len(self.run.tokenizer.encode(answer)) + 1 for answer in answers]
        short = [place for place, length in enumerate(lengths) if length <= speaker.sampling.max_tokens]
        costs = speaker.likelihood([ask(asked[place], answer=answers[place]) for place in short])
        nats = {place: cost.nats or 0.0 for place, cost in zip(short, costs, strict=True)}  # of what was put together and is too long: none
        return [replace(one, nats=nats.get(n, math.inf), tokens=lengths[n]) for n, one in enumerate(said)]

    def _question(self, text: str, speaker: Speaker) -> str:
        """With as many known pairs as there is room for."""
        near = self.taught.near(text, self.shown) if self.taught else []
        for count in range(len(near), 0, -1):
            asked = question(text, self.target, near[:count])
            if speaker.length(ask(asked)) <= speaker.room:
                return asked
        return question(text, self.target)

    def _speaker(self, beams: int) -> Speaker:
        answer = min(ANSWER, self.run.model.recipe.max_positions // 2)
        return Speaker(self.run.model, self.run.tokenizer, sampling=Sampling(max_tokens=answer, beams=beams))

    def _joined(self, one: Parted, said: Sequence[Said]) -> Draft:
        inner = [self._gap(gap) for gap in one.gaps[1:-1]]
        gaps = [*one.gaps[:1], *inner, *one.gaps[-1:]] if said else list(one.gaps)
        text = "".join(chain.from_iterable(zip(gaps, [*(piece.text for piece in said), ""], strict=False)))
        draft, tokens = named(text, one.names), sum(piece.tokens for piece in said)
        confidence = math.exp(-sum(piece.nats for piece in said) / tokens) if tokens else 1.0
        return Draft(one.line, draft, confidence, found(draft) == found(one.line), all(piece.ended for piece in said))

    def _gap(self, gap: str) -> str:
        """Between two sentences Chinese has no space, and English one."""
        return gap if gap.strip() else "" if self.target == "zh" else " "


def translator(run: Run, target: str, source: str | None = None, beams: int = 4, own: Sequence[Pair] = ()) -> Translator:
    """A model as a translator into a language; `own` pairs of the user are shown to it with those that it was taught.

    Raises ValueError for a model that writes no text or was taught other things, and for a language that it does not know.
    """
    for language in (target, source or target):
        if language not in PROMPTS:
            raise ValueError(f"no language {language!r}{nearest(language, PROMPTS)}")
    if source == target:
        raise ValueError(f"from {source} to {target} there is nothing to translate; name the other language")
    refuse_silent(run)
    names = _taught(run, target)
    options = {name: run.recipe.data.options.get(name, {}) for name in names}
    longest = max((options[name].get("longest", software.LONGEST) for name in names), default=software.LONGEST)
    shown = max((options[name].get("memory", 0) for name in names), default=0)
    if own and not shown:
        raise ValueError(f"{run.folder}: was taught without a memory and can not use one; leave --memory out")
    pairs = [*own, *(_memory(run, options) if shown else ())]
    return Translator(run, target, source, beams, remembered(pairs, target) if pairs else None, shown, longest)


def _taught(run: Run, target: str) -> list[str]:
    """The tasks that taught it to translate into a language."""
    tasks = run.recipe.data.tasks
    into = {name: name.rpartition("_")[2] for name in tasks if name.partition("_")[0] in TEACHERS}
    if tasks and target not in into.values():
        told = f"translation into {target!r}, only into {', '.join(sorted(set(into.values())))}" if into else "translation"
        raise ValueError(f"{run.folder}: was taught no {told}; `duomo train translate` makes a model that translates both ways")
    if not tasks:
        print(f"note: {run.folder} is only asked to translate, which it may not have learned; check its drafts", file=sys.stderr)
    return [name for name, language in into.items() if language == target]


def _memory(run: Run, options: Mapping[str, Mapping[str, int]]) -> Iterator[Pair]:
    """What the run learned from, as far as its packages are at hand."""
    root = Path(run.recipe.data.cache)
    for name, chosen in options.items():
        lacking = [source for source in build(name).sources if not cached(SOURCES[source], root)]
        if lacking:
            print(f"note: a part of its memory is not there, so drafts are worse: `duomo fetch {' '.join(lacking)}`", file=sys.stderr)
            continue
        bounds = {key: value for key, value in chosen.items() if key != "memory"}
        yield from TEACHERS[name.partition("_")[0]](Store(root), **bounds)["train"]


def _judged(text: str, draft: str, ended: bool) -> Said:
    return Said(draft, ended and bool(draft) and found(draft) == found(text), ended)


def _says(part: str) -> bool:
    return not NUMBERED.fullmatch(part) and any(map(str.isalpha, part))


def _respaced(part: str, text: str) -> str:
    """The text with the white space around it that the part has."""
    before, after = SPACE.match(part), SPACE.match(part[::-1])
    return (before[0] if before else "") + text + (after[0][::-1] if after else "")
