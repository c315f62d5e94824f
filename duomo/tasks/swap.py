"""Swaps: the same question and answer with other media, for controls and ablations."""

from collections.abc import Sequence
from dataclasses import replace

from duomo.sample import Message, Part, Sample


def show(sample: Sample, media: Sequence[Part]) -> Sample:
    """The sample with these media in place of its own, kind by kind in reading order; its media of other kinds stay."""
    left = {kind: [part for part in media if part.kind == kind] for kind in {part.kind for part in media}}

    def new(part: Part) -> Part:
        return left[part.kind].pop(0) if left.get(part.kind) else part

    return replace(sample, messages=tuple(Message(m.role, tuple(map(new, m.parts))) for m in sample.messages))


def hide(sample: Sample, kind: str) -> Sample:
    """The sample without its media of one kind."""
    return replace(sample, messages=tuple(Message(m.role, tuple(p for p in m.parts if p.kind != kind)) for m in sample.messages))
