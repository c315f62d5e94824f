"""Own: a data set of the user as a task, so that it is measured like every other. It is no row of the table: its name is the file's."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from duomo.sample import Message, Sample, text, unanswered
from duomo.tasks.baselines import majority, nearest, swapped
from duomo.tasks.ngram import ByteNgram, bits_per_byte
from duomo.tasks.split import origin_group
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task

ORDER = 5
Samples = Callable[[Split], Iterable[Sample]]


def own(name: str, samples: Samples) -> Task:
    """Questions with answers: exact matches and chrF; a data set of documents alone: bits per byte.

    `samples` reads what was prepared. Of a data set that holds both, the questions are asked.
    """
    if any(map(_asks, samples("test"))):
        return _questions(name, lambda split, store: filter(_asks, samples(split)))
    return _documents(name, lambda split, store: samples(split))


def _questions(name: str, samples: Callable[[Split, Store], Iterable[Sample]]) -> Task:
    return Task(
        name=name,
        samples=samples,
        score=_score,
        metrics=(Metric("exact match", lambda rows: sum(row["right"] for row in rows) / len(rows)), Metric("chrF", _chrf)),
        baselines=_baselines,
        control=swapped,
        group=origin_group,
        max_tokens=128,
        about="answers that equal the data's own but for case and punctuation; and the overlap of letters with them, 0 to 100",
    )


def _documents(name: str, samples: Callable[[Split, Store], Iterable[Sample]]) -> Task:
    return Task(
        name=name,
        samples=samples,
        score=lambda sample, answer: {"nats": answer.nats, "bytes": len(sample.answer.encode())},
        metrics=(Metric("bits per byte", _bits, higher_is_better=False, chance=8.0),),
        baselines=_ngram,
        control=_shuffled,
        ask="likelihood",
        group=origin_group,
        about="how well unseen documents are foreseen, in bits per byte; the control has the words of each shuffled",
    )


def _score(sample: Sample, answer: Answer) -> Row:
    said = tuple(_measure()._extract_corpus_statistics([answer.text.strip()], [[sample.answer.strip()]])[0])
    return {"right": _plain(answer.text) == _plain(sample.answer), "chrf": said}


def _chrf(rows: Sequence[Row]) -> float:
    total = [sum(column) for column in zip(*(row["chrf"] for row in rows), strict=True)]
    return float(_measure()._compute_score_from_stats(total).score)


def _measure() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise ValueError("answers are scored with sacrebleu: pip install 'duomo[evaluate]'") from error
    return CHRF()


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """The most frequent answer; and, where all questions are different texts, that of the most similar one."""
    found = {"most frequent answer": majority([sample.answer for sample in train], len(test))}
    known, asked = ([_question(sample) for sample in samples] for samples in (train, test))
    if len(set(known)) > 1 and all(question.strip() for question in (*known, *asked)):
        found["nearest training question"] = [train[i].answer for i in nearest(known, asked, "char")]
    return found


def _ngram(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, float]:
    model, documents = ByteNgram.learn((sample.answer for sample in train), ORDER), [sample.answer for sample in test]
    return {f"byte {ORDER}-gram": bits_per_byte(float(model.nats(documents).sum()), sum(len(d.encode()) for d in documents))}


def _bits(rows: Sequence[Row]) -> float:
    return bits_per_byte(sum(row["nats"] for row in rows), sum(row["bytes"] for row in rows))


def _shuffled(test: Sequence[Sample], random: Random) -> list[Sample]:
    """The same words, or letters where a script has no spaces, in random order."""
    changed = []
    for sample in test:
        gap = " " if " " in sample.answer else ""
        parts = sample.answer.split(" ") if gap else list(sample.answer)
        said = Message("assistant", (text(gap.join(random.sample(parts, len(parts)))),))
        changed.append(replace(sample, messages=(*sample.messages[:-1], said)))
    return changed


def _asks(sample: Sample) -> bool:
    return bool(unanswered(sample).messages and sample.answer)


def _question(sample: Sample) -> str:
    return " ".join(message.text for message in unanswered(sample).messages)


def _plain(value: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", value).casefold())) or value.strip()
