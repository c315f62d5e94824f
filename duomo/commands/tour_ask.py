"""Act 2 of the tour: the shelf is asked; where it does not answer, what a language model would have made up stands beside it."""

import math
import re
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from duomo.commands.ask import Assistant
from duomo.commands.ask import load as load_model
from duomo.commands.tour_desk import MEANING, Desk, place_of_quote
from duomo.commands.tour_fetch import WRITER, fetched, model_place
from duomo.commands.tour_weigh import HEARER, Scale, gained, scale
from duomo.page.events import Act, Answered, Event, Invented, LeftOut
from duomo.retrieve.passage import SECOND, Passage
from duomo.retrieve.search import best

FRAME = re.compile(r"which (?:recording|message|call) (?:says|tells(?: us| me)?)(?: that)? (?P<said>.+?)\s*\?*", re.I)
WEIGHED = 8  # recordings that are nearest by meaning
MOST = 32  # pieces of recordings that the language model reads before somebody asks: 3 MB of each
PAUSE = 0.002  # seconds between two pieces of what is made up, in which a question comes before it
GAIN, AHEAD = 3.5, 2.0  # nats: how much likelier the words become, and by how much more than by the next; chosen on 18 questions
INVENTED = 60  # tokens
ENGLISH = "Which recording says that the caller is alone?"
CHINESE = "PAM 的配置错误会锁住系统吗？"
NOWHERE = "What is the Wi-Fi password of the Lisbon office?"


@dataclass(eq=False)
class Counter:
    """Where questions are answered: the shelf, and a language model that weighs recordings and shows what it would make up.

    It may be asked from several threads.
    """

    desk: Desk
    writer: Assistant | None = None
    scales: dict[bool, Scale] = field(default_factory=dict)  # by whether a caller is spoken to
    writing: threading.Lock = field(default_factory=threading.Lock)  # one at a time asks the language model

    def answer(self, question: str) -> Iterator[Event]:
        """The shelf's answer; where there is none, what the language model alone says, as what it is."""
        found = self.quoted(question)
        yield found
        if not found.quote:
            yield from deque(self.invented(question), maxlen=1)

    def quoted(self, question: str) -> Answered:
        """The shelf's answer, of a question for a recording the recording."""
        return self.reported(question) or self.desk.answer(question)

    def invented(self, question: str) -> Iterator[Invented]:
        """What the language model alone says, as it grows; who asks it meanwhile comes before each piece."""
        if self.writer is None:
            return
        pieces, said = self.writer.sampled(max_tokens=INVENTED).stream(question), ""
        while True:
            with self.writing:
                piece = next(pieces, None)
            if piece is None:
                break
            said += piece
            yield Invented(question, said.strip(), WRITER)
            time.sleep(PAUSE)

    def ahead(self) -> Iterator[None]:
        """Reads what questions will ask about, piece by piece: the recordings as the writer reads them, then all sentences of the shelf."""
        spoken = [passage.text for passage in self._recordings()[1]]
        for hearer in (True, False) if self.writer is not None and 0 < len(spoken) <= MOST else ():
            assert self.writer is not None
            self.scales[hearer] = scale(self.writer, hearer, spoken)
            yield
        for _ in self.desk.ahead():
            yield

    def reported(self, question: str) -> Answered | None:
        """Of "Which recording says that …?" the recording that makes these words likelier to the language model than all others do.

        Query likelihood of a language model, zero-shot (Sachan et al. 2022), over the recordings nearest by meaning. None for another
        question, and where no recording is far enough ahead.
        """
        asked = FRAME.fullmatch(question.strip())
        spoken = self._spoken(question) if asked and self.writer is not None else []
        if not asked or self.writer is None or not spoken:
            return None
        gains = self._gained(self.writer, asked["said"], [passage.text for passage in spoken])
        first, *rest = sorted(gains, reverse=True)
        if first < GAIN or first - max(rest, default=0.0) < AHEAD:
            return None
        passage = spoken[gains.index(first)]
        share = 1 / sum(math.exp(gain - first) for gain in (*gains, 0.0))  # against the others, and against none
        return place_of_quote(self.desk.folder, question, passage, 0, passage.text, share, f"{MEANING}, then weighed by {WRITER}")

    def _gained(self, writer: Assistant, words: str, texts: list[str]) -> list[float]:
        ready = self.scales.get(HEARER in words)
        with self.writing:
            return ready.gained(words, texts) if ready is not None and ready.suits(words, texts) else gained(writer, words, texts)

    def _spoken(self, question: str) -> list[Passage]:
        """The recordings nearest to a question."""
        shelf, (rows, spoken) = self.desk.shelf, self._recordings()
        if shelf is None or shelf.vectors_ND is None or not rows:
            return []
        near = shelf.vectors_ND[rows] @ self.desk.reads()[0]([question])[0]
        return [spoken[place] for place in best(near, WEIGHED)]

    def _recordings(self) -> tuple[list[int], list[Passage]]:
        """The rows of what was heard and has its vector, and its passages."""
        shelf = self.desk.shelf
        if shelf is None or self.desk.maker is None or shelf.vectors_ND is None:
            return [], []
        missing = set(map(int, shelf.missing))
        rows = [row for row, passage in enumerate(shelf.passages) if passage.place == SECOND and row not in missing]
        return rows, [shelf.passages[row] for row in rows]


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
