"""duomo chat MODEL: several turns with a model, on a terminal or through a pipe."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from duomo.batch import Patches
from duomo.commands.engines import Speed, placed
from duomo.commands.models import open_with_card
from duomo.commands.resolve import nearest
from duomo.commands.show import harmless as harmless
from duomo.commands.transcribe import refuse_whisper
from duomo.data.render import Cutter, cut
from duomo.generate import Sampling, Speaker
from duomo.interchange import Card
from duomo.model import cuts
from duomo.recipe import CutRecipe
from duomo.report import Report
from duomo.sample import Message, Part, Sample, text

LONGEST = 256  # tokens of an answer
Say = Callable[[str], None]


@dataclass(frozen=True)
class Talk:
    """What was said so far, and files that go with the next words."""

    messages: tuple[Message, ...] = ()
    pending: tuple[Part, ...] = ()


def run(folder: Path, system: str | None = None, speed: Speed = Speed()) -> Report:
    """Talks until /quit or the end of the input: prompts on a terminal; else reads lines and prints only answers.

    `system`: what the system says first, in place of the model's own default; nothing where it is empty.
    """
    opened, card = open_with_card(folder)
    refuse_whisper(placed(opened, speed))
    limit, tokenizer = opened.recipe.model.max_positions, opened.tokenizer
    tokenizer = tokenizer if system is None else tokenizer.introduced(system)
    sampling = Sampling(max_tokens=min(LONGEST, max(1, limit // 2)))
    speaker = Speaker(opened.model, tokenizer, sampling=sampling, cutter=remembering())
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if sys.stdin.isatty():
        console.print("\n".join((*about(card), f"{folder}: {_help(speaker)}")), style="dim")
        turns = talk(speaker, _typed(console), lambda words: console.print(harmless(words), end=""))
    else:
        turns = talk(speaker, sys.stdin, lambda words: print(words, end="", flush=True))
    return Report(f"chat {folder}", facts={"turns": turns})


def about(card: Card) -> list[str]:
    """What a user should know of an imported model before trusting it; nothing of one that was trained here."""
    names = {"en": "English", "zh": "Chinese"}
    spoken = [names.get(language, language) for language in card.languages]
    told = [f"licence {card.licence}" if card.licence else "", f"{spoken[0]} only" if len(spoken) == 1 else ", ".join(spoken), card.note]
    return [harmless(f"{card.title}: {'; '.join(filter(None, told))}")] if any(told) else []


def talk(speaker: Speaker, lines: Iterable[str], say: Say) -> int:
    """Answers every line; lines that begin with "/" are commands. A fault is said, and the talk goes on.

    Gives the number of answers.
    """
    so_far, turns = Talk(), 0
    for line in map(str.strip, lines):
        try:
            if line.startswith("/"):
                changed = command(so_far, line, speaker, say)
                if changed is None:
                    return turns
                so_far = changed
            elif line or so_far.pending:
                so_far, turns = answer(so_far, line, speaker, say), turns + 1
        except ValueError as error:
            say(f"{error}\n")
    return turns


def command(so_far: Talk, line: str, speaker: Speaker, say: Say) -> Talk | None:
    """What the talk is after a command; None: over. Raises ValueError for an unknown one, and for a file that can not be read."""
    name, _, value = line[1:].partition(" ")
    senses = cuts(speaker.model.recipe)
    if name in ("quit", "exit"):
        return None
    if name == "reset":
        return Talk()
    if name == "help":
        say(f"{_help(speaker)}\n")
        return so_far
    if name not in senses:
        raise ValueError(f"no command /{name}{nearest(name, ['quit', 'reset', 'help', *senses])}")
    if not value:
        raise ValueError(f"/{name} needs a file, as in /{name} FILE")
    part = Part(name, str(Path(value.strip("\"' ")).expanduser()))
    speaker.cutter(part, senses, speaker.root)  # a file that can not be read is told at once
    return replace(so_far, pending=(*so_far.pending, part))


def answer(so_far: Talk, words: str, speaker: Speaker, say: Say) -> Talk:
    """Streams the answer to the next words; Ctrl-C cuts it short. Raises ValueError where the words alone are too long."""
    asked = Message("user", (*so_far.pending, *([text(words)] if words else [])))
    kept, said = trimmed((*so_far.messages, asked), speaker), ""
    try:
        for piece in speaker.stream(Sample(kept)):
            say(piece)
            said += piece
    except KeyboardInterrupt:
        pass
    say("\n")
    return Talk((*kept, Message("assistant", (text(said),))))


def trimmed(messages: tuple[Message, ...], speaker: Speaker) -> tuple[Message, ...]:
    """The latest turns that leave room for an answer: whole messages, from a user's on; the last one always stays."""
    starts = [place for place, message in enumerate(messages) if message.role == "user"]
    for start in starts[:-1]:
        if speaker.length(Sample(messages[start:])) <= speaker.room:
            return messages[start:]
    return messages[starts[-1] :]


def remembering() -> Cutter:
    """A cutter that reads each file once, for every turn is rendered with all before it."""
    known: dict[Part, Patches] = {}

    def remembered(part: Part, sizes: Mapping[str, CutRecipe], root: Path) -> Patches:
        if part not in known:
            known[part] = cut(part, sizes, root)
        return known[part]

    return remembered


def _typed(console: Console) -> Iterator[str]:
    """Lines of a terminal, until Ctrl-D or Ctrl-C."""
    with suppress(ImportError):
        import readline  # noqa: F401  gives `input` its arrow keys, where the system has it
    try:
        while True:
            yield console.input("\n[bold]›[/bold] ", markup=True)
    except (EOFError, KeyboardInterrupt):
        console.print()


def _help(speaker: Speaker) -> str:
    files = "".join(f"/{name} FILE, " for name in cuts(speaker.model.recipe))
    return f"{files}/reset to begin anew, /quit to end"
