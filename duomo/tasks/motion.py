"""Motion: what moves where, and when it turns, in clips of real handwritten digits that move on known paths."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from duomo.modalities.video import VIDEO, Clip
from duomo.sample import Origin, Part, Sample, ask
from duomo.tasks.baselines import donors
from duomo.tasks.pictures import SOURCE, Picture, pictures, redrawn, ungrouped
from duomo.tasks.split import origin_group
from duomo.tasks.swap import show
from duomo.tasks.task import Ablation, Answer, Metric, Row, Split, Store, Task
from duomo.tasks.tracking import track
from duomo.tasks.words import DIGITS, LANGUAGES

SIDE = 48  # pixels
FRAMES, RATE = 24, 8
END = (FRAMES - 1) / RATE  # the second of the last frame
TURN = (0.7, END - 0.7)  # symmetric, so that clips that run backwards are clips like others
SPEED = (6.0, 11.0)  # pixels per second
TRIES = 8  # places for two digits, of which the least overlapping is taken
NEAR = 0.3  # seconds
STEPS: Mapping[str, tuple[int, int]] = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # rows, columns
OPPOSITE: Mapping[str, str] = {"left": "right", "right": "left", "up": "down", "down": "up"}
CHINESE: Mapping[str, str] = {"left": "左", "right": "右", "up": "上", "down": "下"}
QUESTIONS: Mapping[str, str] = {"en": "what happens?", "zh": "发生了什么？"}
OTHERS: Mapping[str, tuple[str, ...]] = {"en": ("what is this?", "describe the clip"), "zh": ("这是什么？", "描述视频")}  # also learned


@dataclass(frozen=True)
class Motion:
    """A digit moves one way, then from second `turn` another; a second digit may stand still."""

    digit: int | None
    first: str
    second: str
    turn: float | None
    still: int | None = None


def motion(clips: int = 6000, valid: int = 100, test: int = 400, pairs: float = 0.4, seed: int = 0) -> Task:
    """Say what moves, where to and when it turns; a share `pairs` of the clips shows a second digit.

    Half of the test are the other half's clips run backwards, with their own truths.
    """
    counts: Mapping[Split, int] = {"train": clips, "valid": valid, "test": test}
    return Task(
        name="motion",
        samples=lambda split, store: _samples(split, store, Random(f"motion {seed} {split}"), counts[split], pairs),
        score=_score,
        metrics=(
            Metric("both directions", _share("direction"), chance=1 / 12),  # 4 ways, then one of 3 others
            Metric("every digit", _share("digit"), chance=max((1 - pairs) / 10, pairs / 100)),  # guesses "one digit, a …", or two
            Metric(f"turn within {NEAR:g} s", _share("turn"), chance=_blind_turn()),
        ),
        baselines=_baselines,
        control=_control,
        sources=(SOURCE,),
        ablations=(
            # clips that turn straight back look the same backwards and are left out: 8 pairs of ways remain for a guess
            Ablation("reversed clips", _reversed, chance=1 / 8),
            Ablation("reversed clips, reversed truth", _running_backwards, chance=1 / 12),
        ),
        group=origin_group,
        max_tokens=32,
        synthetic=True,
        about="share of clips of unseen digits on made paths whose directions, digits and second of the turn are told right",
    )


def say(motion: Motion, language: str) -> str:
    """The motion in words: "seven: left, then up at 1.5 s; three: still", "七：左，1.5 秒后上；三：静止"."""
    moving, *still = (DIGITS[language][digit] for digit in (motion.digit, motion.still) if digit is not None)
    if language == "zh":
        path = f"{moving}：{CHINESE[motion.first]}，{motion.turn:.1f} 秒后{CHINESE[motion.second]}"
        return path + "".join(f"；{name}：静止" for name in still)
    return f"{moving}: {motion.first}, then {motion.second} at {motion.turn:.1f} s" + "".join(f"; {name}: still" for name in still)


def understand(answer: str) -> Motion:
    """The motion that an answer tells, in either language, whatever its punctuation; what it does not tell is None or ""."""
    text = unicodedata.normalize("NFKC", answer).lower()
    times = re.findall(r"(\d+(?:\.\d+)?)\s*(?:s\b|sec|秒)", text)
    ways = [way for word in re.findall(r"left|right|up\b|down|[左右上下]", text) for way in CHINESE if word in (way, CHINESE[way])]
    moving, still = None, None
    for clause in re.split(r"[;。]", text):
        named = [i for word in re.findall(_NAMES, clause) for i in range(10) if word in (DIGITS["en"][i], DIGITS["zh"][i], str(i))]
        if re.search(r"still|静止|不动", clause):
            still = named[0] if named and still is None else still
        elif named and moving is None:
            moving = named[0]
    first, second = (*ways, "", "")[:2]
    return Motion(moving, first, second, float(times[0]) if times else None, still)


def key_frame(answer: str, clip: Clip) -> int:
    """The index of the clip's frame at the turn that an answer tells. Raises ValueError where it tells none."""
    turn = understand(answer).turn
    if turn is None:
        raise ValueError(f"the answer {answer!r} tells no second of a turn, as in 'at 1.5 s'")
    return int(np.abs(clip.seconds_L - turn).argmin())


