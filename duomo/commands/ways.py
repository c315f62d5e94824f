"""Ways to put texts under labels: by the vectors of an encoder, or by how likely a language model finds each label.

N = texts, D = width, L = labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duomo.checkpoint import Run
from duomo.classify import Head, Label, learn, meant
from duomo.commands.models import embedder
from duomo.generate import Speaker
from duomo.interchange import Card
from duomo.sample import Message, Sample, ask
from duomo.sample import text as part
from duomo.vectors import Embedder

KIND = "query"  # of a text whose vector is compared with others of its like
CHARACTERS = 20_000  # of a text that are looked at by an encoder: more than any reads
SAID = 2_000  # … by a language model
SHOWN = 400  # characters of an example that a language model is shown
STRANGE = 0.2  # the share of unknown tokens above which a text is not read
MARKS = 8  # tokens around a label, at most
SHOTS = 16  # examples that it is shown at most
TEXT = "{text}"  # in a prompt, where the text stands
NEUTRAL = ("…", "N/A", "。")  # texts that say nothing: what a label costs after them is not the text's doing
Example = tuple[str, str]  # a text and its label
Tick = Callable[[int], None]


def silent(count: int) -> None:
    """Shows nothing."""


class Way(Protocol):
    """What puts texts under labels."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Their names."""

    def shares(self, texts: Sequence[str], tick: Tick = silent) -> NDArray[np.float64]:
        """(N, L): how likely each label is; rows sum to 1. `tick` is told how many more are done."""

    def unread(self, text: str) -> bool:
        """Whether the model does not know the letters of a text, so that its label says nothing."""

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than is read."""


@dataclass(frozen=True)
class ByVectors:
    """An encoder of sentence vectors, and a head on them."""

    encoder: Embedder
    head: Head

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the head."""
        return self.head.labels

    def shares(self, texts: Sequence[str], tick: Tick = silent) -> NDArray[np.float64]:
        """(N, L), as the head says."""
        return self.head.shares(vectors(self.encoder, texts, tick), texts)

    def unread(self, text: str) -> bool:
        """Whether more than a fifth of it becomes unknown tokens."""
        return self.encoder.unknown_share(text[:CHARACTERS]) > STRANGE

    def is_cut(self, text: str) -> bool:
        """Whether it has more tokens than the encoder reads."""
        return len(text) > CHARACTERS or self.encoder.is_cut(text, KIND)


