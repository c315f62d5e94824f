"""Laws of evaluation, on a small task of sums and models that are rules."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest

from duomo.evaluate.run import Evaluation, Setting, evaluate, pick
from duomo.evaluate.scoreboard import beaten_by, looked
from duomo.sample import Origin, Sample, ask
from duomo.tasks.baselines import majority, swapped
from duomo.tasks.task import Ablation, Answer, Metric, Row, Split, Store, Task


class Empty:
    """A store of nothing; the task below makes its own samples."""

    def open(self, source: str) -> object:
        raise ValueError(f"no source {source}")

    def keep(self, data: bytes, suffix: str) -> str:
        raise ValueError("no place")

    def bytes(self, path: str) -> bytes:
        raise ValueError("nothing kept")


def samples(split: Split, store: Store) -> Iterator[Sample]:
    for i in range({"train": 100, "valid": 0, "test": 300}[split]):
        a, b = i % 7, i % 5
        choices = ("odd", "even") if i % 3 == 0 else ()
        answer = choices[(a + b + 1) % 2] if choices else str(a + b)
        yield ask(f"{a}+{b}", answer=answer, choices=choices, origin=Origin("sums", str(i), group=f"{a}+{b}"))


def baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    return {"majority": majority([sample.answer for sample in train], len(test))}


def hide(test: Sequence[Sample], random: Random) -> list[Sample]:
    return [replace(sample, messages=(ask("?").messages[0], *sample.messages[1:])) for sample in test]


def score(sample: Sample, answer: Answer) -> Row:
    return {"right": answer.text == sample.answer}


SUMS = Task(
    name="sums",
    samples=samples,
    score=score,
    metrics=(
        Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows), chance=0.2),
        Metric("errors", lambda rows: 1 - sum(row["right"] for row in rows) / len(rows), higher_is_better=False),
    ),
    baselines=baselines,
    control=swapped,
    ablations=(Ablation("blind", hide, chance=0.3),),
    group=lambda sample: sample.origin.group if sample.origin else "",
    max_tokens=3,
)


@dataclass(frozen=True)
class Rule:
    """A model that is a function of the question."""

    say: Callable[[str], str]

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[Answer]:
        assert max_tokens == 3 and all(len(sample.messages) == 1 and not sample.choices for sample in samples)
        return [Answer(self.say(sample.messages[0].text)) for sample in samples]

    def rank(self, samples: Sequence[Sample]) -> list[Answer]:
        assert all(len(sample.messages) == 1 for sample in samples)
        said = [self.say(sample.messages[0].text) for sample in samples]
        return [Answer(s.choices[(int(text) + 1) % 2] if text.isdigit() else s.choices[0]) for s, text in zip(samples, said, strict=True)]

    def likelihood(self, samples: Sequence[Sample]) -> list[Answer]:
        return [Answer(sample.answer, nats=float(len(sample.messages[0].text))) for sample in samples]


def adds(question: str) -> str:
    return str(sum(map(int, question.split("+")))) if "+" in question else "7"


def found(say: Callable[[str], str] = adds, **more: int) -> Evaluation:
    return evaluate(SUMS, Rule(say), Empty(), Setting(**{"samples": 120, "resamples": 50} | more))


def test_a_model_that_looks_is_told_from_one_that_does_not():
    accuracy, errors = found().rows
    assert (accuracy.value, errors.value) == (1.0, 0.0) and looked(accuracy) and looked(errors)
    assert accuracy.control.value < 0.3 and errors.control.value == pytest.approx(1 - accuracy.control.value)
    blind, worse = found(lambda question: "7").rows
    assert not looked(blind) and not looked(worse) and beaten_by(found(lambda question: "-1").rows[0]).name == "majority"


def test_rows_say_all_that_a_scoreboard_needs():
    accuracy, errors = found(samples=200).rows
    assert (accuracy.task, accuracy.split, accuracy.metric, accuracy.n, accuracy.chance) == ("sums", "test", "accuracy", 200, 0.2)
    assert accuracy.higher_is_better and not errors.higher_is_better
    assert accuracy.low <= accuracy.value <= accuracy.high
    (baseline,), (ablation,) = accuracy.baselines, accuracy.ablations
    assert 0 < baseline.value < 1 and errors.baselines[0].value == pytest.approx(1 - baseline.value)
    assert (ablation.name, ablation.chance, ablation.n) == ("blind", 0.3, 200) and ablation.low <= ablation.value <= ablation.high


def test_figures_follow_the_seed():
    assert found(lambda q: q[0], seed=1).rows == found(lambda q: q[0], seed=1).rows
    assert found(lambda q: q[0], seed=1).rows != found(lambda q: q[0], seed=2).rows


def test_more_samples_extend_fewer_and_all_is_all():
    few, many, all_ = (pick(SUMS, Empty(), Setting(samples=n)) for n in (10, 50, 9999))
    assert many[:10] == few and len(all_) == 300
    assert sorted(s.origin.id for s in all_) == sorted(s.origin.id for s in samples("test", Empty()))


def test_examples_are_the_first_asked():
    shown = found(lambda question: "4").examples
    first = pick(SUMS, Empty(), Setting(samples=120))[: len(shown)]
    assert [(e.question, e.truth) for e in shown] == [(s.messages[0].text, s.answer) for s in first]
    assert [e.right for e in shown] == [e.answer == e.truth for e in shown]


def test_likelihood_is_asked_with_the_truth_and_takes_figures_as_baselines():
    task = replace(
        SUMS,
        ask="likelihood",
        score=lambda sample, answer: {"nats": answer.nats},
        metrics=(Metric("nats", lambda rows: sum(row["nats"] for row in rows) / len(rows), higher_is_better=False),),
        baselines=lambda train, test, store: {"uniform": 9.0},
        ablations=(),
    )
    (row,) = evaluate(task, Rule(adds), Empty(), Setting(resamples=20)).rows
    assert row.value == 3.0 and row.baselines[0].value == 9.0 and beaten_by(row) is None


def test_no_control_where_all_answers_are_equal():
    task = replace(SUMS, samples=lambda split, store: [ask("1+1", answer="2"), ask("2+0", answer="2")])
    (row, _) = evaluate(task, Rule(adds), Empty(), Setting(resamples=20)).rows
    assert row.control is None and row.ablations and looked(row)


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="sums: its valid split is empty"):
        evaluate(SUMS, Rule(adds), Empty(), Setting(split="valid"))


def test_progress_reaches_its_end():
    heard: list[tuple[str, int, int]] = []
    evaluate(SUMS, Rule(adds), Empty(), Setting(samples=20, resamples=5), lambda *step: heard.append(step))
    assert [step for _, step, _ in heard] == [0, 1, 2, 3, 4] and {steps for *_, steps in heard} == {4}