# Numerals that belong to a time are no names of digits.
_NAMES = r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine)\b|[零一二三四五六七八九]|(?<![\d.])\d(?![\d.])(?!\s*(?:s\b|sec|秒))"


def _samples(split: Split, store: Store, random: Random, count: int, pairs: float) -> Iterator[Sample]:
    shown = pictures(split, store)
    deck: list[Picture] = []
    for i in range(count // 2 if split == "test" else count):
        deck = deck or random.sample(shown, len(shown))
        moving, still = deck.pop(), random.choice(shown) if random.random() < pairs else None
        seen, frames_LHW = _film(moving, still, random, split != "test")
        language = LANGUAGES[i % 2]
        question = QUESTIONS[language] if split == "test" or random.random() < 0.7 else random.choice(OTHERS[language])
        origin = Origin(SOURCE, f"{moving.id}/{i}/forwards", moving.licence, group=moving.id, synthetic=True)
        sample = ask(_keep(frames_LHW, store), question, answer=say(seen, language), origin=origin)
        yield ungrouped(sample) if split == "valid" else sample
        if split == "test":
            origin = replace(origin, id=f"{moving.id}/{i}/backwards")
            yield ask(_keep(frames_LHW[::-1], store), question, answer=say(_backwards(seen), language), origin=origin)


def _film(moving: Picture, still: Picture | None, random: Random, redraw: bool) -> tuple[Motion, np.ndarray]:
    """A motion and the frames (L, H, W) uint8 that show it."""
    first = random.choice(list(STEPS))
    second = random.choice([way for way in STEPS if way != first])
    turn = random.uniform(*TURN)
    inks = [_ink(redrawn(p.pixels_HW, random) if redraw else p.pixels_HW) for p in (moving, still) if p]
    places = [_places(inks, first, second, turn, random) for _ in range(TRIES if still else 1)]
    frames_LHW = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
    best = min(places, key=lambda place: _overlap(inks, place))
    for ink_HW, corner_L2 in zip(inks, best, strict=True):
        for frame_HW, (row, column) in zip(frames_LHW, corner_L2, strict=True):
            under_HW = frame_HW[row : row + ink_HW.shape[0], column : column + ink_HW.shape[1]]
            np.maximum(under_HW, ink_HW, out=under_HW)
    return Motion(moving.digit, first, second, turn, still.digit if still else None), frames_LHW


def _places(inks: Sequence[np.ndarray], first: str, second: str, turn: float, random: Random) -> list[np.ndarray]:
    """For each digit its upper left corner in every frame: (L, 2) rows and columns. All of them stay inside."""
    ways_22 = np.array([STEPS[first], STEPS[second]], np.float64)
    stations_32 = np.array([(0, 0), ways_22[0] * turn, ways_22[0] * turn + ways_22[1] * (END - turn)]) * random.uniform(*SPEED)
    low, high = stations_32.min(0), stations_32.max(0)
    room = SIDE - np.array(inks[0].shape)
    stations_32 *= min([1.0, *(room / np.maximum(high - low, 1e-9))])
    low, high = stations_32.min(0), stations_32.max(0)
    start = [random.uniform(-a, r - b) for a, b, r in zip(low, high, room, strict=True)]
    seconds_L = np.arange(FRAMES) / RATE
    path = [np.interp(seconds_L, (0, turn, END), stations_32[:, axis] + start[axis]) for axis in (0, 1)]
    still = [np.tile([random.randint(0, SIDE - side) for side in ink.shape], (FRAMES, 1)) for ink in inks[1:]]
    return [np.stack(path, 1).round().astype(int), *still]


def _overlap(inks: Sequence[np.ndarray], place: Sequence[np.ndarray]) -> float:
    """Pixels that the boxes of two digits share, over all frames."""
    if len(inks) < 2:
        return 0.0
    a, b = np.array(inks[0].shape), np.array(inks[1].shape)
    shared_L2 = np.minimum(place[0] + a, place[1] + b) - np.maximum(place[0], place[1])
    return float(np.clip(shared_L2, 0, None).prod(1).sum())


def _ink(pixels_HW: np.ndarray) -> np.ndarray:
    """The picture without its empty margins."""
    rows, columns = np.flatnonzero((pixels_HW > 32).any(1)), np.flatnonzero((pixels_HW > 32).any(0))
    return pixels_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _keep(frames_LHW: np.ndarray, store: Store) -> Part:
    clip = Clip(np.repeat(frames_LHW[..., None], 3, axis=3), np.arange(FRAMES) / RATE)
    return Part(VIDEO.name, store.keep(VIDEO.write(clip), VIDEO.suffix))


def _backwards(motion: Motion) -> Motion:
    """What the same clip shows when it runs backwards."""
    return replace(motion, first=OPPOSITE[motion.second], second=OPPOSITE[motion.first], turn=END - (motion.turn or 0))


def _score(sample: Sample, answer: Answer) -> Row:
    true, said = understand(sample.answer), understand(answer.text)
    return {
        "direction": (said.first, said.second) == (true.first, true.second),
        "digit": (said.digit, said.still) == (true.digit, true.still),
        "turn": said.turn is not None and true.turn is not None and abs(said.turn - true.turn) <= NEAR + 1e-6,
    }


def _share(name: str) -> Callable[[Sequence[Row]], float]:
    return lambda rows: sum(row[name] for row in rows) / len(rows)


def _blind_turn() -> float:
    """The best constant guess: 0.3 s around it, and half a tenth on both sides, for truths are told in tenths."""
    return (2 * NEAR + 0.1) / (TURN[1] - TURN[0])


def _control(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each question with a clip whose directions differ."""
    ways = [(seen.first, seen.second) for seen in (understand(sample.answer) for sample in test)]
    other = donors([" ".join(pair) for pair in ways], random)
    return [show(sample, list(test[i].media())) for sample, i in zip(test, other, strict=True)]


def _reversed(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Each truth with its own clip run backwards: nobody who sees time can be right. What turns straight back is left out."""
    by_id = {sample.origin.id: sample for sample in test if sample.origin}
    changed = []
    for name, sample in by_id.items():
        stem, _, way = name.rpartition("/")
        partner = by_id.get(f"{stem}/{'backwards' if way == 'forwards' else 'forwards'}")
        seen = understand(sample.answer)
        if partner and OPPOSITE[seen.first] != seen.second:
            changed.append(show(sample, list(partner.media())))
    return changed


def _running_backwards(test: Sequence[Sample], random: Random) -> list[Sample]:
    """Only the clips that run backwards, each with what it shows."""
    return [sample for sample in test if sample.origin and sample.origin.id.endswith("backwards")]


def _baselines(train: Sequence[Sample], test: Sequence[Sample], store: Store) -> Mapping[str, Sequence[str]]:
    """No learning but the digits' pictures: the ink that moves is followed, and a bent line fitted to its path."""
    known = pictures("train", store)
    clips = [VIDEO.read(store.bytes(str(next(sample.media()).value)), VIDEO.default) for sample in test]
    languages = ["en" if sample.answer.isascii() else "zh" for sample in test]
    found = [Motion(*told) for told in track(clips, known)]
    return {"tracked centre and 3 nearest neighbours": [say(m, language) for m, language in zip(found, languages, strict=True)]}
