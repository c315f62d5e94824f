"""Bitext: what every translation between English and Chinese shares: its pairs, its question, its figures.

A pair is held out for both directions at once, with every pair that has one of its sides.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import nearest
from duomo.tasks.memory import Memory, memory
from duomo.tasks.placeholders import known, numbered
from duomo.tasks.split import deal, groups, key
from duomo.tasks.task import Answer, Metric, Row, Split

PROMPTS = {"zh": "Translate to Chinese: ", "en": "翻译成英文："}  # by the language of the answer, in the other language
OTHER = {"zh": "en", "en": "zh"}
BLEU_TOKENS = {"zh": "zh", "en": "13a"}
MOST = 8  # pairs that a question may show

Held = Mapping[Split, Sequence["Pair"]]


@dataclass(frozen=True)
class Pair:
    """One text in both languages. `text`: of the longer text that it is a part of, its name."""

    zh: str
    en: str
    origin: Origin | None = None
    text: str = ""

    def side(self, language: str) -> str:
        """The text in "zh" or "en"."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Remembered:
    """Pairs that are known, with their placeholders by number, and what finds them again."""

    pairs: Sequence[tuple[str, str]]  # in the language of the question, and of the answer
    sources: Memory

    def near(self, text: str, count: int, without: Sequence[int] = ()) -> list[tuple[str, str]]:
        """At most `count` pairs that help to translate a text."""
        return [self.pairs[place] for place in self.sources.near(text, count, without)]


def pair(sample: Sample) -> Pair:
    """What a source of pairs gives: the user says the Chinese, the assistant the English."""
    return Pair(sample.messages[0].text.strip(), sample.answer.strip(), sample.origin)


def held(pairs: Iterable[Pair], valid: int, test: int) -> Held:
    """Each pair once, by its letters on both sides, in its split; the group in its origin. Placeholders are alike whatever their names."""
    single = {(_key(one.zh), _key(one.en)): one for one in pairs}
    names = groups([f"zh {zh}", f"en {en}", *([f"text {one.text}"] if one.text else [])] for (zh, en), one in single.items())
    found: dict[Split, list[Pair]] = {"train": [], "valid": [], "test": []}
    for one, group, place in zip(single.values(), names, deal(names, valid, test), strict=True):
        found[place].append(replace(one, origin=replace(one.origin, group=group) if one.origin else None))
    return found


def remembered(pairs: Sequence[Pair], target: str) -> Remembered:
    """The memory of pairs for translations into a language."""
    both = [_sides(one, target) for one in pairs]
    return Remembered(both, memory([source for source, _ in both]))


def samples(split: Split, pairs: Held, target: str, shown: int) -> Iterator[Sample]:
    """The pairs of a split as questions, each with `shown` training pairs that have neither of its sides."""
    taught = remembered(pairs["train"], target) if shown else None
    own = defaultdict[str, list[int]](list)
    for place, one in enumerate(pairs["train"] if split == "train" else ()):
        own[one.origin.group if one.origin else ""].append(place)
    for one in pairs[split]:
        source, answer = _sides(one, target)
        near = taught.near(source, shown, own[one.origin.group if one.origin else ""]) if taught else ()
        yield ask(question(source, target, near), answer=answer, origin=one.origin)


def question(text: str, target: str, near: Sequence[tuple[str, str]] = ()) -> str:
    """What a model is asked: the prompt and the text on one line; below, each on two, pairs that are like it."""
    return PROMPTS[target] + "\n".join((text, *(side for pair in near for side in pair)))


def forgotten(sample: Sample) -> Sample:
    """The same question without the pairs that it shows."""
    return replace(sample, messages=ask(sample.messages[0].text.partition("\n")[0]).messages + sample.messages[1:])


def checked(shown: int) -> int:
    """How many pairs a question shows. Raises ValueError for none that can be."""
    if not 0 <= shown <= MOST:
        raise ValueError(f"memory: {shown} is not a number of pairs; between 0 and {MOST} can be shown")
    return shown


def metrics(target: str) -> tuple[Metric, Metric]:
    """chrF and BLEU over the rows of `score`."""
    return Metric("chrF", _figure("chrf", target)), Metric("BLEU", _figure("bleu", target))


def score(sample: Sample, answer: Answer, target: str) -> Row:
    """Counts that add up over sentences, so that a resample of the corpus costs a sum."""
    said, true = [answer.text.strip()], [[sample.answer]]
    return {name: tuple(measure(name, target)._extract_corpus_statistics(said, true)[0]) for name in ("chrf", "bleu")}


def measure(name: str, target: str) -> Any:
    """A measure of sacrebleu: "chrf", "bleu" or "ter", with the cut into words that suits the language."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
        from sacrebleu.metrics.ter import TER
    except ImportError as error:
        raise ValueError("translation scores need sacrebleu: pip install 'duomo[evaluate]'") from error
    made: dict[str, Callable[[], Any]] = {
        "chrf": CHRF,
        "bleu": lambda: BLEU(tokenize=BLEU_TOKENS[target]),
        "ter": lambda: TER(normalized=True, asian_support=target == "zh", case_sensitive=True),  # Chinese by signs
    }
    return made[name]()


def baselines(train: Sequence[Sample], test: Sequence[Sample], target: str, found: str) -> Mapping[str, Sequence[str]]:
    """Copying, and the translation of the nearest training source, under the name `found`."""
    sources, asked = ([_asked(sample, target) for sample in samples] for samples in (train, test))
    return {"copy of the source": asked, found: [train[i].answer for i in nearest(sources, asked, "char")]}


def _key(text: str) -> str:
    return key(numbered(text, known(text)))


def _sides(one: Pair, target: str) -> tuple[str, str]:
    """Source and target, their placeholders by number in the order of the source."""
    source = one.side(OTHER[target])
    names = known(source)
    return numbered(source, names), numbered(one.side(target), names)


def _asked(sample: Sample, target: str) -> str:
    return sample.messages[0].text.removeprefix(PROMPTS[target]).partition("\n")[0]


def _figure(name: str, target: str) -> Callable[[Sequence[Row]], float]:
    def of(rows: Sequence[Row]) -> float:
        total = [sum(column) for column in zip(*(row[name] for row in rows), strict=True)]
        return float(measure(name, target)._compute_score_from_stats(total).score)

    return of
