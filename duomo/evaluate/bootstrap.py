"""Percentile bootstrap: how far a figure would move, had other samples of the same kind been drawn.

Efron 1979. Samples of one group (a voice, a picture, a document) are drawn together, for they are not independent.
"""

from collections.abc import Sequence

import numpy as np

from duomo.tasks.task import Metric, Row


def intervals(
    rows: Sequence[Row],
    metrics: Sequence[Metric],
    groups: Sequence[str] | None,
    resamples: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> list[tuple[float, float]]:
    """(low, high) of each metric over `resamples` draws of all groups with replacement (None: each row is its own).

    Corpus metrics are computed anew on each draw: a task keeps that cheap by rows whose counts add up
    (chrF of 400 sentences: 0.6 ms a draw). Raises ValueError for no rows.
    """
    if not rows:
        raise ValueError("no rows to resample; the split is empty")
    members = _members(groups or [str(i) for i in range(len(rows))])
    drawn_RM = np.array([_draw(rows, members, metrics, generator) for _ in range(resamples)])  # R resamples, M metrics
    edges = np.percentile(drawn_RM, [50 - 50 * confidence, 50 + 50 * confidence], axis=0)
    return [(float(low), float(high)) for low, high in edges.T]


def _members(groups: Sequence[str]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for place, name in enumerate(groups):
        found.setdefault(name, []).append(place)
    return list(found.values())


def _draw(rows: Sequence[Row], members: list[list[int]], metrics: Sequence[Metric], generator: np.random.Generator) -> list[float]:
    chosen = [rows[i] for group in generator.integers(len(members), size=len(members)) for i in members[group]]
    return [metric.of(chosen) for metric in metrics]
