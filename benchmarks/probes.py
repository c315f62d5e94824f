"""How far back a model looks: a riddle that is made, and real text of which ever more may be read. V = vocabulary."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch

from duomo.batch import Batch
from duomo.data.collate import collate
from duomo.data.render import Rendered
from duomo.generate.nats import label_nats
from duomo.model import Model
from duomo.tasks.ngram import ByteNgram
from duomo.tokenizer import Tokenizer

DISTANCES = (2, 4, 8, 16, 32, 64)  # each stands for itself and what is below its double
LENGTH = 160  # tokens of a riddle
FIRST_KEY, KEYS, FIRST_VALUE, VALUES = 1, 8, 9, 16
VOCABULARY = FIRST_VALUE + VALUES


@dataclass(frozen=True)
class Riddle:
    """Values, and between them keys; a key comes again some tokens later, and the value that stood behind it is to be said.

    Values without a key are the noise: neither what was read last nor a fixed way back tells the answer.
    """

    item: Rendered
    distance: dict[int, int]  # of the place of each key that comes again


def riddle(random: Random, tries: int = 48) -> Riddle:
    """Values and places are drawn; a key stands in a riddle twice, no more."""
    ids = [FIRST_VALUE + random.randrange(VALUES) for _ in range(LENGTH)]
    learn, free, found = [False] * LENGTH, set(range(LENGTH)), dict[int, int]()
    keys = random.sample(range(FIRST_KEY, FIRST_KEY + KEYS), KEYS)
    for number in range(tries):
        least = DISTANCES[-1 - number % len(DISTANCES)]  # the far ones first, while there is room
        back = random.randrange(least, 2 * least)
        place = random.randrange(back, LENGTH - 1)
        wanted = {place - back, place - back + 1, place, place + 1}
        if keys and wanted <= free:
            free -= wanted
            ids[place - back] = ids[place] = keys.pop()
            ids[place + 1] = ids[place - back + 1]
            learn[place + 1], found[place] = True, least
    return Riddle(Rendered(ids, learn), found)


def riddles(seed: str, count: int) -> list[Riddle]:
    """So many, drawn from this seed."""
    random = Random(seed)
    return [riddle(random) for _ in range(count)]


def steps(seed: int, count: int, rows: int) -> Iterator[list[Batch]]:
    """Riddles to learn from, none twice."""
    for step in range(count):
        yield [collate([[one.item] for one in riddles(f"{seed} train {step}", rows)], "decoder")]


def swapped(one: Riddle, random: Random) -> Riddle:
    """The same truth asked by another key of the riddle, with another value."""
    ids = list(one.item.ids)
    for place in one.distance:
        others = [at for at in one.distance if one.item.ids[at + 1] != one.item.ids[place + 1]]
        if others:
            ids[place] = one.item.ids[random.choice(others)]
    return replace(one, item=replace(one.item, ids=ids))


@torch.inference_mode()
def solved(model: Model, asked: Sequence[Riddle], truth: Sequence[Riddle], rows: int = 32) -> list[dict[int, list[bool]]]:
    """Of each riddle, by distance, whether the value of `truth` was said."""
    found = list[dict[int, list[bool]]]()
    for at in range(0, len(asked), rows):
        batch = collate([[one.item] for one in asked[at : at + rows]], "decoder")
        said_BT = model.eval().logits(model.hidden(batch)).argmax(-1)
        for said_T, one in zip(said_BT.tolist(), truth[at : at + rows], strict=True):
            right: dict[int, list[bool]] = {}
            for place, distance in one.distance.items():
                right.setdefault(distance, []).append(said_T[place] == one.item.ids[place + 1])
            found.append(right)
    return found


def last_value(one: Riddle) -> dict[int, list[bool]]:
    """What is right where always the value that was read last is said."""
    right: dict[int, list[bool]] = {}
    for place, distance in one.distance.items():
        read = [id for id in one.item.ids[:place] if id >= FIRST_VALUE]
        right.setdefault(distance, []).append(read[-1] == one.item.ids[place + 1])
    return right


@dataclass(frozen=True)
class Target:
    """One token of a document that is to be foreseen; `lead` tokens stand before every document."""

    ids: tuple[int, ...]  # up to it, itself included
    lead: int
    before: str  # the text up to it
    said: str


def targets(items: Sequence[Rendered], tokenizer: Tokenizer, reach: int, most: int) -> list[Target]:
    """One of each document that is long enough, at a place that is drawn, whole letters only."""
    found, random = list[Target](), Random(0)
    for item in items:
        places = range(item.turn + reach, len(item.ids) - 1)
        if len(places) and len(found) < most:
            place = random.choice(places)
            before, after = (tokenizer.decode(item.ids[item.turn : end]) for end in (place, place + 1))
            if after.startswith(before) and "\ufffd" not in after and len(after) > len(before):
                found.append(Target(tuple(item.ids[: place + 1]), item.turn, before, after[len(before) :]))
    return found


def by_context(model: Model, asked: Sequence[Target], reach: Sequence[int], rows: int = 64) -> dict[int, float]:
    """Bits of a target where only the last so many tokens before it may be read."""
    found = {}
    for count in reach:
        items = [_cut(target, count) for target in asked]
        batches = (collate([[item] for item in items[at : at + rows]], "decoder") for at in range(0, len(items), rows))
        found[count] = float(torch.cat([label_nats(model.eval(), batch) for batch in batches]).mean() / np.log(2))
    return found


def bits_of_counts(model: ByteNgram, asked: Sequence[Target]) -> float:
    """The same of an n-gram, which reads a few letters and no more."""
    nats = 0.0
    for target in asked:
        read = target.before.encode()
        for byte in target.said.encode():
            nats -= float(np.log(model.next(read)[byte]))
            read += bytes([byte])
    return nats / float(np.log(2)) / len(asked)


def _cut(target: Target, count: int) -> Rendered:
    ids = [*target.ids[: target.lead], *target.ids[-count - 1 :]]
    return Rendered(ids, [False] * (len(ids) - 1) + [True])
