"""Repetition: how much of a text says again what it said already."""

import re
from collections.abc import Hashable, Sequence

from duomo.retrieve.words import HAN

UNITS = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")


def repeated(units: Sequence[Hashable], n: int = 4) -> float:
    """The share of a text's n-grams that stood before in it, 0 to 1: seq-rep-n of Welleck et al. 2020. 0 where it has none."""
    grams = _grams(units, n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct(units: Sequence[Hashable], n: int = 2) -> float:
    """The number of different n-grams as a share of all, 0 to 1: distinct-n of Li et al. 2016. 1 where it has none."""
    grams = _grams(units, n)
    return len(set(grams)) / len(grams) if grams else 1.0


def units(text: str) -> list[str]:
    """What is counted, whatever tokens a model has: words without case, each Chinese character alone."""
    return UNITS.findall(text.casefold())


def _grams(units: Sequence[Hashable], n: int) -> list[tuple[Hashable, ...]]:
    if n < 1:
        raise ValueError(f"n-grams are of 1 unit or more, not {n}")
    return [tuple(units[at : at + n]) for at in range(len(units) - n + 1)]