@dataclass(frozen=True)
class ByLikelihood:
    """A model that answers, and examples that it is shown first. A label's share follows its likelihood as the answer.

    `neutral_L`: nats of each label after a text that says nothing, taken off, so that no label wins because it is a frequent word.
    """

    speaker: Speaker
    labels: tuple[str, ...]
    prompt: str
    shown: tuple[Example, ...] = ()
    neutral_L: tuple[float, ...] = ()

    def shares(self, texts: Sequence[str], tick: Tick = silent) -> NDArray[np.float64]:
        """(N, L)."""
        costs_NL = self.costs(texts, tick) - (np.array(self.neutral_L) if self.neutral_L else 0.0)
        shares_NL = np.exp(costs_NL.min(1, keepdims=True) - costs_NL)
        return shares_NL / shares_NL.sum(1, keepdims=True)

    def costs(self, texts: Sequence[str], tick: Tick = silent) -> NDArray[np.float64]:
        """(N, L): nats of each label as the answer, its end included."""
        size, found = self.speaker.batch, list[tuple[float, ...]]()
        for start in range(0, len(texts), size):
            said = self.speaker.rank([self.sample(text) for text in texts[start : start + size]])
            found += [one.costs for one in said]
            tick(len(said))
        return np.array(found)

    def sample(self, text: str) -> Sample:
        """The conversation: each example as a question and its answer, then the text, or as much of it as the model has room for."""
        said = text[:SAID]
        while len(said) > 1 and not self._fits(said):
            said = said[: len(said) * 3 // 4]
        return self._conversation(said)

    def _fits(self, text: str) -> bool:
        """Whether the conversation and a label are no longer than the model reads."""
        label = max(len(self.speaker.tokenizer.encode(label)) for label in self.labels) + MARKS
        return self.speaker.length(self._conversation(text)) + label <= self.speaker.model.recipe.max_positions

    def _conversation(self, text: str) -> Sample:
        turns = [Message("user", (part(self.asked(one[:SHOWN])),)) for one, _ in self.shown]
        told = [Message("assistant", (part(label),)) for _, label in self.shown]
        history = tuple(message for pair in zip(turns, told, strict=True) for message in pair)
        sample = ask(self.asked(text), choices=self.labels)
        return replace(sample, messages=(*history, *sample.messages))

    def asked(self, text: str) -> str:
        """The question about one text."""
        return self.prompt.replace(TEXT, text)

    def calibrated(self) -> "ByLikelihood":
        """The same, with what each label costs without a text (Zhao et al., "Calibrate Before Use", 2021)."""
        return replace(self, neutral_L=tuple(self.costs(NEUTRAL).mean(0).tolist()))

    def unread(self, text: str) -> bool:
        """A language model spells everything."""
        return False

    def is_cut(self, text: str) -> bool:
        """Whether it is longer than the model is shown."""
        return len(text) > SAID or not self._fits(text)


def question(labels: Sequence[Label]) -> str:
    """How a model is asked in the language of the labels; in Chinese as our own task `sentiment` asks."""
    *most, last = (one.name if one.meaning == one.name else f"{one.name} ({one.meaning})" for one in labels)
    if any("\u4e00" <= sign <= "\u9fff" for one in labels for sign in one.name):
        return f"{'、'.join(most)}还是{last}？{TEXT}"
    return f"{TEXT}\n\nIs this {', '.join(most)} or {last}?"


def makes_vectors(run: Run) -> bool:
    """Whether a model is an encoder of sentence vectors; one that was trained here answers by a cloze."""
    recipe = run.model.recipe
    return bool(recipe.encoder_depth) and not recipe.decoder_depth and not run.step


def way(run: Run, card: Card, labels: Sequence[Label], examples: Sequence[Example], prompt: str | None = None) -> Way:
    """How this model puts texts under these labels."""
    if makes_vectors(run):
        return fitted(embedder(run, card, unknown=1.0), labels, examples)
    return by_likelihood(run, labels, examples, prompt)


def fitted(encoder: Embedder, labels: Sequence[Label], examples: Sequence[Example]) -> ByVectors:
    """A head on the vectors of what the labels mean, moved by the examples; with their words, where these are many."""
    start = meant([label.name for label in labels], vectors(encoder, [label.meaning for label in labels]))
    if not examples:
        return ByVectors(encoder, start)
    texts = [text for text, _ in examples]
    return ByVectors(encoder, learn(vectors(encoder, texts), [label for _, label in examples], start, texts=texts))


def by_likelihood(run: Run, labels: Sequence[Label], examples: Sequence[Example], prompt: str | None = None) -> ByLikelihood:
    """A model that ranks the labels' names, having seen a few examples; calibrated where it has seen none of its own task.

    A run that was trained here is asked as it was trained: without calibration.
    """
    names = tuple(label.name for label in labels)
    made = ByLikelihood(Speaker(run.model, run.tokenizer), names, prompt or question(labels), few(examples))
    return made if run.step else made.calibrated()


def about(known: Way, labels: Sequence[Label]) -> Way:
    """The same model with other labels, and no example."""
    if isinstance(known, ByVectors):
        return fitted(known.encoder, labels, [])
    assert isinstance(known, ByLikelihood)
    other = replace(known, labels=tuple(label.name for label in labels), prompt=question(labels), shown=(), neutral_L=())
    return other.calibrated() if known.neutral_L else other


def few(examples: Sequence[Example], most: int = SHOTS) -> tuple[Example, ...]:
    """The first examples of each label in turn, as many of each."""
    by_label: dict[str, list[Example]] = {}
    for example in examples:
        by_label.setdefault(example[1], []).append(example)
    each = max(1, most // max(1, len(by_label)))
    rounds = [[own[place] for own in by_label.values() if place < len(own)] for place in range(each)]
    return tuple(example for one in rounds for example in one)[:most]


def vectors(encoder: Embedder, texts: Sequence[str], tick: Tick = silent) -> NDArray[np.float32]:
    """(N, D). A text that is only white space, and has no vector, counts as a full stop."""
    return encoder.embed([text[:CHARACTERS] if text.strip() else "." for text in texts], KIND, tick)
