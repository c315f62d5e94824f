"""What stood before the networks: counts of letters and words, as what `evaluate` measures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix

import numpy as np

from duomo.data.content import HAN
from duomo.data.tokenise import HAN_LETTER
from duomo.sample import Sample
from duomo.tasks.baselines import naive_bayes
from duomo.tasks.ngram import ByteNgram
from duomo.tasks.task import Answer


@dataclass(frozen=True)
class Ngram:
    """A byte n-gram as what `evaluate` measures on documents."""

    model: ByteNgram

    def likelihood(self, samples: Sequence[Sample]) -> list[Answer]:
        """What each document costs, its end included."""
        documents = [sample.answer for sample in samples]
        return [Answer(said, float(nats)) for said, nats in zip(documents, self.model.nats(documents), strict=True)]

    @property
    def size(self) -> int:
        """Counts that are kept."""
        return sum(len(order.count_U) for order in self.model.orders)


@dataclass(frozen=True)
class Bayes:
    """Naive Bayes over one and two letters as what `evaluate` measures on questions with choices, all of which begin with `prompt`."""

    train: Sequence[Sample]
    prompt: str

    def rank(self, samples: Sequence[Sample]) -> list[Answer]:
        """The likeliest label of each."""
        known, asked = ([one.messages[0].text.removeprefix(self.prompt) for one in some] for some in (self.train, samples))
        return [Answer(said) for said in naive_bayes(known, [one.answer for one in self.train], asked, "char")]

    @property
    def size(self) -> int:
        """Counts that are kept: one for each label and run of one or two letters."""
        texts = [sample.messages[0].text.removeprefix(self.prompt).lower() for sample in self.train]
        runs = {text[at : at + width] for text in texts for width in (1, 2) for at in range(len(text) - width + 1)}
        return len(runs) * len({sample.answer for sample in self.train})


@dataclass(frozen=True)
class WordForWord:
    """Each word's likeliest translation, in the order of the source: what the first statistical translation counted (Brown et al. 1993).

    Chinese is taken letter by letter. `size`: pairs of words with a chance of their own.
    """

    best: Mapping[str, str]
    size: int
    prompt: str

    @classmethod
    def learn(cls, train: Sequence[Sample], rounds: int = 5) -> "WordForWord":
        """Model 1, by expectation and maximisation. C = cells: a target word beside a source word of its sentence; P = pairs of words."""
        prompt = commonprefix([one.messages[0].text for one in train])
        pairs = [(words(one.messages[0].text.removeprefix(prompt)), words(one.answer)) for one in train]
        cells = [(s, t, (row, at)) for row, (source, target) in enumerate(pairs) for at, t in enumerate(target) for s in (*source, "")]
        place_C = np.unique(np.array([place for *_, place in cells]), axis=0, return_inverse=True)[1].ravel()
        number = {pair: at for at, pair in enumerate(dict.fromkeys((s, t) for s, t, _ in cells))}
        pair_C = np.array([number[s, t] for s, t, _ in cells])
        source_P = np.unique(np.array([s for s, _ in number]), return_inverse=True)[1]
        chance_P = np.ones(len(number))
        for _ in range(rounds):
            share_C = chance_P[pair_C] / np.bincount(place_C, chance_P[pair_C])[place_C]
            count_P = np.bincount(pair_C, share_C)
            chance_P = count_P / np.bincount(source_P, count_P)[source_P]
        best = dict[str, tuple[float, str]]()
        for (s, t), chance in zip(number, chance_P, strict=True):
            best[s] = max(best.get(s, (0.0, "")), (float(chance), t))
        return cls({s: t for s, (_, t) in best.items()}, len(number), prompt)

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[Answer]:
        """Says a word for each word that it knows."""
        said = ([self.best[word] for word in words(one.messages[0].text.removeprefix(self.prompt)) if word in self.best] for one in samples)
        return [Answer(("" if any(HAN_LETTER.match(word) for word in some) else " ").join(some)) for some in said]


def words(text: str) -> list[str]:
    """Latin words in small letters, single Chinese letters, single signs."""
    return re.findall(rf"[{HAN}]|[^\W{HAN}]+|[^\w\s]", text.lower())
