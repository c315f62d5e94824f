"""duomo generate MODEL: a text goes on where it ends; what stands behind `duomo.load(…).generate`."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from duomo.checkpoint import Run
from duomo.commands.engines import Speed, placed
from duomo.commands.extract import STDIN, read
from duomo.commands.models import open_model
from duomo.commands.show import harmless
from duomo.commands.transcribe import refuse_silent
from duomo.data.texts import SUFFIXES
from duomo.generate import Sampling
from duomo.generate.continued import Continued, Continuer, continuing
from duomo.generate.repetition import distinct, repeated, units
from duomo.report import Report


def run(folder: Path, word: str, sampling: Sampling, count: int = 1, lines: bool = False, speed: Speed = Speed()) -> Report:
    """Continuations of a text, of a file or of the input ("-"): on a terminal while they are found, or as JSON `lines`.

    Raises ValueError for a model that writes no text, and for a beginning without any.
    """
    beginning = beginning_of(word)
    writer = continuer(placed(open_model(folder), speed), sampling)
    if writer.unread(beginning):
        print(f"note: the beginning is longer than the model reads; its last {writer.room:,} tokens are read", file=sys.stderr)
    if count == 1 and not lines and sys.stdout.isatty():
        shown(beginning, writer, beginning == word.rstrip())
        return Report(f"generate {folder}")
    found = writer.write(beginning, count)
    facts = {"beginning": beginning, "continuations": [as_json(one) for one in found]}
    written = (json.dumps(as_json(one), ensure_ascii=False) for one in found) if lines else told(found)
    return Report(f"generate {folder}", facts=facts, lines=tuple(written))


def continuer(run: Run, sampling: Sampling) -> Continuer:
    """What goes on with texts by this model. Raises ValueError for one that writes none."""
    refuse_silent(run)
    return Continuer(run.model, continuing(run.tokenizer), sampling)


def beginning_of(word: str) -> str:
    """The words, a file's text, or the input's, without white space at the end, which would be half a token.

    Raises ValueError where there is no text.
    """
    if os.path.isdir(word):
        raise ValueError(f"{word}: is a folder; name a file, or say how the text begins")
    if word == STDIN or os.path.exists(word):
        ((_, text),) = read([word])[0].items()
    elif word.endswith(SUFFIXES) and " " not in word:
        raise ValueError(f"{word}: no such file")
    else:
        text = word
    if not text.strip():
        raise ValueError('begin with something, as in `duomo generate smollm2 "Once upon a time"`')
    return text.rstrip()


def shown(beginning: str, writer: Continuer, whole: bool) -> None:
    """Prints what follows as soon as it is found, behind its beginning where that is wanted, too; Ctrl-C cuts it short."""
    print(harmless(beginning) if whole else "", end="", flush=True)
    with suppress(KeyboardInterrupt):
        for piece in writer.stream(beginning):
            print(harmless(piece), end="", flush=True)
    print()


def as_json(one: Continued) -> dict[str, object]:
    """What `--json` prints of a continuation: with its cost in nats per token, and how much it repeats itself."""
    counted = units(one.text)
    return {
        "text": one.text,
        "tokens": one.tokens,
        "nats_per_token": round(one.nats, 4),
        "ended": one.ended,
        "repeated_4_grams": round(repeated(counted, 4), 4),
        "distinct_2": round(distinct(counted, 2), 4),
    }


def told(found: list[Continued]) -> Iterator[str]:
    """The continuations alone, as they are; several behind their numbers."""
    for number, one in enumerate(found, 1):
        if len(found) > 1:
            yield f"--- {number}"
        yield one.text
