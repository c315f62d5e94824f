"""Taggers: the history of finding names, character by character: a list of known names, a hidden Markov model, a conditional random field.

A tag is "O", or "B-" or "I-" with a kind, one for each character (IOB2).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

OUTSIDE = "O"
SURE = 0.5  # of a string's occurrences that are names, from which it is taken for one
LONGEST = 24  # characters of a name that the list knows
BOUND = "\x02"  # before and after a text
Tags = list[str]


def tags_of(length: int, spans: Iterable[tuple[int, int, str]]) -> Tags:
    """The tag of each of `length` characters; of spans that overlap the later one wins."""
    tags = [OUTSIDE] * length
    for start, end, kind in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


def spans_of(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """(start, end, kind) of each run of tags; an "I-" that continues nothing begins a span of its own, as seqeval's default reads it."""
    spans: list[tuple[int, int, str]] = []
    for at, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        begin, _, kind = tag.partition("-")
        if begin == "I" and spans and spans[-1][1] == at and spans[-1][2] == kind:
            spans[-1] = (spans[-1][0], at + 1, kind)
        else:
            spans.append((at, at + 1, kind))
    return spans


class Gazetteer:
    """Every string that was a name in at least half of its occurrences in the training text; the longest one wins, from left to right."""

    def __init__(self, texts: Sequence[str], tags: Sequence[Tags]):
        kinds: dict[str, Counter[str]] = defaultdict(Counter)
        for text, row in zip(texts, tags, strict=True):
            for start, end, kind in spans_of(row):
                if end - start <= LONGEST:
                    kinds[text[start:end]][kind] += 1
        self.lengths = self._lengths(kinds)
        pieces = (text[at : at + n] for text in texts for at in range(len(text)) for n in self._here(text, at))
        seen = Counter(piece for piece in pieces if piece in kinds)
        self.kinds = {name: found.most_common(1)[0][0] for name, found in kinds.items() if found.total() >= SURE * seen[name]}

    def tag(self, text: str) -> Tags:
        """The tags of one text."""
        spans, at = [], 0
        while at < len(text):
            length = next((n for n in self._here(text, at) if text[at : at + n] in self.kinds), 0)
            if length:
                spans.append((at, at + length, self.kinds[text[at : at + length]]))
            at += max(1, length)
        return tags_of(len(text), spans)

    def _here(self, text: str, at: int) -> Sequence[int]:
        return self.lengths.get(text[at], ())

    @staticmethod
    def _lengths(names: Iterable[str]) -> Mapping[str, list[int]]:
        """By its first character, how long a name may be, longest first."""
        found: dict[str, set[int]] = defaultdict(set)
        for name in names:
            found[name[0]].add(len(name))
        return {first: sorted(lengths, reverse=True) for first, lengths in found.items()}


class Markov:
    """A hidden Markov model of tags: p(tag | two tags before) · p(character | tag), add-δ smoothed; the likeliest tags by Viterbi."""

    def __init__(self, texts: Sequence[str], tags: Sequence[Tags], delta: float = 0.01):
        self.tags = sorted({tag for row in tags for tag in row})
        emitted: dict[str, Counter[str]] = defaultdict(Counter)
        followed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for text, row in zip(texts, tags, strict=True):
            padded = [OUTSIDE, OUTSIDE, *row]
            for at, (sign, tag) in enumerate(zip(text, row, strict=True)):
                emitted[tag][sign] += 1
                followed[padded[at], padded[at + 1]][tag] += 1
        vocabulary = len({sign for text in texts for sign in text}) + 1
        self.emit = {tag: self._logs(emitted[tag], vocabulary, delta) for tag in self.tags}
        self.follow = {pair: self._logs(followed[pair], len(self.tags), delta) for pair in ((a, b) for a in self.tags for b in self.tags)}

    def tag(self, text: str) -> Tags:
        """The tags of one text."""
        best: dict[tuple[str, str], tuple[float, tuple[Any, ...]]] = {(OUTSIDE, OUTSIDE): (0.0, ())}  # a path is (tag, the path before)
        for sign in text:
            signs = {tag: self.emit[tag].get(sign, self.emit[tag][""]) for tag in self.tags}
            reached: dict[tuple[str, str], tuple[float, tuple[Any, ...]]] = {}
            for (before, last), (score, path) in best.items():
                steps = self.follow[before, last]
                for tag in self.tags:
                    if tag[0] == "I" and last[1:] != tag[1:]:
                        continue
                    total = score + steps.get(tag, steps[""]) + signs[tag]
                    if (last, tag) not in reached or total > reached[last, tag][0]:
                        reached[last, tag] = (total, (tag, path))
            best = reached
        return self._path(max(best.values(), key=lambda found: found[0])[1]) if text else []

    @staticmethod
    def _logs(counts: Counter[str], size: int, delta: float) -> dict[str, float]:
        """Log probabilities; that of what was never seen stands under ""."""
        total = counts.total() + delta * size
        return {"": math.log(delta / total)} | {name: math.log((count + delta) / total) for name, count in counts.items()}

    @staticmethod
    def _path(path: tuple[Any, ...]) -> Tags:
        tags: Tags = []
        while path:
            tag, path = path
            tags.append(tag)
        return tags[::-1]


class RandomField:
    """A linear-chain conditional random field (Lafferty et al. 2001) by CRFsuite, over characters around and their pairs."""

    def __init__(self, texts: Sequence[str], tags: Sequence[Tags], rounds: int = 60):
        pycrfsuite = _pycrfsuite()
        trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
        trainer.set_params({"c1": 0.0, "c2": 0.5, "max_iterations": rounds, "feature.minfreq": 2})
        for text, row in zip(texts, tags, strict=True):
            trainer.append(list(features(text)), row)
        self.model, self.held = _trained(pycrfsuite, trainer)  # the tagger reads the bytes where they lie and keeps no hold of them

    def tag(self, text: str) -> Tags:
        """The tags of one text."""
        return list(self.model.tag(list(features(text))))


def features(text: str) -> Iterator[list[str]]:
    """What the random field sees of each character: itself, two on either side, the pairs around it, and its sort."""
    wide = BOUND * 2 + text + BOUND * 2
    for at in range(2, len(text) + 2):
        a, b, c, d, e = list(wide[at - 2 : at + 3])
        alone = [f"c0={c}", f"c-1={b}", f"c1={d}", f"c-2={a}", f"c2={e}"]
        pairs = [f"p-1={b}{c}", f"p1={c}{d}", f"p0={b}{d}", f"p-2={a}{b}", f"p2={d}{e}"]
        yield alone + pairs


def _pycrfsuite() -> Any:
    try:
        import pycrfsuite
    except ImportError as error:
        raise ValueError("the random field needs python-crfsuite: pip install 'duomo[evaluate]'") from error
    return pycrfsuite


def _trained(library: Any, trainer: Any) -> tuple[Any, bytes]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "field"
        trainer.train(str(path))
        held = path.read_bytes()
    tagger = library.Tagger()
    tagger.open_inmemory(held)
    return tagger, held
