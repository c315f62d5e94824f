"""Act 2 of the tour: the shelf is asked; where it does not answer, what a language model would have made up stands beside it."""

import math
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from duomo.commands.ask import Assistant
from duomo.commands.ask import load as load_model
from duomo.commands.tour_desk import MEANING, Desk, place_of_quote
from duomo.commands.tour_fetch import WRITER, fetched, model_place
from duomo.page.events import Act, Answered, Event, Invented, LeftOut
from duomo.retrieve.passage import SECOND, Passage
from duomo.retrieve.search import best
from duomo.sample import ask

FRAME = re.compile(r"which (?:recording|message|call) (?:says|tells(?: us| me)?)(?: that)? (?P<said>.+?)\s*\?*", re.I)
HEARER = "caller"  # who is spoken to by a telephone
READ = {
    True: 'A recording on the telephone says to the caller: "{}" What does this tell the caller? In other words:',
    False: 'A recording says: "{}" What does this tell us? In other words:',
}
SILENT = "..."  # stands in its place where nothing is said
WEIGHED = 8  # recordings that are nearest by meaning
GAIN, AHEAD = 3.5, 2.0  # nats: how much likelier the words become, and by how much more than by the next; chosen on 18 questions
INVENTED = 60  # tokens
ENGLISH = "Which recording says that the caller is alone?"
CHINESE = "PAM 的配置错误会锁住系统吗？"
NOWHERE = "What is the Wi-Fi password of the Lisbon office?"


@dataclass(frozen=True)
class Counter:
    """Where questions are answered: the shelf, and a language model that weighs recordings and shows what it would make up."""

    desk: Desk
    writer: Assistant | None = None

    def answer(self, question: str) -> Iterator[Event]:
        """The shelf's answer; where there is none, what the language model alone says, as what it is."""
        found = self.reported(question) or self.desk.answer(question)
        yield found
        if not found.quote and self.writer is not None:
            yield Invented(question, self.writer.sampled(max_tokens=INVENTED).ask(question).strip(), WRITER)

    def reported(self, question: str) -> Answered | None:
        """Of "Which recording says that …?" the recording that makes these words likelier to the language model than all others do.

        Query likelihood of a language model, zero-shot (Sachan et al. 2022), over the recordings nearest by meaning. None for another
        question, and where no recording is far enough ahead.
        """
        asked = FRAME.fullmatch(question.strip())
        spoken = self._spoken(question) if asked and self.writer is not None else []
        if not asked or self.writer is None or not spoken:
            return None
        gains = gained(self.writer, asked["said"], [passage.text for passage in spoken])
        first, *rest = sorted(gains, reverse=True)
        if first < GAIN or first - max(rest, default=0.0) < AHEAD:
            return None
        passage = spoken[gains.index(first)]
        share = 1 / sum(math.exp(gain - first) for gain in (*gains, 0.0))  # against the others, and against none
        return place_of_quote(self.desk.folder, question, passage, 0, passage.text, share, f"{MEANING}, then weighed by {WRITER}")

    def _spoken(self, question: str) -> list[Passage]:
        """The recordings nearest to a question."""
        shelf, maker = self.desk.shelf, self.desk.maker
        if shelf is None or maker is None or shelf.vectors_ND is None:
            return []
        missing = set(map(int, shelf.missing))
        rows = [row for row, passage in enumerate(shelf.passages) if passage.place == SECOND and row not in missing]
        if not rows:
            return []
        near = shelf.vectors_ND[rows] @ maker.embed([question], "query")[0]
        return [shelf.passages[rows[place]] for place in best(near, WEIGHED)]


def gained(writer: Assistant, words: str, texts: Sequence[str]) -> list[float]:
    """By how many nats each text makes the words likelier than no text does."""
    frame = READ[HEARER in words]
    said = writer.speaker.likelihood([ask(frame.format(text), answer=words) for text in (*texts, SILENT)])
    costs = [one.nats or 0.0 for one in said]
    return [costs[-1] - cost for cost in costs[:-1]]


def asking(desk: Desk, cache: Path) -> Generator[Event, None, Counter]:
    """Asks the sample what a recording answers, then in Chinese, then what nothing answers; of a user's folder only the last."""
    yield Act(2, "Ask the shelf", "What answers is quoted, with its place. Where nothing answers, that is said.")
    here = yield from fetched([WRITER], cache)
    counter = Counter(desk, load_model(model_place(WRITER, cache) or WRITER) if WRITER in here else None)
    files = set(desk.shelf.files) if desk.shelf else set[str]()
    for question, wanted in _questions(desk.sample):
        if wanted and not any(name.startswith(wanted) for name in files):
            yield LeftOut(question, "what answers it is not on the shelf")
            continue
        yield from counter.answer(question)
    return counter


def _questions(sample: bool) -> Iterator[tuple[str, str]]:
    """With the part of the sample that each is about."""
    if sample:
        yield ENGLISH, "recordings/"
        yield CHINESE, "manual/"
    yield NOWHERE, ""
