"""Text: plain documents, learned whole and scored by likelihood in bits per byte."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from duomo.sample import Message, Sample, ask
from duomo.sample import text as words
from duomo.tasks import sentiment
from duomo.tasks.ngram import ByteNgram, bits_per_byte
from duomo.tasks.passages import SOURCE, Article, articles, shorten
from duomo.tasks.split import origin_group
from duomo.tasks.task import Ablation, Answer, Metric, Row, Split, Store, Task

PROMPT = "Continue: "
ORDER = 5


def text(max_chars: int = 600, documents: int = 0, asked: float = 0.1) -> Task:
    """Documents of at most `max_chars` characters, `documents` of them in training (0: all).

    A document is one assistant message and no question, so that every byte of it is learned. A share `asked` of the
    training documents stands as "Continue: <first sentence>" with the rest as answer, so that users can ask for more.
    """
    if max_chars < 1 or documents < 0 or not 0 <= asked <= 1:
        raise ValueError("text: max_chars is at least 1, documents at least 0, asked between 0 and 1")
    about = "how well unseen encyclopedia text is foreseen, in bits per byte; the control has the words of each document shuffled"
    return _task("text", lambda split, store: _samples(split, store, max_chars, documents, asked), SOURCE, about, " ")


def reviews(max_chars: int = 0) -> Task:
    """The reviews of `sentiment` as documents without their labels, of at most `max_chars` characters (0: whole), split as there."""
    if max_chars < 0:
        raise ValueError(f"reviews: max_chars {max_chars} is not a length; 0 keeps reviews whole")
    about = "how well unseen shop and hotel reviews are foreseen, in bits per byte; the control has the letters of each shuffled"
    return _task("reviews", lambda split, store: _reviews(split, store, max_chars), sentiment.SOURCE, about, "")


def _task(name: str, samples: Callable[[Split, Store], Iterator[Sample]], source: str, about: str, gap: str) -> Task:
    """`gap` stands between what the control shuffles."""
    return Task(
        name=name,
        samples=samples,
        score=_score,
        metrics=(Metric("bits per byte", _bits, higher_is_better=False, chance=8.0),),
        baselines=_baselines,
        control=lambda test, random: _shuffled(test, random, gap),
        ablations=(Ablation("end of another", _crossed),),
        sources=(source,),
        ask="likelihood",
        group=origin_group,
        max_tokens=128,
        about=about,
    )


def _reviews(split: Split, store: Store, max_chars: int) -> Iterator[Sample]:
    for review in sentiment.reviews(split, store):
        body = review.messages[0].text
        yield Sample((Message("assistant", (words(body[: max_chars or None]),)),), origin=review.origin)


def _samples(split: Split, store: Store, max_chars: int, documents: int, asked: float) -> Iterator[Sample]:
    known = articles(split, store)
    if split != "train":
        yield from (_document(shorten(a.text, max_chars), a) for a in known)
        return
    known.sort(key=lambda article: article.origin.group)
    for place, article in enumerate(known[: documents or None]):
        document = _document(shorten(article.text, max_chars), article)
        # evenly spread, whatever the share: the running total passes a whole number
        yield question(document) if int((place + 1) * asked) > int(place * asked) else document


def question(document: Sample) -> Sample:
    """A document as a request: "Continue: " with the sentences (or words) of its first half, the rest as the answer."""
    start = shorten(document.answer, len(document.answer) // 2)
    return ask(PROMPT + start, answer=document.answer[len(start) :].strip(), origin=document.origin)


def _document(body: str, article: Article) -> Sample:
    return Sample((Message("assistant", (words(body),)),), origin=article.origin)


def _score(sample: Sample, answer: Answer) -> Row:
    if answer.nats is None:
        raise ValueError("text: the answer has no likelihood; ask the model for likelihoods, not for words")
    return {"nats": answer.nats, "bytes": len(sample.answer.encode())}


def _bits(rows: Sequence[Row]) -> float:
    return bits_per_byte(sum(row["nats"] for row in rows), sum(row["bytes"] for row in rows))


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, float]:
    """Learned on exactly what the model reads of this task, questions included (without their prompt)."""
    model = ByteNgram.learn((_whole(sample) for sample in train), ORDER)
    documents = [sample.answer for sample in test]
    return {f"byte {ORDER}-gram": bits_per_byte(float(model.nats(documents).sum()), sum(len(d.encode()) for d in documents))}


def _whole(sample: Sample) -> str:
    return " ".join(message.text.removeprefix(PROMPT) for message in sample.messages)


def _shuffled(test: Sequence[Sample], random: Random, gap: str) -> list[Sample]:
    """The same documents, their words (without a gap: letters) in random order: the same bytes, nothing else left to foresee."""
    parts = [sample.answer.split(gap) if gap else list(sample.answer) for sample in test]
    return [_said(sample, gap.join(random.sample(pieces, len(pieces)))) for sample, pieces in zip(test, parts, strict=True)]


def _crossed(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each document's first half with the second half of another.

    Over the set the halves are the same, so what rises is what was foreseen of an end from its own beginning.
    """
    halves = [_halves(sample.answer) for sample in test]
    order = random.sample(range(len(test)), len(test))
    end = {here: halves[there][1] for here, there in zip(order, order[1:] + order[:1], strict=True)}
    return [_said(sample, halves[i][0] + end[i]) for i, sample in enumerate(test)]


def _halves(body: str) -> tuple[str, str]:
    middle = body.find(" ", len(body) // 2)
    middle = len(body) // 2 if middle < 0 else middle
    return body[:middle], body[middle:]


def _said(sample: Sample, body: str) -> Sample:
    return replace(sample, messages=(*sample.messages[:-1], Message("assistant", (words(body),))))
