"""Measured: a speaker in the form that evaluation asks."""

from collections.abc import Sequence
from dataclasses import dataclass

from duomo.generate import Said, Speaker
from duomo.sample import Sample
from duomo.tasks.task import Answer


@dataclass(frozen=True)
class Measured:
    """Answers of a speaker as the Answers that tasks score."""

    speaker: Speaker

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[Answer]:
        """Writes an answer to each."""
        return _answers(self.speaker.answer(samples, max_tokens))

    def rank(self, samples: Sequence[Sample]) -> list[Answer]:
        """The likeliest of each sample's choices."""
        return _answers(self.speaker.rank(samples))

    def likelihood(self, samples: Sequence[Sample]) -> list[Answer]:
        """The last assistant message of each, with its nats."""
        return _answers(self.speaker.likelihood(samples))


def _answers(said: Sequence[Said]) -> list[Answer]:
    return [Answer(one.text, one.nats, one.seconds) for one in said]
