"""Script: the control tokens by which Whisper is told what to write, and what it may write next.

B = rows, S = tokens said, V = vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from duomo.tokenizer import Tokenizer

STEP = 0.02  # seconds between two timestamps
FIRST = 1.0  # seconds after which nothing may begin that a window says first (Radford et al. 2022, 4.5)
GPT2_END = 50256  # of the vocabulary that the English-only models share with GPT-2
SIGNS = '"#()*+/:;<=>@[\\]^_`{|}~「」『』'
RUNS = "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪".split()
NOTES = "♩♪♫♬♭♮♯"


@dataclass(frozen=True)
class Script:
    """The control tokens of one Whisper by what they are for (Radford et al. 2022, 2.3)."""

    start: int
    end: int
    transcribe: int
    translate: int
    no_speech: int
    stamps: range
    languages: Mapping[str, int]  # none: English only
    mute: tuple[int, ...]  # never written: signs that nobody speaks, and the other control tokens

    def prompt(self, language: str, translate: bool) -> list[int]:
        """What stands between the start and the first timestamp."""
        return [self.languages[language], self.translate if translate else self.transcribe] if self.languages else []

    def seconds(self, id: int) -> float:
        """The time of a timestamp, from the beginning of its window."""
        return (id - self.stamps.start) * STEP


def script_of(tokenizer: Tokenizer) -> Script | None:
    """The script of a Whisper's tokenizer; None for another model's."""
    special = tokenizer.special
    if not {"<|startoftranscript|>", "<|notimestamps|>", "<|0.00|>", "<|30.00|>"} <= special.keys():
        return None
    start, end, translate = special["<|startoftranscript|>"], special["<|endoftext|>"], special["<|translate|>"]
    languages = {name[2:-2]: id for name, id in special.items() if start < id < translate}
    stamps = range(special["<|0.00|>"], special["<|30.00|>"] + 1)
    control = [id for id in range(end + 1, stamps.start) if id not in (start, *languages.values())]
    return Script(
        start=start,
        end=end,
        transcribe=special["<|transcribe|>"],
        translate=translate,
        no_speech=special["<|nospeech|>" if "<|nospeech|>" in special else "<|nocaptions|>"],
        stamps=stamps,
        languages={} if end == GPT2_END else languages,
        mute=tuple(sorted({*unspoken(tokenizer), start, *languages.values(), *control})),
    )


def unspoken(tokenizer: Tokenizer) -> set[int]:
    """Tokens of brackets, dashes and music signs: what transcribers write about sound that is not speech."""
    found = {tokenizer.encode(text)[0] for text in (" -", " '")}  # alone: inside words they are spoken
    for text in (*SIGNS, *RUNS, *NOTES):
        for ids in (tokenizer.encode(text), tokenizer.encode(f" {text}")):
            if len(ids) == 1 or text in NOTES:
                found.add(ids[0])
    return found


def restrained(logits_BV: Tensor, said_BS: Tensor, script: Script) -> Tensor:
    """Logits with -inf for all that may not come next.

    Timestamps stand in pairs around what was said between them and never go back; the first thing is one of the first second;
    and where all of them together are likelier than any word, one comes.
    """
    logits_BV = logits_BV.clone()
    logits_BV[:, script.mute] = -torch.inf
    first, here_V = script.stamps.start, torch.arange(logits_BV.shape[1], device=logits_BV.device)
    if not said_BS.shape[1]:
        latest = first + round(FIRST / STEP)
        return logits_BV.masked_fill((here_V < first) | (here_V > latest), -torch.inf)
    stamp_BS = said_BS >= first
    last_B = stamp_BS[:, -1]
    opened_B = last_B & (stamp_BS[:, -2] if said_BS.shape[1] > 1 else True)
    closed_B = last_B & ~opened_B
    floor_B = torch.where(stamp_BS, said_BS, first).amax(1) + (~closed_B).long()  # what is closed may be followed at once
    early_BV = (here_V >= first) & (here_V < floor_B[:, None])
    logits_BV = logits_BV.masked_fill(
        early_BV | (opened_B[:, None] & (here_V >= first)) | (closed_B[:, None] & (here_V < script.end)), -torch.inf
    )
    due_B = logits_BV[:, first:].logsumexp(1) > logits_BV[:, :first].amax(1)
    return logits_BV.masked_fill(due_B[:, None] & (here_V < first), -torch.inf)


@dataclass(frozen=True)
class Span:
    """What was said between two times, in seconds from the beginning of a window."""

    begin: float
    end: float
    ids: tuple[int, ...]


def spans(ids: Sequence[int], script: Script, seconds: float) -> tuple[list[Span], float]:
    """What a window of so many seconds said, and where the next window begins.

    Two timestamps in a row end a piece. What follows the last pair and has no end of its own is heard again by the next window;
    a window without pairs, or that ends with a single timestamp, is heard to its end.
    """
    stamp = [id >= script.stamps.start for id in ids]
    cuts = [i for i in range(1, len(ids)) if stamp[i - 1] and stamp[i]]
    ended = bool(ids) and stamp[-1] and not (len(ids) > 1 and stamp[-2])
    if not cuts or ended:
        edges, advance = [0, *cuts, len(ids)], seconds
    else:
        edges, advance = [0, *cuts], script.seconds(ids[cuts[-1] - 1])
    pieces = [ids[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    found = [span for piece in pieces if (span := _span(piece, script, seconds)).ids]
    return found, advance if 0 < advance <= seconds else seconds


def _span(piece: Sequence[int], script: Script, seconds: float) -> Span:
    times = [script.seconds(id) for id in piece if id >= script.stamps.start]
    begin = min(times[0], seconds) if times else 0.0
    end = min(times[-1], seconds) if len(times) > 1 else seconds
    return Span(begin, max(begin, end), tuple(id for id in piece if id < script.end))


def looped(ids: Sequence[int], script: Script, least: int = 12, times: int = 4) -> int:
    """How many tokens at the end say again what stands before them: 0, where nothing goes round.

    A loop is a phrase that stands `times` times in a row at the end, in `least` tokens or more; timestamps do not count.
    """
    words = [(place, id) for place, id in enumerate(ids) if id < script.end]
    for period in range(1, len(words) // times + 1):
        count = max(times, -(-least // period))
        if period * count > len(words):
            continue
        tail = [id for _, id in words[-period * count :]]
        if tail == tail[:period] * count:
            return len(ids) - words[-period * (_rounds(words, period) - 1)][0]
    return 0


def _rounds(words: Sequence[tuple[int, int]], period: int) -> int:
    rounds = 1
    while (rounds + 1) * period <= len(words) and all(words[-i][1] == words[-i - rounds * period][1] for i in range(1, period + 1)):
        rounds += 1
    return rounds


def languages(logits_V: Tensor, script: Script) -> Iterator[tuple[str, float]]:
    """The languages that the logits after the start tell, the likeliest first, with their shares."""
    names = list(script.languages)
    share = logits_V[list(script.languages.values())].softmax(-1)
    for place in share.argsort(descending=True).tolist():
        yield names[place], float(share[place])
